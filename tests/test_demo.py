"""The demo tells the truth: every command in it ends as it says, and it writes nothing outside its own folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
READY = "#!/bin/sh\n# What is needed is there already: this test runs in it.\n"


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
    home = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "RECONCILER_DEVICE": "not-this-one"}
    command = [checkout / "scripts/demo", *arguments]
    return subprocess.run(command, env=home, cwd="/", check=False, capture_output=True, text=True, timeout=120)


def test_the_story_goes_as_told_and_stays_in_its_folder(tmp_path: Path) -> None:
    checkout = a_checkout(tmp_path / "checkout")
    before = {path for path in checkout.rglob("*") if ".venv" not in path.parts}
    told = demo(checkout, "--once")
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.rstrip().endswith("All of it went as told.")
    after = {path for path in checkout.rglob("*") if not {".venv", ".demo"}.intersection(path.parts)}
    assert after == before


def test_a_story_that_goes_wrong_ends_with_1_and_says_where(tmp_path: Path) -> None:
    checkout = a_checkout(tmp_path / "checkout")
    (checkout / "examples/desired-state/devices/pi-attic.yaml").write_text("kind: Device\n")
    told = demo(checkout, "--once")
    assert told.returncode == 1
    assert "the demo did not go as told: `reconciler validate .demo/work` ended with 1, not 0" in told.stderr


def test_a_mistyped_option_is_no_demo(tmp_path: Path) -> None:
    told = demo(a_checkout(tmp_path / "checkout"), "--onec")
    assert (told.returncode, told.stderr) == (1, "usage: scripts/demo [--once]\n")
