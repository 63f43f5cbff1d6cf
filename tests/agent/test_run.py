"""The agent as a process: it follows, puts drift back, does what commands ask, and ends well however it ends."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.agent.ipc import _short
from tests.agent.test_sync import MOTD
from tests.device import Device

PATIENCE_S = 20
KILLS = int(os.environ.get("KILLS", "12"))
"""At random moments: 200 take two minutes."""


@pytest.fixture
def agent(device: Device) -> Iterator[subprocess.Popen[str]]:
    device.push(MOTD)
    with running(device) as process:
        yield process


@contextmanager
def running(device: Device) -> Iterator[subprocess.Popen[str]]:
    process = start(device)
    try:
        until(lambda: device.path("/run/reconciler/control.sock").exists() and device.path("/etc/motd").exists())
        yield process
    finally:
        process.kill()
        process.communicate()


def start(device: Device) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "reconciler", "--config", str(device.config), "--root", str(device.root), "run"]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True)


def until(holds: Callable[[], bool]) -> None:
    """Waits for what is bound to come; fails where it does not."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)  # for another process


def has(device: Device, text: str, path: str = "/etc/motd") -> Callable[[], bool]:
    return lambda: device.path(path).exists() and device.read(path) == text


def test_a_push_is_converged_without_being_asked(device: Device, agent: subprocess.Popen[str]) -> None:
    until(has(device, "hello\n"))
    device.push(MOTD.replace("hello", "second"))
    until(has(device, "second\n"))


def test_drift_is_put_back_without_being_asked(device: Device, agent: subprocess.Popen[str]) -> None:
    until(has(device, "hello\n"))
    for harm in (
        lambda path: path.write_text("hacked"),
        lambda path: path.unlink(),
        lambda path: path.rename(path.with_name("elsewhere")),
        lambda path: path.chmod(0o777),
    ):
        harm(device.path("/etc/motd"))
        until(lambda: has(device, "hello\n")() and device.path("/etc/motd").stat().st_mode & 0o7777 == 0o644)


def test_a_path_that_flaps_is_left_alone_and_that_is_said(device: Device, agent: subprocess.Popen[str]) -> None:
    until(has(device, "hello\n"))

    def is_left_alone() -> bool:
        return device.run("status", "-o", "json").json["phase"] == "degraded"

    for _ in range(12):  # who writes while it is put back is met in the same pass, and counts once
        device.path("/etc/motd").write_text("theirs")
        until(lambda: has(device, "hello\n")() or is_left_alone())
    until(is_left_alone)
    assert device.read("/etc/motd") == "theirs"
    (reason, _) = device.run("why", "-o", "json").json
    assert (reason["rule"], reason["until"] is None) == ("flapping", False)
    assert reason["message"].startswith("file:/etc/motd was put back 5 times in a row, and is left alone")
    assert device.sync().status == 0, "an operator's word counts"
    assert device.read("/etc/motd") == "hello\n"


def test_a_folder_that_is_removed_comes_back(device: Device) -> None:
    device.push('files: {/srv/a/b/c: {content: "x"}, /etc/motd: {content: ""}}')
    with running(device):
        until(has(device, "x", "/srv/a/b/c"))
        for name in ("a/b/c", "a/b", "a", ""):
            path = device.path(f"/srv/{name}")
            path.unlink() if path.is_file() else path.rmdir()
        until(has(device, "x", "/srv/a/b/c"))
        device.path("/srv/a/b/c").write_text("drift again")
        until(has(device, "x", "/srv/a/b/c"))


def test_commands_are_done_by_the_agent(device: Device, agent: subprocess.Popen[str]) -> None:
    until(has(device, "hello\n"))
    assert device.sync().json["result"] == "converged"
    assert device.run("suspend", "--reason", "a visit").status == 0
    device.path("/etc/motd").write_text("drift")
    assert device.sync().status == 3
    assert device.read("/etc/motd") == "drift"
    assert "a visit" in device.run("why").out
    device.run("resume")
    until(has(device, "hello\n"))
    device.push(MOTD.replace("hello", "second"))
    until(has(device, "second\n"))
    back = device.run("rollback")
    assert back.status == 3
    assert "file:/etc/motd update: done" in back.err
    assert device.read("/etc/motd") == "hello\n"
    assert device.run("rollback", "9").err.startswith("error: cannot go to generation 9")
    agent.terminate()
    log = [json.loads(line) for line in agent.communicate(timeout=PATIENCE_S)[1].splitlines()]
    assert [e["verb"] for e in log if e["event"] == "asked"] == [
        "sync",
        "suspend",
        "sync",
        "resume",
        "rollback",
        "rollback",
    ]


