"""What readers may know: files that anyone can read, and a socket where the agent only looks."""

import json
import os
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reconciler.agent.ipc import Refused, ask
from reconciler.agent.looking import RATE
from reconciler.agent.observation import MAX_EVENTS_BYTES, tell
from tests.agent.test_run import has, running, until
from tests.agent.test_sync import MOTD
from tests.agent.world import World
from tests.device import Device

SECRETIVE = """
files: {/etc/motd: {content: "hello\\n", mode: "0644"}}
configs: {/etc/app.yml: {format: yaml, values: {password: hunter2}}}
"""


@pytest.fixture
def agent(device: Device) -> Iterator[subprocess.Popen[str]]:
    device.push(SECRETIVE)
    with running(device) as process:
        yield process


def document(device: Device, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(device.read(f"/run/reconciler/{name}"))
    return found


def asked(device: Device, verb: str, **arguments: object) -> dict[str, Any]:
    answer = ask(str(device.path("/run/reconciler")), "agent.sock", verb, arguments, lambda _told: None)
    assert answer is not None
    return answer


def test_what_was_seen_is_published_without_what_could_be_secret(device: Device) -> None:
    device.push(SECRETIVE)
    device.sync()
    text = device.read("/run/reconciler/observation.json")
    assert "hunter2" not in text
    assert "hello" not in text
    seen = {entry["id"]: entry["state"] for entry in json.loads(text)["resources"]}
    assert seen["file:/etc/motd"]["present"]["mode"] == 0o644
    assert set(seen) == {"file:/etc/motd", "config:/etc/app.yml", "directory:/etc"}


def test_a_pass_that_finds_all_as_it_was_publishes_nothing_anew(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.sync()
    before = [device.path(f"/run/reconciler/{name}").stat().st_ino for name in ("observation.json", "history.json")]
    events = device.read("/run/reconciler/events.jsonl")
    device.sync()
    after = [device.path(f"/run/reconciler/{name}").stat().st_ino for name in ("observation.json", "history.json")]
    assert (before, events) == (after, device.read("/run/reconciler/events.jsonl"))


def test_history_and_events_tell_what_happened(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.push("files: {/etc/motd: {contnet: x}}")
    device.sync()
    (generation,) = document(device, "history.json")["generations"]
    assert (generation["generation"], generation["result"]) == (1, "converged")
    events = [json.loads(line) for line in device.read("/run/reconciler/events.jsonl").splitlines()]
    assert [event["event"] for event in events] == ["pass_ended", "pass_failed"]
    assert events[0]["changes"] == ["directory:/etc", "file:/etc/motd"]
    assert events[1]["code"] == "invalid-documents"


def test_events_are_cut_to_their_newest_half() -> None:
    world = World()
    try:
        os.makedirs(world.parts.settings.runtime)
        for number in range(3000):
            tell(world.parts, "tick", number=number, filling="x" * 100)
        path = f"{world.parts.settings.runtime}/events.jsonl"
        with open(path, "rb") as file:
            lines = file.read().splitlines()
        assert os.path.getsize(path) <= MAX_EVENTS_BYTES
        numbers = [json.loads(line)["number"] for line in lines]
        assert numbers == list(range(numbers[0], 3000))
    finally:
        world.close()


def test_the_agent_looks_when_it_is_asked(device: Device, agent: subprocess.Popen[str]) -> None:
    until(has(device, "hello\n"))
    assert asked(device, "version")["device"] == "pi"
    device.run("suspend")
    device.path("/etc/motd").chmod(0o600)
    (seen,) = asked(device, "observe", resources=["file:/etc/motd"])["resources"]
    assert seen["state"]["present"]["mode"] == 0o600
    assert "hunter2" not in json.dumps(asked(device, "observe"))


def test_it_looks_for_a_commit_when_it_is_asked(device: Device, agent: subprocess.Popen[str]) -> None:
    until(has(device, "hello\n"))
    device.push(SECRETIVE.replace("hello", "second"))
    assert asked(device, "fetch") == {"asked": True}
    until(has(device, "second\n"))


@pytest.mark.parametrize("verb", ["sync", "suspend", "resume", "rollback", "quarantine clear", "", "apply"])
def test_nothing_is_changed_through_that_door(device: Device, verb: str) -> None:
    device.push(MOTD)
    with running(device), pytest.raises(Refused, match="cannot do ") as refused:
        asked(device, verb)
    assert refused.value.hint == "known are fetch, observe, version"


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (["file:/etc/shadow"], "the desired state does not name it"),
        (["nonsense"], "is not a resource id"),
        ("file:/etc/motd", "is a list of resource ids"),
        ([1], "is a list of resource ids"),
    ],
)
def test_what_is_not_managed_is_not_looked_at(device: Device, resources: object, said: str) -> None:
    device.push(MOTD)
    with running(device):
        until(has(device, "hello\n"))
        with pytest.raises(Refused, match=said):
            asked(device, "observe", resources=resources)


def test_who_asks_too_often_is_told_so(device: Device, agent: subprocess.Popen[str]) -> None:
    until(has(device, "hello\n"))
    with pytest.raises(Refused, match="requests a second"):
        for _ in range(RATE + 1):
            asked(device, "version")
    path = device.path("/run/reconciler/agent.sock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="not run: needs root, to become somebody else")
def test_who_may_not_read_the_records_is_told_what_the_agent_found_last(device: Device) -> None:
    device.push('health: {checks: {disk: {disk: {path: /, criticalPercent: 100}}}}\nfiles: {/etc/motd: {content: ""}}')
    assert device.sync().status == 0
    assert device.run("health", "--nagios").status == 0  # what is imported now need not be read by nobody
    folders = [folder for folder in (device.root, *device.root.parents) if str(folder) != "/"]
    modes = {folder: folder.stat().st_mode & 0o7777 for folder in folders}
    for folder in folders:
        folder.chmod(modes[folder] | 0o055)
    device.config.chmod(0o644)
    try:
        assert _as_nobody(lambda: device.run("health", "--nagios").out.startswith("RECONCILER OK - "))
    finally:
        for folder in folders:
            folder.chmod(modes[folder])


def _as_nobody(holds: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            status = 0 if holds() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_no_duration_is_told_where_the_clock_went_back_meanwhile(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    connection = sqlite3.connect(device.path("/var/lib/reconciler/state.db"))
    with connection:
        connection.execute("UPDATE generation SET started = '2030-01-01T00:00:00Z', ended = '2029-01-01T00:00:00Z'")
    connection.close()
    (generation,) = device.run("history", "-o", "json").json
    assert generation["durationSeconds"] is None
    assert "  -  " in device.run("history").out
