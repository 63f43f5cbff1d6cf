"""A folder reads as a revision does, and never leads out of itself."""

import os

import pytest

from reconciler.core.errors import HostileSource, NotFound
from reconciler.source.snapshot import Snapshot
from reconciler.source.worktree import Worktree


def test_a_folder_reads_as_its_commit_does(origin, stream):
    (origin.path / "link").symlink_to("a")
    (origin.path / "out").symlink_to("/etc")
    (origin.path / "run").write_text("#!/bin/sh\n")
    (origin.path / "run").chmod(0o755)
    head = origin.commit({"a": "1", "d/b": "22", "d/e/c": "333"})
    snapshot, worktree = Snapshot(stream, head), Worktree(str(origin.path))
    folders = ["", "d", "d/e", "link", "out", "nope", "a", "..", "/", "d/", ".git", "d/../d"]
    assert [worktree.names(folder) for folder in folders] == [snapshot.names(folder) for folder in folders]
    files = [
        "a",
        "run",
        "d/b",
        "d/e/c",
        "d",
        "link",
        "out",
        "out/passwd",
        "nope",
        "",
        "../x",
        "x" * 300,
        "a\0",
        "\ud800",
        "/a",
        ".git/HEAD",
        ".git",
        "a/x",
    ]
    assert [worktree.size(file) for file in files] == [snapshot.size(file) for file in files]
    for path in (*folders, *files):
        assert worktree.is_folder(path) == snapshot.is_folder(path), path
        assert worktree.is_executable(path) == snapshot.is_executable(path), path
    assert snapshot.is_executable("run")
    assert snapshot.is_folder("d/e")
    assert [worktree.read(file) for file in files[:3]] == [snapshot.read(file) for file in files[:3]]


@pytest.mark.parametrize("path", ["link", "out/passwd", "pipe", "nope", ".git/HEAD", "../origin/a", "/etc/passwd"])
def test_what_is_no_regular_file_is_not_read(origin, path):
    origin.commit({"a": "1"})
    (origin.path / "link").symlink_to("a")
    (origin.path / "out").symlink_to("/etc")
    os.mkfifo(origin.path / "pipe")
    worktree = Worktree(str(origin.path))
    assert worktree.size(path) is None
    with pytest.raises(NotFound):
        worktree.read(path)


def test_a_huge_file_is_refused(origin):
    origin.commit({"a": "123456"})
    worktree = Worktree(str(origin.path), limit=5)
    for ask in (worktree.size, worktree.read):
        with pytest.raises(HostileSource):
            ask("a")


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(NotFound):
        Worktree(str(tmp_path / "nope"))


def test_no_descriptor_is_left(origin):
    origin.commit({"d/a": "1"})
    worktree = Worktree(str(origin.path))
    before = os.listdir("/proc/self/fd")
    worktree.read("d/a")
    worktree.names("d")
    worktree.size("d/nope/x")
    assert len(os.listdir("/proc/self/fd")) == len(before)