def test_there_is_one_agent(device: Device, agent: subprocess.Popen[str]) -> None:
    second = start(device)
    _, said = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 1
    assert f"reconciler run (pid {agent.pid}" in json.loads(said.splitlines()[-1])["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_asked(device: Device, agent: subprocess.Popen[str], number: signal.Signals) -> None:
    until(has(device, "hello\n"))
    agent.send_signal(number)
    _, said = agent.communicate(timeout=5)
    assert agent.returncode == 0
    assert json.loads(said.splitlines()[-1])["event"] == "agent_stopped"
    assert "Traceback" not in said
    assert not device.path("/run/reconciler/control.sock").exists()
    assert device.sync().status == 0, "the lock is free, and a command does it itself"


def test_it_stops_when_asked_more_than_once(device: Device) -> None:
    device.push(MOTD)
    agent = start(device)
    until(has(device, "hello\n"))
    while agent.poll() is None:
        agent.terminate()
        time.sleep(0.002)  # a moment of its way out
    assert "Event loop is closed" not in agent.communicate()[1]


def test_a_signal_makes_it_look(device: Device, agent: subprocess.Popen[str]) -> None:
    until(has(device, "hello\n"))
    last = device.run("status", "-o", "json").json["lastSync"]
    time.sleep(1.1)  # moments are told to the second
    agent.send_signal(signal.SIGHUP)
    until(lambda: device.run("status", "-o", "json").json["lastSync"] != last)


def test_a_bad_commit_is_told_and_the_next_good_one_converges(device: Device, agent: subprocess.Popen[str]) -> None:
    until(has(device, "hello\n"))
    device.push("filez: {}")
    until(lambda: device.run("status", "-o", "json").json["phase"] == "failed")
    assert "devices/pi.yaml:5:3" in device.run("why").out
    device.push(MOTD.replace("hello", "mended"))
    until(has(device, "mended\n"))


def test_at_rest_it_writes_nothing_and_wakes_for_nothing(device: Device) -> None:
    """Over two intervals: the polls of the repo are children's; the agent itself wakes for each of them alone."""
    device.config.write_text(device.config.read_text().replace("60s", "2s"))
    device.push(MOTD)
    with running(device):
        until(has(device, "hello\n"))
        time.sleep(1)  # what its own writes woke it for is over
        pid = int(json.loads(device.read("/run/reconciler/lock"))["pid"])
        before = at_rest(pid), written(device.root)
        time.sleep(5)
        after = at_rest(pid), written(device.root)
    assert after[0] == before[0]
    assert after[1] == before[1]


def at_rest(pid: int) -> str:
    """Bytes that it sent to a disk."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(line for line in lines if line.startswith("write_bytes"))


def written(root: Path) -> dict[str, int]:
    found = {}
    for folder, _, names in os.walk(root):
        found.update({os.path.join(folder, name): os.lstat(os.path.join(folder, name)).st_ctime_ns for name in names})
    return found


def test_killed_at_random_it_ends_on_the_last_good_one(device: Device) -> None:
    chance = random.Random(7)
    device.push(MOTD)
    for number in range(KILLS):
        text = f"number {number}\n"
        files = ", ".join(f'/srv/{n}: {{content: "{number}"}}' for n in range(number % 5 + 1))
        device.push(f"files: {{/etc/motd: {{content: {json.dumps(text)}}}, {files}}}")
        process = start(device)
        time.sleep(chance.uniform(0.1, 0.9))  # somewhere in start-up, fetch, plan, steps or rest
        process.kill()
        process.communicate()
    device.path("/run/reconciler/control.sock").unlink(missing_ok=True)
    with running(device):
        until(has(device, f"number {KILLS - 1}\n"))
    ran = device.sync()
    assert ran.status == 0
    there = [f"srv/{n}" for n in range((KILLS - 1) % 5 + 1)]
    assert sorted(device.tree()) == ["etc", "etc/motd", "srv", *there]
    assert ran.json["status"]["quarantine"] == []


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"", b""),
        (b"\n", b"cannot understand this"),
        (b"not json\n", b"cannot understand this"),
        (b"[]\n", b"a request is a map with a verb"),
        (b"{}\n", b"a request is a map with a verb"),
        (b'{"verb": "sync"}\n', b"cannot talk to reconciler None"),
        (b'{"verb": "sync", "version": "99.0.0"}\n', b"use the command of the same release"),
        (b'{"verb": "explode", "version": "VERSION"}\n', b"cannot do 'explode' here"),
        (b'{"verb": "suspend", "version": "VERSION", "arguments": []}\n', b"arguments are a map"),
        (b'{"verb": "suspend", "version": "VERSION", "arguments": {}}\n', b"cannot understand this"),
        (b'{"verb": "rollback", "version": "VERSION", "arguments": {"generation": "x"}}\n', b"cannot understand this"),
        (b"x" * (2 << 20), b""),
        (b'{"verb": "sync"', b""),
    ],
)
def test_a_message_that_is_not_understood_is_answered_not_obeyed(
    device: Device, agent: subprocess.Popen[str], message: bytes, says: bytes
) -> None:
    from reconciler import __version__

    until(has(device, "hello\n"))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        with _short(str(device.path("/run/reconciler")), "control.sock") as path:
            connection.connect(path)
        answer = b""
        try:
            connection.sendall(message.replace(b"VERSION", __version__.encode()))
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass  # it hung up on us, which is an answer
    assert says in answer
    assert agent.poll() is None
    assert device.sync().status == 0


def test_why_tells_when_the_repo_is_tried_again(device: Device, agent: subprocess.Popen[str]) -> None:
    until(has(device, "hello\n"))
    device.repo.rename(device.repo.with_name("away"))
    device.run("sync")
    until(lambda: any(reason["nextTry"] for reason in device.run("why", "-o", "json").json))
    (reason, *_) = [reason for reason in device.run("why", "-o", "json").json if reason["nextTry"]]
    assert reason["rule"] == "SourceUnreachable"
    assert "next try at 20" in device.run("why").out
    device.repo.with_name("away").rename(device.repo)
    until(lambda: device.run("why").out == "nothing holds it back\n")
