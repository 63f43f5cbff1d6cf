"""A path holds its old content or its new one, whole; a lock ends with its holder, however that ends."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.durable import Held, beside, fsync_directory, lock, publish, syncfs, write_all, write_atomic

REPO = Path(__file__).parents[1]
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="not run: needs strace")


@pytest.mark.parametrize("put", [write_atomic, publish])
def test_the_new_content_has_its_mode_whatever_the_umask(put: type, tmp_path: Path) -> None:
    path = tmp_path / "f"
    before = os.umask(0o777)
    try:
        put(str(path), b"old")
        put(str(path), b"new", mode=0o640)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert os.listdir(tmp_path) == ["f"]


def test_relative_to_a_folder(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        write_atomic("f", b"1", dir_fd=fd)
        fsync_directory(".", dir_fd=fd)
        syncfs(fd)
    finally:
        os.close(fd)
    assert (tmp_path / "f").read_bytes() == b"1"


def test_a_leftover_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("victim")
    Path(beside(str(tmp_path / "f"))).symlink_to(victim)
    write_atomic(str(tmp_path / "f"), b"1")
    assert victim.read_text() == "victim"
    assert sorted(os.listdir(tmp_path)) == ["f", "victim"]


@pytest.mark.parametrize("name", ["f", "x" * 255, "é" * 127])
def test_beside_is_in_the_same_folder_and_a_possible_name(name: str, tmp_path: Path) -> None:
    path = beside(f"{tmp_path}/{name}")
    assert Path(path).parent == tmp_path
    Path(path).touch()
    assert beside(name) == Path(path).name


def test_two_long_names_are_made_ready_apart() -> None:
    assert beside("/" + "x" * 254 + "a") != beside("/" + "x" * 254 + "b")


def test_a_write_that_takes_less_is_gone_on_with() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, True)
    child = subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.PIPE)
    os.close(reader)
    assert child.stdout is not None
    with child, child.stdout:
        pid = os.fork()
        if pid == 0:
            write_all(writer, b"x" * 300_000)
            os._exit(0)
        os.close(writer)
        assert len(child.stdout.read()) == 300_000
        os.waitpid(pid, 0)


def test_syncfs_of_nothing(tmp_path: Path) -> None:
    syncfs(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        syncfs(str(tmp_path / "none"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        syncfs(1_000_000)


def _strace(*options: str, code: str) -> subprocess.CompletedProcess[str]:
    command = ["strace", "-f", "-qq", *options, sys.executable, "-c", f"from reconciler.durable import *\n{code}"]
    return subprocess.run(command, check=False, cwd=REPO, capture_output=True, text=True)


@needs_strace
@pytest.mark.strace
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("call", ["write", "fchmod", "fsync", "rename"])
def test_a_refused_call_leaves_the_old_content(call: str, error: str, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    done = _strace(
        "-o", "/dev/null", "-e", f"inject={call}:error={error}:when=1", code=f"write_atomic('{path}', b'new')"
    )
    assert "OSError" in done.stderr
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["f"]


@needs_strace
@pytest.mark.strace
def test_content_then_name_then_folder(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    _strace("-o", str(trace), "-e", "trace=write,fchmod,fsync,rename", code=f"write_atomic('{tmp_path}/f', b'new')")
    order = [line.split(maxsplit=1)[1].partition("(")[0] for line in trace.read_text().splitlines()]
    assert order == ["write", "fchmod", "fsync", "rename", "fsync"]


@needs_strace
@pytest.mark.strace
def test_publishing_syncs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    _strace("-o", str(trace), "-e", "trace=fsync,fdatasync,syncfs,sync", code=f"publish('{tmp_path}/f', b'new')")
    assert trace.read_text() == ""
    assert (tmp_path / "f").read_bytes() == b"new"


HOLD = "from reconciler.durable import lock\nwith lock({path!r}, 'sync'): print(1, flush=True); input()"


def _hold(path: str) -> "subprocess.Popen[str]":
    code = HOLD.format(path=path)
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "1\n"
    return child


def test_who_comes_second_is_told_who_was_first(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with _hold(path) as child:
        with (
            pytest.raises(Held, match=f"cannot lock {path}: sync .pid {child.pid}, since ") as caught,
            lock(path, "apply"),
        ):
            pytest.fail("two hold it")
        assert caught.value.holder is not None
        assert (caught.value.holder.pid, caught.value.holder.command) == (child.pid, "sync")
        child.communicate("\n")
    with lock(path, "apply"):
        assert os.stat(path).st_mode & 0o777 == 0o600
    assert Path(path).read_text() == ""


def test_the_lock_of_who_was_killed_is_free(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with _hold(path) as child:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert Path(path).read_text() != ""
    with lock(path, "apply"):
        assert f'"pid": {os.getpid()}' in Path(path).read_text()


def test_the_same_process_cannot_hold_it_twice(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with lock(path, "sync"), pytest.raises(Held), lock(path, "sync"):
        pytest.fail("held twice")


def test_a_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with lock(path, "sync"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with lock(path, "sync"):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_holder_that_did_not_say_its_name(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with lock(path, "sync"):
        Path(path).write_text("{")
        with pytest.raises(Held, match="another process holds it"), lock(path, "sync"):
            pytest.fail("held twice")


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("elsewhere")
    with pytest.raises(OSError, match="Too many levels"), lock(str(tmp_path / "lock"), "sync"):
        pytest.fail("taken")
    assert not (tmp_path / "elsewhere").exists()
