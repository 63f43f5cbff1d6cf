"""One file for whoever helps: whole or not at all, whatever is broken, and no secret in it."""

import json
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.agent.evidence import PARTS
from reconciler.core.redact import REDACTED
from tests.agent.test_doctor import (
    a_transaction_that_was_cut_off,
    an_interrupted_plan,
    database,
    entries_of_a_later_release,
    everything,
    needs_root,
    no_contents,
    no_database,
    no_repo,
    suspended,
)
from tests.agent.test_sync import MOTD
from tests.device import Device, Ran

NAMES = ["README.txt", *(part.name for part in PARTS)]


class Bundle:
    """As the one who was sent it unpacks it."""

    def __init__(self, path: Path) -> None:
        self.names, self.texts = [], {}
        with tarfile.open(path) as archive:
            self.members = archive.getmembers()
            for member in self.members:
                folder, _, name = member.name.partition("/")
                assert folder.startswith("reconciler-pi-")
                self.names.append(name)
                file = archive.extractfile(member)
                assert file
                self.texts[name] = file.read().decode()

    def json(self, name: str) -> Any:
        return json.loads(self.texts[name])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def bundle(device: Device, *arguments: str) -> tuple[Ran, Bundle]:
    ran = device.run("support-bundle", *arguments)
    assert ran.status == 0, ran.err
    return ran, Bundle(Path(ran.out.removeprefix("written: ").strip()))


def test_it_is_all_there_and_only_its_owner_reads_it(device: Device, here: Path) -> None:
    device.push(MOTD)
    device.sync()
    device.push(MOTD.replace("0644", "0600"))
    device.sync()
    device.path("/etc/motd").write_text("drift")
    before = everything(device)
    ran, seen = bundle(device)
    assert everything(device) == before, "looking touched something"
    (file,) = here.iterdir()
    assert (ran.out, stat.S_IMODE(file.stat().st_mode)) == (f"written: {file.name}\n", 0o600)
    assert seen.names == NAMES
    assert {(m.mode, m.uid, m.uname) for m in seen.members} == {(0o600, 0, "")}
    assert seen.json("status.json")["applied"]["generation"] == 2
    assert seen.json("history.json")["inForce"] == 2
    assert [g["generation"] for g in seen.json("history.json")["generations"]] == [2, 1]
    opened, *_, closed = seen.json("journal.json")
    assert opened["steps"] == [{"resource": "file:/etc/motd", "action": "update", "fields": ["mode"]}]
    assert (closed["entry"], closed["outcome"]) == ("closed", "converged")
    assert [owned["resource"] for owned in seen.json("inventory.json")] == ["directory:/etc", "file:/etc/motd"]
    assert seen.json("drift.json") == [{"resource": "file:/etc/motd", "fields": ["content"]}]
    assert {finding["level"] for finding in seen.json("doctor.json")} == {"ok"}
    assert seen.json("versions.json")["git"][0].isdigit()
    assert seen.json("machine.json")["memoryBytes"]["MemTotal"] > 0
    assert all(part.about in seen.texts["README.txt"] for part in PARTS)


SECRETS = """
files: {/etc/app.env: {content: "PASSWORD=hunter2"}}
configs: {/etc/app.yml: {format: yaml, values: {a: hunter2}}}
"""


