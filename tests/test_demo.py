"""The demo tells the truth: every command in it ends as it says, it writes nothing outside its own folder, and when it
ends, however that is, all that it started has ended, too."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
READY = "#!/bin/sh\n# What is needed is there already: this test runs in it.\n"
HOME = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "RECONCILER_DEVICE": "not-this-one"}


def a_checkout(folder: Path) -> Path:
    """As the demo needs it, with the environment of this test as its .venv."""
    shutil.copytree(CHECKOUT / "examples", folder / "examples")
    (folder / "scripts").mkdir()
    shutil.copy(CHECKOUT / "scripts/demo", folder / "scripts/demo")
    (folder / "scripts/venv").write_text(READY)
    (folder / "scripts/venv").chmod(0o755)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def demo(checkout: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(checkout / "scripts/demo"), *arguments]
    return subprocess.run(command, env=HOME, cwd="/", check=False, capture_output=True, text=True, timeout=120)


def runs_in(checkout: Path) -> set[int]:
    """Processes that work there, or were started for the sandbox there: supervisord, and all that it runs."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
            works_there = (process / "cwd").readlink().is_relative_to(checkout)
        except OSError:  # ended meanwhile, or another user's
            continue
        if works_there or f"RECONCILER_SUPERVISED={checkout}/.demo/root".encode() in variables:
            found.add(int(process.name))
    return found


def test_the_story_goes_as_told_and_stays_in_its_folder(tmp_path: Path) -> None:
    checkout = a_checkout(tmp_path / "checkout")
    before = {path for path in checkout.rglob("*") if ".venv" not in path.parts}
    told = demo(checkout, "--once")
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.rstrip().endswith("All of it went as told.")
    after = {path for path in checkout.rglob("*") if not {".venv", ".demo"}.intersection(path.parts)}
    assert after == before
    assert not runs_in(checkout)


def test_a_story_that_goes_wrong_ends_with_1_and_says_where(tmp_path: Path) -> None:
    checkout = a_checkout(tmp_path / "checkout")
    (checkout / "examples/desired-state/devices/pi-attic.yaml").write_text("kind: Device\n")
    told = demo(checkout, "--once")
    assert told.returncode == 1
    assert "the demo did not go as told: `reconciler validate .demo/work` ended with 1, not 0" in told.stderr


def test_what_was_started_before_it_went_wrong_is_ended(tmp_path: Path) -> None:
    """The app is there and runs, but is not what the story tells."""
    checkout = a_checkout(tmp_path / "checkout")
    server = checkout / "examples/desired-state/apps/sensor-mcp/files/1.0.0/bin/sensor-mcp"
    server.write_text(server.read_text().replace('VERSION = "1.0.0"', 'VERSION = "0.9.0"'))
    told = demo(checkout, "--once")
    assert told.returncode == 1
    assert "has proven itself" in told.stdout
    assert 'nothing was said of \'"version": "1.0.0"' in told.stderr
    assert not runs_in(checkout)


def test_who_interrupts_it_is_left_with_nothing_that_runs(tmp_path: Path) -> None:
    checkout = a_checkout(tmp_path / "checkout")
    with (tmp_path / "said").open("w") as said:
        running = subprocess.Popen(
            [checkout / "scripts/demo"], env=HOME, cwd="/", stdout=said, stderr=said, start_new_session=True
        )
        try:
            eventually((checkout / ".demo/root/opt/sensor-mcp/current").is_symlink, running)
            assert len(runs_in(checkout)) > 1
        finally:
            os.killpg(running.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
        assert running.wait(60) == 130, (tmp_path / "said").read_text()
    assert not runs_in(checkout)


def eventually(comes: Callable[[], bool], running: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while not comes():
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_mistyped_option_is_no_demo(tmp_path: Path) -> None:
    told = demo(a_checkout(tmp_path / "checkout"), "--onec")
    assert (told.returncode, told.stderr) == (1, "usage: scripts/demo [--once]\n")
