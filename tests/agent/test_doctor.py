"""Whatever is broken, the doctor says so, says how to mend it, and touches nothing. Its cures are carried out here."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler import durable
from reconciler.agent.doctor.examine import examine
from reconciler.agent.doctor.finding import Level
from reconciler.agent.doctor.installation import installation
from reconciler.store.database import FORMAT
from tests.agent.test_run import running
from tests.agent.test_sync import MOTD
from tests.device import Device

STATE, RUNTIME = "/var/lib/reconciler", "/run/reconciler"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others, and mounts")


@pytest.fixture
def synced(device: Device) -> Device:
    device.push(MOTD)
    assert device.sync().status == 0
    return device


def findings(device: Device) -> list[dict[str, Any]]:
    return device.run("doctor", "-o", "json").json["findings"]


def found(device: Device, name: str) -> dict[str, Any]:
    """The worst of that name."""
    order = ["ok", "warning", "fault"]
    return max((f for f in findings(device) if f["name"] == name), key=lambda f: order.index(f["level"]))


def everything(device: Device) -> dict[str, tuple[object, ...]]:
    """All that could be written to, and when it was last."""
    places = [path for path in (device.root, device.repo, device.config) if path.exists()]
    for top in (device.root, device.repo):
        places += [Path(folder) / name for folder, folders, files in os.walk(top) for name in (*folders, *files)]
    seen = {}
    for place in places:
        is_file = place.is_file() and not place.is_symlink()
        stat = place.lstat()
        content = place.read_bytes() if is_file else b""
        seen[str(place)] = (stat.st_mode, stat.st_uid, stat.st_mtime_ns, stat.st_ctime_ns, content)
    return seen


def database(device: Device, *statements: str) -> None:
    connection = sqlite3.connect(device.path(f"{STATE}/state.db"))
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_device_that_is_well(synced: Device) -> None:
    ran = synced.run("doctor")
    assert ran.status == 0, ran.out
    assert ran.out.endswith("0 faults, 0 warnings\n")
    assert {f["level"] for f in findings(synced)} == {"ok"}
    assert synced.run("doctor", "-o", "json").json["result"] == "ok"


def test_a_device_on_which_nothing_was_ever_done(device: Device) -> None:
    device.push(MOTD)
    before = everything(device)
    ran = device.run("doctor", "-o", "json")
    assert (ran.status, ran.json["result"]) == (0, "warning")
    assert [f["mend"] for f in ran.json["findings"] if f["level"] == "warning"] == ["`reconciler sync` makes it"] * 2
    assert everything(device) == before


def no_repo(device: Device) -> None:
    device.config.write_text("device: pi\n")


def a_setting_that_is_none(device: Device) -> None:
    device.config.write_text("devise: pi\n")


def no_yaml(device: Device) -> None:
    device.config.write_bytes(b"\xff: [")


def no_config(device: Device) -> None:
    device.config.unlink()


def a_repo_that_is_away(device: Device) -> None:
    device.repo.rename(device.repo.with_name("away"))


def a_branch_that_is_not_there(device: Device) -> None:
    device.config.write_text(device.config.read_text().replace("main", "nowhere"))


def a_file_for_the_state(device: Device) -> None:
    device.path(STATE).rename(device.path("/var/lib/aside"))
    device.path(STATE).write_text("")


def a_state_that_others_change(device: Device) -> None:
    device.path(STATE).chmod(0o777)


def records_that_others_read(device: Device) -> None:
    device.path(f"{STATE}/state.db").chmod(0o644)


def contents_that_others_read(device: Device) -> None:
    device.path(f"{STATE}/objects").chmod(0o755)


def a_lock_that_others_hold(device: Device) -> None:
    device.path(f"{RUNTIME}/lock").chmod(0o644)


def a_config_that_others_change(device: Device) -> None:
    device.config.chmod(0o666)


def no_database(device: Device) -> None:
    device.path(f"{STATE}/state.db").write_bytes(b"garbage" * 1000)


def a_damaged_page(device: Device) -> None:
    path = device.path(f"{STATE}/state.db")
    content = bytearray(path.read_bytes())
    content[4096 : 4096 + 3000] = b"\xff" * 3000
    path.write_bytes(content)


def an_empty_database(device: Device) -> None:
    device.path(f"{STATE}/state.db").write_bytes(b"")


def records_of_a_later_release(device: Device) -> None:
    database(device, "PRAGMA user_version=99")


def records_of_an_earlier_release(device: Device) -> None:
    database(device, f"PRAGMA user_version={FORMAT - 1}")


def a_transaction_that_was_cut_off(device: Device) -> None:
    """By a kill, after it began to write: its cache is so small that it spills."""
    code = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA journal_mode=TRUNCATE'); c.execute('PRAGMA cache_size=1'); c.execute('BEGIN IMMEDIATE')\n"
        "for _ in range(500): c.execute('INSERT INTO journal(entry) VALUES (?)', ('x' * 1000,))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, device.path(f"{STATE}/state.db")], check=False)
    assert device.path(f"{STATE}/state.db-journal").stat().st_size > 0


def an_interrupted_plan(device: Device) -> None:
    database(device, "DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)")


def entries_of_a_later_release(device: Device) -> None:
    database(device, """UPDATE journal SET entry = '{"format": 99}'""")


def contents(device: Device) -> list[Path]:
    """Of managed files: neither the desired state, which is JSON, nor anything else."""
    return [path for path in device.path(f"{STATE}/objects").iterdir() if path.read_bytes() == b"hello\n"]


def a_content_that_is_lost(device: Device) -> None:
    contents(device)[0].unlink()


def a_content_that_is_damaged(device: Device) -> None:
    contents(device)[0].write_text("rot")


def no_contents(device: Device) -> None:
    for path in device.path(f"{STATE}/objects").iterdir():
        path.unlink()


def no_history(device: Device) -> None:
    database(device, "DELETE FROM generation")


def a_clock_behind_its_own_records(device: Device) -> None:
    database(device, "UPDATE floor SET at = '2100-01-01T00:00:00Z'")


def a_status_that_is_none(device: Device) -> None:
    device.path(f"{RUNTIME}/status.json").write_text("{")


def a_status_of_another_release(device: Device) -> None:
    path = device.path(f"{RUNTIME}/status.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "agentVersion": "99.0.0"}))


def a_status_that_nobody_expects(device: Device) -> None:
    """So that a check of ours crashes."""
    device.path(f"{RUNTIME}/status.json").write_text('{"schema": 1}')


def suspended(device: Device) -> None:
    device.run("suspend", "--reason", "a visit")


def quarantined(device: Device) -> None:
    database(
        device,
        f"""INSERT INTO quarantine (digest, "commit", code, message, at)
        VALUES ('sha256:{"a" * 64}', '{"b" * 40}', 'denied', 'no', '2026-11-21T12:00:00Z')""",
    )


SITUATIONS: list[tuple[Callable[[Device], None], str, str, str]] = [
    (no_repo, "fault repo", "cannot tell which repo to follow", "repo: {url"),
    (a_setting_that_is_none, "fault settings", "devise", "did you mean device?"),
    (no_yaml, "fault settings", "cannot read the agent's configuration", "mend the file"),
    (no_config, "fault settings", "cannot find the agent's configuration", "mend the file"),
    (a_repo_that_is_away, "fault repo", "cannot reach", "check that the repo exists"),
    (a_branch_that_is_not_there, "fault repo", "cannot find nowhere", "it has the branches main"),
    (a_file_for_the_state, "fault state", "is no folder", "move it away"),
    (a_state_that_others_change, "fault state", "mode 0777: others may change it", "chmod 711"),
    (records_that_others_read, "fault state.db", "mode 0644: others may use it", "chmod 600"),
    (contents_that_others_read, "fault objects", "mode 0755: others may use it", "chmod 700"),
    (a_lock_that_others_hold, "fault lock", "mode 0644: others may use it", "chmod 600"),
    (a_config_that_others_change, "fault config", "mode 0666: others may change it", "chmod 640"),
    (no_database, "fault database", "is damaged: file is not a database", "put it aside"),
    (a_damaged_page, "fault database", "is damaged", "put it aside"),
    (an_empty_database, "warning database", "is empty", "reconciler sync"),
    (records_of_a_later_release, "fault database", "has format 99", "run the release"),
    (records_of_an_earlier_release, "warning database", f"has format {FORMAT - 1}", "reconciler sync"),
    (a_transaction_that_was_cut_off, "warning database", "was cut off", "reconciler sync"),
    (an_interrupted_plan, "warning journal", "a plan of generation 1 is open, 2 of 2 steps done", "reconciler sync"),
    (entries_of_a_later_release, "fault journal", "has format 99", "run the release"),
    (a_content_that_is_lost, "fault objects", "1 of 1 contents of generation 1", "reconciler sync"),
    (a_content_that_is_damaged, "fault objects", "missing or damaged", "delete what is left"),
    (no_contents, "fault objects", "cannot read object", "push any commit"),
    (no_history, "fault objects", "history does not tell of generation 1", "push"),
    (a_clock_behind_its_own_records, "fault clock", "accepted at 2100-01-01", "timedatectl"),
    (a_status_that_is_none, "warning status", "no status of ours", "reconciler sync"),
    (a_status_of_another_release, "warning status", "release 99.0.0 published it", "start it again"),
    (a_status_that_nobody_expects, "fault status", "reconciler itself failed: KeyError", "report it"),
    (suspended, "ok hold", "suspended since", "reconciler resume"),
    (quarantined, "ok quarantine", "failed at 2026-11-21T12:00:00Z: no", "quarantine clear aaaaaaaaaaaa"),
]


@pytest.mark.parametrize(
    ("situation", "finding", "seen", "mend"), SITUATIONS, ids=[row[0].__name__ for row in SITUATIONS]
)
def test_a_situation(synced: Device, situation: Callable[[Device], None], finding: str, seen: str, mend: str) -> None:
    situation(synced)
    before = everything(synced)
    ran = synced.run("doctor", "-o", "json")
    assert everything(synced) == before, "looking touched something"
    level, name = finding.split()
    worst = found(synced, name)
    assert (worst["level"], ran.status) == (level, int(level == "fault"))
    assert seen in worst["seen"]
    assert mend in worst["mend"]
    names = {f["name"] for f in ran.json["findings"]}
    assert {"python", "git", "memory", "settings", "clock", "disk", "database", "agent"} <= names, "each is looked at"
    assert all(f["mend"] for f in ran.json["findings"] if f["level"] != "ok")


MENDED_BY_A_COMMAND = [
    a_state_that_others_change,
    records_that_others_read,
    contents_that_others_read,
    a_lock_that_others_hold,
    a_config_that_others_change,
]
MENDED_BY_A_SYNC = [
    an_empty_database,
    a_transaction_that_was_cut_off,
    an_interrupted_plan,
    a_content_that_is_lost,
    a_status_that_is_none,
]


@pytest.mark.parametrize("situation", MENDED_BY_A_COMMAND)
def test_the_command_that_it_names_mends(synced: Device, situation: Callable[[Device], None]) -> None:
    situation(synced)
    (fault,) = [f for f in findings(synced) if f["level"] == "fault"]
    subprocess.run(fault["mend"], shell=True, check=True)
    assert synced.run("doctor").status == 0


@pytest.mark.parametrize("situation", MENDED_BY_A_SYNC)
def test_a_sync_mends(synced: Device, situation: Callable[[Device], None]) -> None:
    situation(synced)
    assert "reconciler sync" in "".join(f["mend"] or "" for f in findings(synced) if f["level"] != "ok")
    assert synced.sync().status == 0
    assert {f["level"] for f in findings(synced)} == {"ok"}


def test_what_is_damaged_is_stored_again_once_it_is_deleted(synced: Device) -> None:
    a_content_that_is_damaged(synced)
    seen = found(synced, "objects")["seen"]
    synced.path(f"{STATE}/objects/{seen.rpartition(' ')[2]}").unlink()
    assert synced.sync().status == 0
    assert found(synced, "objects")["level"] == "ok"


def test_a_damaged_database_that_is_put_aside(synced: Device) -> None:
    no_database(synced)
    synced.path(f"{STATE}/state.db").rename(synced.path(f"{STATE}/state.db.aside"))
    assert synced.sync().status == 0
    assert synced.run("doctor").status == 0


def test_for_people_each_fault_has_its_hint_below_it(synced: Device) -> None:
    no_repo(synced)
    ran = synced.run("doctor")
    assert ran.status == 1
    lines = ran.out.splitlines()
    (at,) = [n for n, line in enumerate(lines) if line.startswith("fault")]
    assert lines[at].split()[:2] == ["fault", "repo"]
    assert lines[at + 1].strip().startswith("hint: write `repo:")
    assert lines[-1] == "1 fault, 0 warnings"


def test_the_agent_runs(device: Device) -> None:
    device.push(MOTD)
    with running(device) as process:
        agent, control = found(device, "agent"), found(device, "control")
        assert agent["seen"].startswith(f"reconciler run (pid {process.pid}, since ")
        assert (control["level"], control["seen"]) == ("ok", "the agent answers at control.sock")
        process.send_signal(signal.SIGSTOP)
        assert found(device, "control")["level"] == "warning"
        process.send_signal(signal.SIGCONT)


def test_an_agent_that_holds_the_lock_and_nothing_else(synced: Device) -> None:
    path = synced.path(f"{RUNTIME}/status.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "lastSync": "2026-01-01T00:00:00Z"}))
    assert found(synced, "status")["level"] == "ok", "nobody promised a newer one"
    with durable.lock(str(synced.path(f"{RUNTIME}/lock")), "reconciler run"):
        assert "nobody listens" in found(synced, "control")["seen"]
        status = found(synced, "status")
    assert (status["level"], status["seen"]) == (
        "warning",
        "the agent runs, but left no word since 2026-01-01T00:00:00Z",
    )


def test_a_plan_that_is_carried_out_was_not_interrupted(synced: Device) -> None:
    an_interrupted_plan(synced)
    with durable.lock(str(synced.path(f"{RUNTIME}/lock")), "reconciler sync"):
        finding = found(synced, "journal")
    assert finding["level"] == "ok"
    assert f"reconciler sync (pid {os.getpid()}" in finding["seen"]


def test_a_board_that_was_never_told_the_time(synced: Device) -> None:
    with installation(str(synced.config), str(synced.root), {}) as examined:
        past = replace(examined.parts, now=lambda: datetime(1970, 1, 1, tzinfo=UTC))
        (clock,) = [f for f in examine(replace(examined, parts=past)) if f.name == "clock"]
    assert clock.level is Level.FAULT
    assert "1970-01-01T00:00:00Z" in clock.seen


@pytest.mark.parametrize(
    ("script", "level", "seen"),
    [
        (None, "fault", "there is no git"),
        ("echo git version 2.30.2", "fault", "git 2.30.2 is too old"),
        ("echo git version 2.47.3.dirty", "ok", "git 2.47.3.dirty"),
        ("echo I am another", "warning", "I am another"),
        ("echo broken >&2; exit 1", "warning", "broken"),
    ],
)
def test_git(synced: Device, tmp_path: Path, script: str | None, level: str, seen: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    if script:
        (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "git").chmod(0o755)
    words = ["--config", synced.config, "--root", synced.root, "doctor", "-o", "json"]
    command = [sys.executable, "-m", "reconciler", *words]
    done = subprocess.run(command, env={**os.environ, "PATH": str(folder)}, capture_output=True, text=True, check=False)
    (finding,) = [f for f in json.loads(done.stdout)["findings"] if f["name"] == "git"]
    assert finding["level"] == level
    assert seen in finding["seen"]


@pytest.mark.root
@needs_root
def test_records_that_belong_to_somebody_else(synced: Device) -> None:
    path = synced.path(f"{STATE}/state.db")
    os.chown(path, 65534, 65534)
    finding = found(synced, "state.db")
    assert (finding["level"], finding["mend"]) == ("fault", f"chown 0 {path}")


@pytest.mark.root
@needs_root
@pytest.mark.parametrize(
    ("options", "level", "seen"),
    [
        ("size=2m", "fault", "2 of 2 MiB are free"),
        ("size=64m", "warning", "64 of 64 MiB are free"),
        ("size=200m,nr_inodes=50", "fault", "49 of 50 inodes"),
        ("size=200m,nr_inodes=500", "warning", "499 of 500 inodes"),
        ("size=200m,nr_inodes=0", "ok", "200 of 200 MiB are free"),
        ("size=200m,ro", "fault", "can only be read"),
    ],
)
def test_a_disk(synced: Device, options: str, level: str, seen: str) -> None:
    with mounted(synced.path(STATE), options):
        finding = found(synced, "disk")
    assert finding["level"] == level
    assert seen in finding["seen"]


@contextmanager
def mounted(place: Path, options: str) -> Iterator[None]:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("not run: this machine lets nobody mount")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.root
@needs_root
def test_somebody_without_power_and_without_a_sandbox(device: Device) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setgid(65534)
        os.setuid(65534)
        with installation(str(device.config), "/", {}) as examined:
            said = json.dumps([finding.to_json() for finding in examine(examined)])
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answers:
        said = answers.read()
    os.waitpid(child, 0)
    power, settings = (next(f for f in json.loads(said) if f["name"] == name) for name in ("privilege", "settings"))
    assert (power["level"], power["seen"][:24]) == ("fault", "user 65534 is not root: ")
    assert "sudo" in power["mend"]
    assert "Permission denied" in settings["seen"]
    assert "sudo" in settings["mend"]


def test_a_release_that_is_not_what_it_was_made_as_is_a_fault(device: Device) -> None:
    device.push('releases: {/opt/tool: {version: "1.0", files: tool}}', **{"tool/run": "#!/bin/sh\n"})
    assert device.sync().status == 0
    assert "1 releases are as their manifests say" in device.run("doctor").out
    device.path("/opt/tool/releases/1.0/run").write_text("#!/bin/ls\n")
    found = device.run("doctor")
    assert found.status == 1
    assert "/opt/tool is not as it should be" in found.out
    device.sync()
    assert "1 releases are as their manifests say" in device.run("doctor").out
