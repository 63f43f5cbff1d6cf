"""Real children: what they may do, what they see, and that none of them outstays its time."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.core.errors import NotFound, Overdue
from reconciler.core.senses import Ran
from reconciler.host.commands import MEMORY_MAX, SAID_MAX, HostCommands

ENOUGH = timedelta(seconds=10)
SHORT = timedelta(milliseconds=500)

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="not run: needs root")


def sh(script: str, timeout: timedelta = ENOUGH) -> Ran:
    return HostCommands().run(("/bin/sh", "-c", script), timeout)


@pytest.fixture
def root() -> Iterator[Path]:
    """Where everybody may look, as nobody must."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def program(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_command_says_something_and_ends() -> None:
    assert sh("echo out; echo err >&2; exit 3") == Ran(3, "out\nerr\n")


def test_a_signal_ends_a_command() -> None:
    assert sh("kill -9 $$").status == -9


def test_a_program_is_found_by_its_name() -> None:
    assert HostCommands().run(("true",), ENOUGH).status == 0


@pytest.mark.parametrize("name", ["no-such-program", "/no/such/program", "./true"])
def test_there_is_no_such_program(name: str) -> None:
    with pytest.raises(NotFound, match="there is no such program"):
        HostCommands().run((name,), ENOUGH)


def test_a_file_that_is_no_program(root: Path) -> None:
    (root / "text").write_text("hello")
    ran = HostCommands().run((str(root / "text"),), ENOUGH)
    assert ran.status == 126
    assert "Permission denied" in ran.said


@root_only
def test_it_is_nobody_without_groups_or_capabilities() -> None:
    said = dict(line.split(":\t", 1) for line in sh("cat /proc/self/status").said.splitlines() if ":\t" in line)
    assert set(said["Uid"].split()) == {"65534"}
    assert set(said["Gid"].split()) == {"65534"}
    assert said["Groups"].strip() == ""
    assert [said[f"Cap{which}"] for which in ("Inh", "Prm", "Eff", "Amb")] == ["0" * 16] * 4


def test_it_can_gain_no_privileges() -> None:
    assert "NoNewPrivs:\t1" in sh("cat /proc/self/status").said


def test_it_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    said = HostCommands().run(("env",), ENOUGH).said
    assert {line.partition("=")[0] for line in said.splitlines()} == {"PATH", "LC_ALL"}
    assert sh("pwd").said == "/\n"


def test_it_gets_no_input() -> None:
    assert HostCommands().run(("cat",), ENOUGH) == Ran(0, "")


def test_it_holds_no_descriptor_of_ours() -> None:
    with open("/etc/passwd") as ours:
        os.set_inheritable(ours.fileno(), True)
        assert sh("ls /proc/self/fd").said.split() == ["0", "1", "2", "3"]


def test_its_limits() -> None:
    limits = sh("cat /proc/self/limits").said
    rows = {line[:25].strip(): line[26:].split()[:2] for line in limits.splitlines()}
    assert rows["Max core file size"] == ["0", "0"]
    assert rows["Max file size"] == ["0", "0"]
    assert rows["Max address space"] == [str(MEMORY_MAX)] * 2


def test_it_can_write_no_file(root: Path) -> None:
    root.chmod(0o777)
    assert sh(f"echo x > {root}/f").status != 0
    assert not (root / "f").exists() or (root / "f").stat().st_size == 0


def test_it_takes_too_long() -> None:
    began = time.monotonic()
    with pytest.raises(Overdue, match=r"cannot wait longer for /bin/sh: not ended within 0\.5 s"):
        sh("sleep 60", SHORT)
    assert time.monotonic() - began < 2


def test_it_writes_for_ever() -> None:
    with pytest.raises(Overdue):
        HostCommands().run(("yes",), SHORT)


def test_of_much_output_the_end_is_kept() -> None:
    said = sh("seq 1 100000; echo the end").said
    assert said.endswith("100000\nthe end\n")
    assert len(said) == SAID_MAX


def test_output_that_is_no_text() -> None:
    assert sh(r"printf '\377x'").said == "�x"


def test_it_leaves_its_terminal_open_and_goes_on_in_the_background() -> None:
    """The command ended; who it left behind neither keeps us waiting nor stays."""
    began = time.monotonic()
    ran = sh("sleep 60 & echo $!")
    assert time.monotonic() - began < 5
    time.sleep(0.1)
    assert not is_alive(int(ran.said))


def test_it_closes_its_output_and_goes_on() -> None:
    with pytest.raises(Overdue):
        sh("exec >&- 2>&-; sleep 60", SHORT)


def test_who_is_overdue_is_ended_with_all_that_it_started(root: Path) -> None:
    fifo = root / "pids"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(Overdue):
            sh(f"trap '' TERM HUP; sleep 60 & echo $$ $! > {fifo}; wait", SHORT)
        pids = [int(pid) for pid in os.read(reader, 100).split()]
    finally:
        os.close(reader)
    time.sleep(0.1)
    assert len(pids) == 2
    assert [pid for pid in pids if is_alive(pid)] == []


def test_nothing_is_left_open() -> None:
    before = os.listdir("/proc/self/fd")
    sh("true")
    with pytest.raises(Overdue):
        sh("sleep 9", timedelta(milliseconds=50))
    assert os.listdir("/proc/self/fd") == before


def test_under_a_root_paths_that_are_there_are_taken_under_it(root: Path) -> None:
    program(root / "opt/app/1.0/check", 'echo "$@"')
    (root / "opt/app/current").symlink_to("/opt/app/1.0")
    (root / "etc").mkdir()
    (root / "etc/app.yml").write_text("")
    command = ("/opt/app/current/check", "/etc/app.yml", "/etc/passwd", "relative")
    ran = HostCommands(str(root)).run(command, ENOUGH)
    assert ran == Ran(0, f"{root}/etc/app.yml /etc/passwd relative\n")


def test_under_a_root_the_programs_of_the_machine_are_there(root: Path) -> None:
    assert HostCommands(str(root)).run(("/bin/true",), ENOUGH).status == 0
