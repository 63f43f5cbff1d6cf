"""The clone is a cache: whatever happened to it, the next open reads the revision, and finds no leftovers."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

import reconciler
from reconciler.core.errors import BadSettings, InputOutput, NoRoom, Overdue, SourceUnreachable
from reconciler.core.identity import Revision
from reconciler.source.power import Bounds

ROOT = Path(reconciler.__file__).parents[1]
FILES = {"a": "1" * 500, "d/b": "2" * 500}


def zeroed(path):
    path.write_bytes(bytes(path.stat().st_size))


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path):
    path.write_bytes(b"")


def flipped(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)


def unlinked(path):
    path.unlink()


def replaced_by_a_folder(path):
    path.unlink()
    path.mkdir()


def replaced_by_a_link(path):
    path.unlink()
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    "harm", [zeroed, truncated, emptied, flipped, unlinked, replaced_by_a_folder, replaced_by_a_link]
)
def test_each_file_of_the_clone_harmed_in_turn(origin, follower, harm, tmp_path):
    first = origin.commit(FILES)
    follower.read("a", first)
    second = origin.commit({"d/b": "3" * 500})
    follower.read("a", second, first)
    third = origin.commit({"a": "4" * 500})
    shutil.copytree(follower.clone, tmp_path / "whole")
    harmed = [path.relative_to(follower.clone) for path in follower.clone.rglob("*") if path.is_file()]
    assert len(harmed) >= 7
    for name in harmed:
        for revision, floor in ((second, first), (third, second), (third, first)):
            shutil.rmtree(follower.clone)
            shutil.copytree(tmp_path / "whole", follower.clone)
            path = follower.clone / name
            path.chmod(0o600)
            harm(path)
            with follower.source().open(revision, floor) as snapshot:
                found = [snapshot.read(file)[:1] for file in ("a", "d/b")]
            assert found == [b"1" if revision == second else b"4", b"3"], (name, revision, floor)
            assert sorted(path.name for path in tmp_path.glob("repo*")) == ["repo", "repo.lock"]


@pytest.mark.parametrize("folder", ["objects", "objects/pack", "objects/info", "refs", "refs/reconciler"])
@pytest.mark.parametrize("by", ["nothing", "a file", "an empty folder"])
def test_each_folder_of_the_clone_replaced(origin, follower, folder, by):
    first = origin.commit(FILES)
    follower.read("a", first)
    shutil.rmtree(follower.clone / folder)
    if by == "a file":
        (follower.clone / folder).write_text("I am a file")
    elif by == "an empty folder":
        (follower.clone / folder).mkdir()
    second = origin.commit({"a": "4"})
    assert follower.read("d/b", first, first) == b"2" * 500
    assert follower.read("a", second, first) == b"4"


def test_a_clone_that_breaks_while_it_is_read(origin, follower):
    head = origin.commit(FILES)
    with follower.source().open(head, None) as snapshot:
        assert snapshot.names("d") == ("b",)
        shutil.rmtree(follower.clone / "objects")
        assert snapshot.read("d/b") == b"2" * 500


def test_a_broken_clone_is_made_anew_once_only(origin, follower, git_in_path, tmp_path):
    head = origin.commit(FILES)
    git_in_path(f'echo "$1" >> {tmp_path}/calls; test "$1" = fetch && exit 1; exec $GIT "$@"')
    with pytest.raises(SourceUnreachable), follower.source().open(head, None):
        pass
    assert (tmp_path / "calls").read_text().split().count("fetch") == 2


def test_a_commit_that_the_source_does_not_have_after_all(origin, follower):
    head = origin.commit(FILES)
    with pytest.raises(SourceUnreachable), follower.source().open(Revision("12" * 20), None):
        pass
    assert follower.read("a", head) == b"1" * 500


@pytest.mark.parametrize(
    "what", ["deleted", "a file", "an empty folder", "a dangling link", "a folder of junk", "half made"]
)
def test_a_clone_that_is_none(origin, follower, what, tmp_path):
    head = origin.commit(FILES)
    follower.read("a", head)
    if what == "half made":
        shutil.rmtree(follower.clone / "refs")
        (follower.clone / "HEAD").unlink()
    else:
        shutil.rmtree(follower.clone)
    if what == "a file":
        follower.clone.write_text("I am a file")
    elif what == "a dangling link":
        follower.clone.symlink_to(tmp_path / "nowhere")
    elif what not in {"half made", "deleted"}:
        follower.clone.mkdir()
    if what == "a folder of junk":
        (follower.clone / "HEAD").write_text("junk")
        (follower.clone / "objects").write_text("junk")
    assert follower.read("a", head) == b"1" * 500
    assert follower.clone.stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "nowhere").exists()


def test_what_an_interrupted_git_left_goes(origin, follower):
    first = origin.commit(FILES)
    follower.read("a", first)
    left = ["HEAD.lock", "config.lock", "refs/reconciler/head.lock", "packed-refs.lock", "shallow.lock"]
    left += [
        "objects/pack/tmp_pack_x",
        "objects/pack/tmp_idx_x",
        "objects/pack/.tmp-12-pack-x.pack",
        "objects/tmp_obj_x",
    ]
    for name in left:
        (follower.clone / name).write_text("")
    shutil.copytree(follower.clone, follower.clone.with_name("repo.aside"))
    second = origin.commit({"a": "5"})
    assert follower.read("a", second, first) == b"5"
    assert not [name for name in left if (follower.clone / name).exists()]
    assert not follower.clone.with_name("repo.aside").exists()


FETCH = """
import sys
from reconciler.core.identity import Revision
from reconciler.source.git import Source
from reconciler.source.remote import Remote
with Source(Remote(sys.argv[1]), sys.argv[2], sys.argv[3]).open(Revision(sys.argv[4]), None) as snapshot:
    snapshot.read("a")