def test_no_secret_is_in_it(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    key = device.root.with_name("key")
    key.write_text("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n")
    monkeypatch.setenv("RECONCILER_REPO__SSHKEY", str(key))
    monkeypatch.setenv("RECONCILER_UNKNOWN", "hunter2")
    device.push(SECRETS)
    device.sync()
    device.push(SECRETS.replace("hunter2", "hunter2 again"))
    device.git("commit", "-q", "--amend", "-m", "rotate token=hunter2")
    device.sync()
    device.path("/etc/app.yml").write_text("a: hunter2 by hand\n")
    device.run("suspend", "--reason", "see https://ada:hunter2@example.org/")
    config = device.config.read_text()
    device.config.write_text(config.replace(str(device.repo), '"https://ada:hunter2@127.0.0.1:9/home.git"'))
    _, seen = bundle(device)
    assert [name for name, text in seen.texts.items() if "hunter2" in text] == []
    settings = {entry["setting"]: entry["value"] for entry in seen.json("settings.json")["settings"]}
    assert settings["repo.url"] == f"https://{REDACTED}@127.0.0.1:9/home.git"
    assert settings["repo.sshKey"] == str(key), "a path is no secret"
    assert "RECONCILER_UNKNOWN" in seen.texts["settings.json"]
    assert seen.json("drift.json") == [{"resource": "config:/etc/app.yml", "fields": ["values"]}]
    assert seen.json("holds.json")[0]["reason"] == f"see https://{REDACTED}@example.org/"
    assert seen.json("history.json")["generations"][0]["subject"] == f"rotate token={REDACTED}"


RECORDS = ["history.json", "journal.json", "inventory.json", "holds.json", "quarantine.json", "drift.json", "logs.json"]


@pytest.mark.parametrize(
    ("situation", "missing"),
    [
        (no_database, RECORDS),
        (a_transaction_that_was_cut_off, RECORDS),
        (entries_of_a_later_release, ["journal.json"]),
        (no_contents, ["drift.json", "logs.json"]),
        (no_repo, []),
        (an_interrupted_plan, []),
        (suspended, []),
    ],
)
def test_what_cannot_be_had_is_replaced_by_the_reason(
    device: Device, situation: Callable[[Device], None], missing: list[str]
) -> None:
    device.push(MOTD)
    device.sync()
    situation(device)
    before = everything(device)
    ran, seen = bundle(device)
    assert everything(device) == before, "looking touched something"
    assert seen.names == NAMES
    assert [name for name in NAMES[1:] if "cannotBeCollected" in seen.json(name)] == missing
    assert [name for name in NAMES[1:] if f"without {name}: cannot " in ran.err] == missing
    assert all(f"{name:<17} cannot " in seen.texts["README.txt"] for name in missing)


def test_the_last_events_are_told(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    told = device.path("/run/reconciler/events.jsonl")
    told.write_text('"of old, cut off"}\n' + '{"event": "asked", "detail": "token=hunter2"}\n' * 2)
    _, seen = bundle(device)
    assert seen.json("events.json")[1:] == [{"event": "asked", "detail": f"token={REDACTED}"}] * 2
    told.write_text("x" * 1_000_000)
    _, seen = bundle(device, "--to", "second.tar.gz")
    assert len(seen.texts["events.json"]) < 200_000


def test_nothing_is_known_not_even_a_status(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    no_database(device)
    device.path("/run/reconciler/status.json").unlink()
    _, seen = bundle(device)
    said = seen.json("status.json")["cannotBeCollected"]
    assert "is damaged: file is not a database" in said["message"]
    assert said["hint"].startswith("put it aside")


def test_a_settings_file_that_cannot_be_used(device: Device) -> None:
    device.config.write_text("device: pi\nrepo: {url: ['https://ada:hunter2@example.org/']}\n")
    ran = device.run("support-bundle", "--to", "bundle.tar.gz")
    assert (ran.status, ran.out) == (0, "written: bundle.tar.gz\n")
    with tarfile.open("bundle.tar.gz") as archive:
        (member,) = [member for member in archive.getmembers() if member.name.endswith("settings.json")]
        file = archive.extractfile(member)
        assert file
        text = file.read().decode()
    assert "cannot use repo.url" in json.loads(text)["cannotBeUsed"]["message"]
    assert "hunter2" not in text


def test_a_folder_gets_one_of_its_own_name(device: Device, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    ran = device.run("support-bundle", "--to", str(tmp_path / "folder"))
    assert ran.status == 0
    assert [path.name[:14] for path in (tmp_path / "folder").iterdir()] == ["reconciler-pi-"]


def test_what_is_there_is_not_overwritten(device: Device, here: Path) -> None:
    (here / "mine").write_text("mine")
    (here / "link").symlink_to("nowhere")
    for name in ("mine", "link"):
        ran = device.run("support-bundle", "--to", name)
        assert ran.status == 1
        assert ran.err.startswith(f"error: cannot write the bundle: something is there already: {name}\nhint: ")
    assert (here / "mine").read_text() == "mine"
    assert sorted(path.name for path in here.iterdir()) == ["link", "mine"]


def test_no_part_of_it_is_left_where_it_cannot_be_written(device: Device, here: Path) -> None:
    ran = device.run("support-bundle", "--to", "nowhere/bundle.tar.gz")
    assert ran.status == 1
    assert ran.err.endswith(
        "error: cannot write the bundle: No such file or directory: nowhere/bundle.tar.gz\n"
        "hint: `--to FILE` names another place\n"
    )
    assert list(here.iterdir()) == []


@pytest.mark.root
@needs_root
def test_no_part_of_it_is_left_on_a_full_disk(device: Device, tmp_path: Path) -> None:
    from tests.agent.test_doctor import mounted

    small = tmp_path / "small"
    small.mkdir()
    with mounted(small, "size=8k"):
        (small / "filler").write_bytes(b"x" * 8192)
        ran = device.run("support-bundle", "--to", str(small))
        left = os.listdir(small)
    assert (ran.status, left) == (1, ["filler"])
    assert "error: cannot write the bundle: No space left on device" in ran.err


def test_evidence_of_what_failed_is_redacted_too(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    database(
        device,
        f"""INSERT INTO quarantine (digest, "commit", code, message, at) VALUES
        ('sha256:{"a" * 64}', '{"b" * 40}', 'denied', 'it said: password: hunter2', '2026-11-21T12:00:00Z')""",
    )
    _, seen = bundle(device)
    assert seen.json("quarantine.json")[0]["reason"] == f"it said: password: {REDACTED}"
    assert "hunter2" not in "".join(seen.texts.values())
