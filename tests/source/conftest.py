"""Real repos, made with git itself: what is followed here is what operators push."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from reconciler.core.identity import Revision
from reconciler.source.credentials import Credentials
from reconciler.source.git import Source
from reconciler.source.objects import ObjectType
from reconciler.source.power import Bounds, Identity, Power
from reconciler.source.remote import Remote
from reconciler.source.stream import ObjectStream
from tests.source.servers import GitServer, certificate, running

PATH = os.environ["PATH"]
REAL_GIT = shutil.which("git") or "git"
WHO = {
    "GIT_AUTHOR_NAME": "Ann Author",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Carl Committer",
    "GIT_COMMITTER_EMAIL": "carl@example.org",
    "GIT_AUTHOR_DATE": "1700000000 +0100",
    "GIT_COMMITTER_DATE": "1700000600 +0100",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Origin:
    """A repo that somebody pushes to."""

    def __init__(self, path: Path, form: str = "sha1") -> None:
        self.path = path
        if not path.exists():
            path.mkdir(parents=True)
            self.git("init", "-q", "-b", "main", f"--object-format={form}")

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        environment = {**os.environ, **WHO}
        command = [REAL_GIT, "-C", str(self.path), *arguments]
        return (
            subprocess.run(command, input=stdin, env=environment, check=True, capture_output=True)
            .stdout.decode()
            .strip()
        )

    def head(self) -> Revision:
        return Revision(self.git("rev-parse", "HEAD"))

    def commit(self, files: Mapping[str, str | bytes] | None = None, message: str = "a change") -> Revision:
        for name, content in (files or {}).items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def tree(self, *entries: tuple[str, str, str]) -> str:
        """A tree object of (mode, name, id) lines, however wrong they are."""
        raw = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(id) for mode, name, id in entries)
        return self.git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", stdin=raw)

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    def commit_tree(self, tree: str, *parents: Revision) -> Revision:
        flags = [flag for parent in parents for flag in ("-p", parent.id)]
        id = Revision(self.git("commit-tree", tree, "-m", "by hand", *flags))
        self.git("update-ref", "refs/heads/main", id.id)
        return id

    def import_files(self, files: Mapping[str, str]) -> Revision:
        """Many files in one commit, quickly."""
        lines = ["commit refs/heads/main", "committer Carl <carl@example.org> 1700000000 +0000", "data 4", "many"]
        if self.git("for-each-ref", "refs/heads/main"):
            lines.append("from refs/heads/main^0")
        for name, content in files.items():
            lines += [f"M 644 inline {name}", f"data {len(content)}", content]
        self.git("fast-import", "--quiet", "--force", stdin="\n".join([*lines, ""]).encode())
        return Revision(self.git("rev-parse", "refs/heads/main"))


class Follower:
    """One device's view of an origin."""

    def __init__(self, origin: Origin, base: Path) -> None:
        self.origin = origin
        self.clone = base / "repo"
        self.lock = base / "repo.lock"
        self.url: str | None = None
        self.mirrors: list[str] = []
        self.credentials = Credentials()

    def source(self, ref: str = "main", identity: Identity | None = None, bounds: Bounds | None = None) -> Source:
        remote, *mirrors = (Remote(url, ref) for url in (self.url or str(self.origin.path), *self.mirrors))
        clone, lock = str(self.clone), str(self.lock)
        return Source(remote, clone, lock, identity, bounds, mirrors=mirrors, credentials=self.credentials)

    def read(self, path: str, revision: Revision | None = None, floor: Revision | None = None) -> bytes:
        source = self.source()
        with source.open(revision or source.head(), floor) as snapshot:
            return snapshot.read(path)


class Counting:
    """Objects that remember what was asked of them."""

    def __init__(self, inner: ObjectStream) -> None:
        self.inner = inner
        self.asked: list[ObjectType] = []

    def get(self, id: str, type: ObjectType, limit: int) -> bytes:
        self.asked.append(type)
        return self.inner.get(id, type, limit)

    def between(self, floor: Revision, revision: Revision, most: int) -> frozenset[str]:
        return self.inner.between(floor, revision, most)


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "origin")


@pytest.fixture
def follower(origin: Origin, tmp_path: Path) -> Follower:
    return Follower(origin, tmp_path)


@pytest.fixture
def web(origin: Origin, follower: Follower, tmp_path: Path) -> Iterator[GitServer]:
    """The origin over http, which the follower follows."""
    server = GitServer(tmp_path)
    follower.url = server.url("origin/.git")
    with running(server):
        yield server


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return certificate(tmp_path)


@pytest.fixture
def stream(origin: Origin) -> Iterator[ObjectStream]:
    with ObjectStream(str(origin.path / ".git"), Power()) as stream:
        yield stream


@pytest.fixture
def counting(stream: ObjectStream) -> Counting:
    return Counting(stream)


@pytest.fixture
def new_origin(tmp_path: Path) -> Callable[[str, str], Origin]:
    return lambda name, form: Origin(tmp_path / name, form)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder through which other users may pass; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def git_in_path(public: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Another `git` comes first in PATH: a real process, so nothing of ours is replaced. `$GIT` is the real one."""

    def put(script: str) -> None:
        folder = public / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "git").write_text(f"#!/bin/sh\nGIT={REAL_GIT}\n{script}\n")
        (folder / "git").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{PATH}")

    return put


def traces(folder: Path) -> dict[str, tuple[int, ...]]:
    """What a write would change, whatever it writes."""
    paths = sorted([folder, *folder.rglob("*")])
    stats = {str(path): path.lstat() for path in paths}
    return {path: (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns) for path, seen in stats.items()}


@pytest.fixture(name="traces")
def traces_fixture() -> Callable[[Path], dict[str, tuple[int, ...]]]:
    return traces