"""


def test_the_agent_is_killed_at_any_moment_of_a_fetch(origin, follower):
    noise = random.Random(1).randbytes(4 << 20)
    head = origin.commit({**FILES, "noise": noise})
    command = [sys.executable, "-c", FETCH, str(origin.path), str(follower.clone), str(follower.lock), head.id]
    began = time.monotonic()
    subprocess.run(command, check=True, cwd=ROOT)
    whole = time.monotonic() - began
    for step in range(12):
        shutil.rmtree(follower.clone, ignore_errors=True)
        child = subprocess.Popen(command, cwd=ROOT)
        time.sleep(whole * step / 12)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert follower.read("a", head) == b"1" * 500
        assert not [
            path for path in follower.clone.rglob("*") if path.name.startswith("tmp_") or path.suffix == ".lock"
        ]


def test_a_git_that_outlives_its_agent_keeps_the_next_one_out(origin, follower, git_in_path, tmp_path):
    head = origin.commit(FILES)
    git_in_path(f'test "$1" = fetch && echo $$ > {tmp_path}/pid && sleep 1.5; exec $GIT "$@"')
    command = [sys.executable, "-c", FETCH, str(origin.path), str(follower.clone), str(follower.lock), head.id]
    child = subprocess.Popen(command, cwd=ROOT)
    until((tmp_path / "pid").exists)
    child.kill()
    child.wait()
    hurried = follower.source(bounds=Bounds(deadline=timedelta(seconds=0.1)))
    with pytest.raises(Overdue, match="somebody else does"), hurried.open(head, None):
        pass
    assert follower.read("a", head) == b"1" * 500


def test_two_at_once_take_turns(origin, follower):
    head = origin.commit(FILES)
    command = [sys.executable, "-c", FETCH, str(origin.path), str(follower.clone), str(follower.lock), head.id]
    children = [subprocess.Popen(command, cwd=ROOT) for _ in range(6)]
    assert [child.wait() for child in children] == [0] * 6


@pytest.mark.parametrize("verb", ["ls-remote", "fetch", "cat-file", "init"])
def test_a_git_that_hangs_goes_with_all_that_it_started(origin, follower, git_in_path, tmp_path, verb):
    head = origin.commit(FILES)
    git_in_path(f'test "$1" = {verb} || exec $GIT "$@"\nsleep 60 & echo $$ $! > {tmp_path}/pids; wait')
    source = follower.source(bounds=Bounds(deadline=timedelta(seconds=0.4)))
    began = time.monotonic()
    with pytest.raises(Overdue), source.open(source.head(), None):
        pass
    assert time.monotonic() - began < 5
    until(lambda: not any(alive(int(pid)) for pid in (tmp_path / "pids").read_text().split()))
    assert head


def test_a_git_that_closes_its_pipes_and_stays(origin, follower, git_in_path):
    git_in_path("exec >&- 2>&-; sleep 60")
    with pytest.raises(Overdue):
        follower.source(bounds=Bounds(deadline=timedelta(seconds=0.4))).head()


def test_a_git_that_dies_or_babbles(origin, follower, git_in_path):
    head = origin.commit(FILES)
    follower.read("a", head)
    for script in ("kill -9 $$", "exit 1", "echo nonsense", "yes", "head -c 300 /dev/zero"):
        git_in_path(f'test "$1" = cat-file || exec $GIT "$@"\n{script}')
        with pytest.raises(SourceUnreachable), follower.source().open(head, head):
            pass
    git_in_path("yes")
    with pytest.raises(Exception, match="cannot use what git ls-remote says"):
        follower.source().head()


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="mounts a small disk")
def test_the_disk_is_full_and_then_is_not(origin, follower, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
    try:
        follower.clone = disk / "repo"
        first = origin.commit(FILES)
        follower.read("a", first)
        second = origin.commit({"noise": random.Random(1).randbytes(2 << 20)})
        with pytest.raises(NoRoom, match="no space left"):
            follower.read("a", second, first)
        assert follower.read("a", first, first) == b"1" * 500
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(InputOutput, match="read-only"):
            follower.read("a", second, first)
        subprocess.run(["mount", "-o", "remount,rw,size=9m", disk], check=True)
        assert follower.read("a", second, first) == b"1" * 500
    finally:
        subprocess.run(["umount", disk], check=True)


def test_there_is_no_git(follower, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadSettings, match="there is no git"):
        follower.source().head()


def test_no_child_and_no_descriptor_is_left(origin, follower):
    head = origin.commit(FILES)
    follower.read("a", head)
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        follower.read("a", head, head)
        with pytest.raises(RuntimeError), follower.source().open(head, None):
            raise RuntimeError
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(what, seconds=10):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)
