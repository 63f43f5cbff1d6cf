"""An operator commits, the device becomes what the commit says: on real git and real files, through the command."""

import json
import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from reconciler import durable
from tests.device import HEAD, Device

MOTD = 'files: {/etc/motd: {content: "hello\\n", mode: "0644"}}'


def test_a_commit_becomes_a_file(device: Device) -> None:
    commit = device.push(MOTD)
    ran = device.sync()
    assert (ran.status, ran.json["result"]) == (0, "converged")
    assert device.read("/etc/motd") == "hello\n"
    status = ran.json["status"]
    assert status["applied"]["commit"] == commit
    assert status["applied"]["generation"] == 1
    assert status["phase"] == "converged"
    assert status["resources"] == {"total": 1, "converged": 1, "drifted": 0, "failed": 0}


def test_a_second_sync_does_nothing(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    before = {path: (os.lstat(path).st_mtime_ns, os.lstat(path).st_ctime_ns) for path in _outside_runtime(device.root)}
    ran = device.sync()
    assert (ran.status, ran.json["changes"]) == (0, [])
    after = {path: (os.lstat(path).st_mtime_ns, os.lstat(path).st_ctime_ns) for path in _outside_runtime(device.root)}
    assert after == before


def _outside_runtime(root: Path) -> list[str]:
    found = [str(root)]
    for folder, folders, files in os.walk(root):
        found += [os.path.join(folder, name) for name in (*folders, *files)]
    return [path for path in found if not path.startswith(str(root / "run"))]


def test_drift_is_put_back(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.path("/etc/motd").write_text("hacked\n")
    diff = device.run("diff")
    assert diff.status == 2
    assert "-hacked" in diff.out
    assert device.sync().status == 0
    assert device.read("/etc/motd") == "hello\n"
    assert device.run("diff").status == 0


def test_what_is_no_longer_desired_is_pruned_with_the_folders_that_were_made_for_it(device: Device) -> None:
    device.push('files: {/srv/a/b/c: {content: ""}, /etc/motd: {content: ""}}')
    device.sync()
    device.push('files: {/etc/motd: {content: ""}}')
    assert device.sync().status == 0
    assert sorted(device.tree()) == ["etc", "etc/motd"]


def test_a_folder_that_others_use_stays(device: Device) -> None:
    device.push('files: {/srv/a/b: {content: ""}, /etc/motd: {content: ""}}')
    device.sync()
    device.path("/srv/a/mine").write_text("mine")
    device.push('files: {/etc/motd: {content: ""}}')
    assert device.sync().status == 0
    assert sorted(device.tree()) == ["etc", "etc/motd", "srv", "srv/a", "srv/a/mine"]
    assert device.sync().status == 0


def test_a_folder_that_was_moved_and_linked_to_stays(device: Device) -> None:
    device.push('files: {/srv/a/b: {content: ""}, /etc/motd: {content: ""}}')
    device.sync()
    device.path("/srv/a").rename(device.path("/mnt"))
    device.path("/srv/a").symlink_to("/mnt")
    assert device.sync().status == 0
    device.push('files: {/etc/motd: {content: ""}}')
    ran = device.sync()
    assert (ran.status, ran.err) == (0, "")
    assert sorted(device.tree()) == ["etc", "etc/motd", "mnt", "srv", "srv/a"], "its owner's link is not ours to take"
    assert device.sync().status == 0


def test_what_was_there_before_is_adopted_and_let_go(device: Device) -> None:
    device.path("/etc").mkdir()
    device.path("/etc/motd").write_text("theirs\n")
    device.push(f"{MOTD}\nlinks: {{/x: {{target: y}}}}")
    device.sync()
    assert device.read("/etc/motd") == "hello\n"
    device.push("links: {/x: {target: y}}")
    assert "file:/etc/motd is let go" in device.run("plan").out
    assert device.sync().status == 0
    assert device.read("/etc/motd") == "hello\n", "what was adopted is let go as it is"


def test_too_many_deletions_are_refused_and_the_last_good_stays_in_force(device: Device) -> None:
    files = ", ".join(f'/srv/{n}: {{content: ""}}' for n in range(12))
    device.push(f"files: {{{files}}}")
    device.sync()
    device.push('files: {/srv/0: {content: ""}}')
    plan = device.run("plan")
    assert plan.status == 1
    assert "maxDeletes is 10" in plan.err
    ran = device.sync()
    assert ran.status == 1
    assert "hint: delete in smaller commits" in ran.err
    assert len(device.tree()) == 13
    device.path("/srv/5").write_text("drift")
    assert device.sync().status == 1
    assert device.read("/srv/5") == "", "the last good one is kept up"


def test_policy_raises_the_limit_and_protects(device: Device) -> None:
    files = ", ".join(f'/srv/{n}: {{content: ""}}' for n in range(12))
    policy = HEAD.format(kind="Policy", name="default")
    device.push(f"files: {{{files}}}")
    device.sync()
    limits = "spec: {limits: {maxDeletes: 50, maxDeletePercent: 100}, protected: [/srv/7]}\n"
    device.push("files: {}", **{"policy.yaml": policy + limits})
    assert "policy protects /srv/7" in device.sync().err
    limits = "spec: {limits: {maxDeletes: 50, maxDeletePercent: 100}}\n"
    device.commit({"policy.yaml": policy + limits})
    assert device.sync().status == 0
    assert device.tree() == {}


def test_a_bad_commit_is_refused_with_its_line_and_blocks_nothing_else(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.push("filez: {}")
    device.path("/etc/motd").write_text("drift")
    ran = device.sync()
    assert ran.status == 1
    assert "devices/pi.yaml:5:3:" in ran.err
    assert "did you mean files" in ran.err
    assert device.read("/etc/motd") == "hello\n"
    status = ran.json["status"]
    assert status["phase"] == "failed"
    assert status["applied"]["generation"] == 1
    synced = next(c for c in status["conditions"] if c["type"] == "Synced")
    assert (synced["status"], synced["reason"]) == ("False", "InvalidDocuments")
    device.push(MOTD.replace("hello", "mended"))
    assert device.sync().status == 0
    assert device.read("/etc/motd") == "mended\n"


def test_a_history_that_was_rewritten_is_refused(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.push(MOTD.replace("hello", "second"))
    device.sync()
    device.git("reset", "-q", "--hard", "HEAD~1")
    ran = device.sync()
    assert ran.status == 1
    assert "descend" in ran.err
    assert device.read("/etc/motd") == "second\n"


def test_a_repo_that_is_gone_keeps_the_last_good_in_force(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.repo.rename(device.repo.with_name("away"))
    device.path("/etc/motd").write_text("drift")
    ran = device.sync()
    assert ran.status == 1
    assert device.read("/etc/motd") == "hello\n"
    fresh = next(c for c in ran.json["status"]["conditions"] if c["type"] == "Fresh")
    assert (fresh["status"], fresh["reason"]) == ("False", "SourceUnreachable")
    device.repo.with_name("away").rename(device.repo)
    assert device.sync().status == 0


def test_another_commit_that_asks_for_the_same_is_no_new_generation(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    commit = device.commit({"README.md": "words\n"})
    ran = device.sync()
    assert ran.json["status"]["applied"] == {**ran.json["status"]["applied"], "commit": commit, "generation": 1}


def test_rollback_goes_back_and_holds_until_resume(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.push(MOTD.replace("hello", "second"))
    device.sync()
    ran = device.run("rollback", "-o", "json")
    assert ran.status == 3
    assert ran.json["status"]["phase"] == "rolledBack"
    assert device.read("/etc/motd") == "hello\n"
    device.push(MOTD.replace("hello", "third"))
    assert device.sync().status == 3
    assert device.read("/etc/motd") == "hello\n", "it holds"
    device.path("/etc/motd").write_text("drift")
    assert device.sync().status == 3
    assert device.read("/etc/motd") == "hello\n", "what it went back to is kept up"
    assert device.run("resume").status == 0
    assert device.sync().status == 0
    assert device.read("/etc/motd") == "third\n"
    generations = [(r["generation"], r["result"]) for r in device.run("history", "-o", "json").json]
    assert generations == [(3, "converged"), (2, "converged"), (1, "converged")]


def test_to_come_back_after_a_rollback_is_no_new_generation(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    second = device.push(MOTD.replace("hello", "second"))
    device.sync()
    device.run("rollback")
    device.run("resume")
    last = device.commit({"README.md": "words\n"}, "words")
    ran = device.sync()
    assert (ran.json["status"]["applied"]["commit"], ran.json["status"]["applied"]["generation"]) == (last, 2)
    told = device.run("history", "-o", "json").json[0]
    assert (told["generation"], told["commit"]) == (2, second)


def test_suspended_reports_drift_and_changes_nothing(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    assert device.run("suspend", "--for", "2h", "--reason", "a visit").status == 0
    assert device.run("status", "-o", "json").json["phase"] == "suspended"
    device.path("/etc/motd").write_text("drift")
    device.push(MOTD.replace("hello", "second"))
    ran = device.sync()
    assert (ran.status, ran.json["result"]) == (3, "held")
    assert device.read("/etc/motd") == "drift"
    status = ran.json["status"]
    assert (status["phase"], status["resources"]["drifted"]) == ("suspended", 1)
    (hold,) = status["holds"]
    assert (hold["kind"], hold["reason"], hold["until"] is None) == ("suspended", "a visit", False)
    assert device.run("resume").out == "lifted: a visit\nthe next sync follows the repo\n"
    assert device.run("status", "-o", "json").json["phase"] == "converged"
    assert device.sync().status == 0
    assert device.read("/etc/motd") == "second\n"
    assert device.run("resume").out == "nothing was held\n"


def test_a_suspension_ends_by_itself(device: Device) -> None:
    device.push(MOTD)
    device.run("suspend", "--for", "5s")
    assert device.sync().status == 3
    time.sleep(5.1)  # a hold ends by the wall clock, to the second
    assert device.sync().status == 0


def test_a_suspension_that_ended_is_told_of_no_more(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.push(MOTD.replace("hello", "second"))
    device.sync()
    device.run("suspend", "--for", "1s")
    time.sleep(1.1)  # a hold ends by the wall clock, to the second
    shutil.rmtree(device.path("/run/reconciler"))
    assert device.run("status", "-o", "json").json["phase"] == "converged"
    assert device.run("rollback", "-o", "json").json["status"]["phase"] == "rolledBack"
    assert device.run("resume").out.count("lifted") == 1


def test_a_suspension_for_longer_than_any_calendar(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    ran = device.run("suspend", "--for", "99999999d")
    assert (ran.status, ran.err.splitlines()[0]) == (1, "error: cannot suspend for so long: no calendar reaches there")


def test_to_go_back_is_not_limited_in_what_it_deletes(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    files = ", ".join(f'/srv/{n}: {{content: ""}}' for n in range(12))
    device.push(f"{MOTD[:-1]}, {files}}}")
    device.sync()
    ran = device.run("rollback")
    assert (ran.status, sorted(device.tree())) == (3, ["etc", "etc/motd"]), ran.err


@pytest.mark.parametrize("arguments", [("rollback",), ("rollback", "1"), ("rollback", "7")])
def test_there_is_nothing_to_go_back_to(device: Device, arguments: tuple[str, ...]) -> None:
    ran = device.run(*arguments)
    assert ran.status == 1
    assert ran.err.startswith("error: cannot go back: nothing was applied here yet\nhint: ")
    device.push(MOTD)
    device.sync()
    assert device.run("rollback", "7").status == 1


def test_observe_mode_shows_all_and_changes_nothing(device: Device) -> None:
    device.push(f"mode: observe\n{MOTD}")
    assert device.run("plan").status == 2
    ran = device.sync()
    assert (ran.status, ran.json["result"]) == (3, "held")
    assert ran.json["status"]["resources"]["drifted"] == 1
    assert device.tree() == {}


def test_a_rule_observes_one_path(device: Device) -> None:
    device.push(f"drift: {{rules: {{/etc/motd: observe}}}}\n{MOTD}\nlinks: {{/x: {{target: y}}}}")
    ran = device.sync()
    assert ran.status == 0
    assert "etc/motd" not in device.tree()
    assert ran.json["status"]["resources"] == {"total": 2, "converged": 1, "drifted": 1, "failed": 0}
    assert device.run("diff").status == 2


def test_something_of_somebody_else_is_in_the_way(device: Device) -> None:
    device.path("/etc/motd").mkdir(parents=True)
    device.push(f"{MOTD}\nlinks: {{/x: {{target: y}}}}")
    assert device.run("plan").status == 1
    ran = device.sync()
    assert ran.status == 1
    assert "occupied by a directory" in ran.err
    assert "x" not in device.tree(), "wholly or not at all"
    device.path("/etc/motd").rmdir()
    assert device.sync().status == 0


def test_a_link_becomes_a_file_and_back(device: Device) -> None:
    device.push("links: {/etc/motd: {target: /nowhere}}")
    device.sync()
    device.push(MOTD)
    assert device.sync().status == 0
    assert device.read("/etc/motd") == "hello\n"
    device.push("links: {/etc/motd: {target: /nowhere}}")
    assert device.sync().status == 0
    assert device.path("/etc/motd").is_symlink()


def test_a_file_of_ours_that_becomes_a_config_is_still_ours(device: Device) -> None:
    device.push('files: {/srv/a: {content: "a: 1\\n"}, /etc/motd: {content: ""}}')
    device.sync()
    device.push('files: {/etc/motd: {content: ""}}\nconfigs: {/srv/a: {format: yaml, values: {a: 2}}}')
    device.sync()
    assert device.read("/srv/a") == "a: 2\n"
    device.push('files: {/etc/motd: {content: ""}}')
    assert device.sync().status == 0
    assert sorted(device.tree()) == ["etc", "etc/motd"], "what we made is pruned"


def test_a_link_that_led_to_a_name_that_is_no_text_is_replaced(device: Device) -> None:
    device.path("/etc").mkdir()
    device.path("/etc/l").symlink_to(os.fsdecode(b"\xff\xfe"))
    device.push("links: {/etc/l: {target: /x}}")
    assert device.run("plan", "-o", "json").out.encode()
    ran = device.sync()
    assert (ran.status, ran.err) == (0, "")
    assert os.readlink(device.path("/etc/l")) == "/x"


def test_a_source_of_the_repo_is_brought_byte_for_byte(device: Device) -> None:
    (device.repo / "apps/x/files").mkdir(parents=True)
    (device.repo / "apps/x/files/blob.bin").write_bytes(bytes(range(256)) * 1000)
    device.push('files: {/opt/blob.bin: {source: apps/x/files/blob.bin, mode: "0750"}}')
    assert device.sync().status == 0
    assert device.path("/opt/blob.bin").read_bytes() == bytes(range(256)) * 1000
    assert stat.S_IMODE(device.path("/opt/blob.bin").stat().st_mode) == 0o750


def test_layers_and_variables(device: Device) -> None:
    layer = HEAD.format(kind="Layer", name="base").replace("kind", "selector: {matchLabels: {role: x}}\nkind", 1)
    motd = '{content: "${device.name} is ${device.labels.role}\\n"}'
    spec = f'spec: {{files: {{/etc/motd: {motd}, /etc/gone: {{content: ""}}}}}}\n'
    text = HEAD.format(kind="Device", name="pi").replace("{name: pi}", "{name: pi, labels: {role: x}}")
    device.commit({"layers/base.yaml": layer + spec, "devices/pi.yaml": text + "spec: {files: {/etc/gone: null}}\n"})
    assert device.sync().status == 0
    assert device.tree() == {"etc": ("directory", 0o755, ""), "etc/motd": ("file", 0o644, "pi is x\n")}


def test_no_device_of_this_name(tmp_path: Path) -> None:
    device = Device(tmp_path, "pi-garage")
    text = HEAD.format(kind="Device", name="pi-garag") + "spec: {}\n"
    device.commit({"devices/pi-garag.yaml": text})
    ran = device.sync()
    assert ran.status == 1
    assert "did you mean pi-garag" in ran.err
    assert device.tree() == {}


def test_the_lock_names_who_holds_it(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    with durable.lock(str(device.path("/run/reconciler/lock")), "reconciler sync"):
        ran = device.sync()
    assert ran.status == 1
    assert f"reconciler sync (pid {os.getpid()}" in ran.err


def test_the_state_is_lost_and_the_device_goes_on(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    shutil.rmtree(device.path("/var/lib/reconciler"))
    shutil.rmtree(device.path("/run/reconciler"))
    assert device.sync().status == 0
    assert device.run("status").status == 0


@pytest.mark.parametrize("lost", ["repo", "objects"])
def test_a_part_of_the_state_is_lost(device: Device, lost: str) -> None:
    device.push(MOTD)
    device.sync()
    shutil.rmtree(device.path(f"/var/lib/reconciler/{lost}"))
    device.path("/etc/motd").write_text("drift")
    assert device.sync().status == 0
    assert device.read("/etc/motd") == "hello\n"


def test_the_state_is_of_another_format(device: Device) -> None:
    import sqlite3

    device.push(MOTD)
    device.sync()
    with sqlite3.connect(device.path("/var/lib/reconciler/state.db")) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    ran = device.run("sync")
    assert ran.status == 1
    assert "it has format 99, this release reads 2" in ran.err


def test_the_state_is_no_database(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.path("/var/lib/reconciler/state.db").write_bytes(b"not a database" * 1000)
    ran = device.run("sync")
    assert ran.status == 1
    assert ran.err.startswith("error: cannot use the state database")
    status = json.loads(device.read("/run/reconciler/status.json"))
    assert (status["phase"], status["applied"]["generation"]) == ("failed", 1)


def test_status_without_a_repo_or_a_sync(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.config.write_text("device: pi\n")
    ran = device.run("status", "-o", "json")
    assert ran.status == 0
    assert ran.json["phase"] == "starting"
    assert device.run("sync").err.startswith("error: cannot tell which repo to follow")


def test_status_json_is_the_published_file(device: Device) -> None:
    device.push(MOTD)
    ran = device.sync()
    published = json.loads(device.read("/run/reconciler/status.json"))
    assert published == ran.json["status"] == device.run("status", "-o", "json").json


def test_the_plan_has_the_shape_of_the_contract(device: Device) -> None:
    commit = device.push(MOTD)
    ran = device.run("plan", "-o", "json")
    assert ran.status == 2
    assert (ran.json["device"], ran.json["commit"]) == ("pi", commit)
    assert ran.json["digest"].startswith("sha256:")
    by_id = {change["resource"]: change for change in ran.json["changes"]}
    assert by_id["file:/etc/motd"] == {
        "resource": "file:/etc/motd",
        "action": "create",
        "summary": "does not exist yet",
        "diff": "--- /dev/null\n+++ /etc/motd\n@@ -0,0 +1 @@\n+hello",
        "risk": "low",
        "destructive": False,
        "dependsOn": ["directory:/etc"],
    }
    assert device.tree() == {}, "a plan touches nothing"
    assert device.run("plan", "-o", "json").json == ran.json


def test_a_plan_of_another_branch(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.git("checkout", "-q", "-b", "next")
    commit = device.push(MOTD.replace("hello", "next"))
    for ref in ("next", commit):
        ran = device.run("plan", "--ref", ref)
        assert (ran.status, "+next" in ran.out) == (2, True), ran.err
    assert device.run("plan").status == 0


def test_what_left_and_cannot_be_seen_keeps_no_commit_away(device: Device) -> None:
    device.push('files: {/srv/d/x: {content: "old"}}')
    device.sync()
    device.path("/srv/d/x").unlink()
    device.path("/srv/d").rmdir()
    device.path("/srv/d").symlink_to("d")  # it leads to itself
    device.push(MOTD)
    ran = device.sync()
    assert device.read("/etc/motd") == "hello\n"
    assert ran.json["status"]["applied"]["generation"] == 2
    assert ran.status == 1, "and it is said"
