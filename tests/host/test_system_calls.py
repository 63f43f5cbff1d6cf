"""What an unchanged file costs, and what a batch costs, in system calls: these hold without noise."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="not run: needs strace"),
]
REPO = Path(__file__).parents[2]
COUNT = 100
CALLS_A_FILE = 8

START = """
import os, sys
from reconciler.core.host import Access
from reconciler.host.files import HostFiles
from reconciler.host.looks import Looks
import ctypes, ctypes.util
root, base, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
paths = [f"{base}/{n % 10}/{n}" for n in range(count)]
"""


def calls(code: str, root: Path, base: str, between: tuple[str, str] = ("/begin", "/end")) -> list[str]:
    """The lines of strace between two marks that the code makes by os.path.lexists."""
    trace = root.parent / "trace"
    command = ["strace", "-f", "-qq", "-o", str(trace), sys.executable, "-c", START + code, str(root), base, str(COUNT)]
    subprocess.run(command, check=True, cwd=REPO)
    lines = [line.split(maxsplit=1)[1] for line in trace.read_text().splitlines()]
    begin, end = (next(n for n, line in enumerate(lines) if f'"{mark}"' in line) for mark in between)
    return lines[begin + 1 : end]


def names(lines: list[str]) -> Counter[str]:
    return Counter(line.partition("(")[0] for line in lines if not line.startswith(("---", "+++")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    for n in range(COUNT):
        path = folder / str(n % 10) / str(n)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content {n}")
    return folder


LOOK = """
files.stat("/"), files.stat(base or "/0")  # names of owners are looked up once
os.path.lexists("/begin")
for path in paths:
    files.stat(path), b"".join(files.read(path))
os.path.lexists("/end")
"""


def test_an_unchanged_file_costs_few_calls(root: Path) -> None:
    seen = names(calls("files = Looks()" + LOOK, root, str(root)))
    assert seen.total() <= CALLS_A_FILE * COUNT, seen


def test_an_unchanged_file_below_a_root_costs_few_calls(root: Path) -> None:
    seen = names(calls("files = Looks(root, owners=False)" + LOOK, root, ""))
    assert seen.total() <= CALLS_A_FILE * COUNT, seen


def test_looking_touches_nothing(root: Path) -> None:
    lines = calls("files = Looks()" + LOOK, root, str(root))
    assert not [line for line in lines if any(flag in line for flag in ("O_WRONLY", "O_RDWR", "O_CREAT"))]
    memory = {"brk", "mmap", "munmap"}
    assert set(names(lines)) <= {"openat", "fstat", "newfstatat", "lstat", "stat", "read", "lseek", "close"} | memory


WRITE = """
files = HostFiles(root, owners=False)
os.path.lexists("/begin")
for path in paths:
    files.write(path, [b"new"], Access())
os.path.lexists("/middle")
files.settle()
os.path.lexists("/end")
files.settle()
os.path.lexists("/last")
"""


def test_a_batch_syncs_twice_whatever_its_size(root: Path) -> None:
    seen = names(calls(WRITE, root, ""))
    assert seen["syncfs"] == 2
    assert seen["fsync"] == seen["fdatasync"] == 0
    assert seen.total() <= 14 * COUNT, seen


def test_content_is_on_the_disk_before_the_first_rename_and_names_are_after_the_last(root: Path) -> None:
    lines = calls(WRITE, root, "", ("/middle", "/end"))
    order = [name for name in (line.partition("(")[0] for line in lines) if name in {"syncfs", "renameat"}]
    assert order == ["syncfs", *["renameat"] * COUNT, "syncfs"]


def test_settling_nothing_costs_nothing(root: Path) -> None:
    assert calls(WRITE, root, "", ("/end", "/last")) == []


SWEEP = "files = HostFiles(root, owners=False); files.write('/0/0', [b'new'], Access()); files.settle()"


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EROFS"])
@pytest.mark.parametrize("call", ["write", "fchmod", "syncfs", "renameat", "close"])
def test_a_refused_call_leaves_old_or_new_whole(root: Path, call: str, error: str) -> None:
    target = root / "0" / "0"
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when=1"]
    if call == "close":
        inject += ["-P", str(target.with_name(".reconciler-new.0"))]
    command = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        *inject,
        sys.executable,
        "-c",
        START + SWEEP,
        str(root),
        "",
        "1",
    ]
    done = subprocess.run(command, check=False, cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "reconciler.core.errors." in done.stderr.splitlines()[-1], done.stderr
    assert target.read_text() == "content 0"
    assert not target.with_name(".reconciler-new.0").exists()


@pytest.mark.parametrize("call", ["openat", "write", "fchmod", "close", "syncfs", "renameat"])
def test_killed_at_each_call_old_or_new_is_there_whole(root: Path, call: str) -> None:
    """Kills at the k-th call for every k until the command ends by itself; `clean` then leaves nothing beside."""
    folder = root / "0"
    target = folder / "0"
    here = [word for path in (root, folder, target, folder / ".reconciler-new.0") for word in ("-P", str(path))]
    kills = 0
    while True:
        target.write_text("content 0")
        inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={kills + 1}", *here]
        command = ["strace", "-f", "-qq", "-o", "/dev/null", *inject, sys.executable, "-c", START + SWEEP]
        done = subprocess.run([*command, str(root), "", "1"], check=False, cwd=REPO, capture_output=True)
        assert target.read_text() in {"content 0", "new"}
        if done.returncode == 0:
            break
        _clean(root)
        kills += 1
    assert target.read_text() == "new"
    assert kills >= 1


def _clean(root: Path) -> None:
    from reconciler.host.files import HostFiles

    HostFiles(str(root), owners=False).clean("/0/0")
    assert not (root / "0" / ".reconciler-new.0").exists()
