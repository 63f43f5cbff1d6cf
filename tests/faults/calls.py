"""Which system calls of a sync change the disk, seen by strace with every path resolved.

A point is one such call: the process that makes it, its name, and the how manieth of that name it is in that process,
as strace counts for `inject=NAME:…:when=K`. Calls on pipes and terminals are counted, and are no points.
"""

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.scenario import CHECKOUT, DEADLINE, RUNTIME, Ended, command, environment

WRITES = {
    *("write", "writev", "pwrite64", "pwritev", "pwritev2", "sendfile", "copy_file_range", "splice"),
    *("fallocate", "truncate", "ftruncate"),
}
NAMES = {
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("mkdir", "mkdirat", "mknod", "mknodat", "unlink", "unlinkat", "rmdir"),
}
ACCESS = {
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "utimensat", "futimesat"),
    *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"),
}
SYNCS = {"fsync", "fdatasync", "syncfs", "sync", "sync_file_range", "msync"}
OPENS = {"open", "openat", "openat2", "creat"}
MUTATING = WRITES | NAMES | ACCESS | SYNCS | OPENS
"""`close` is not among them: a kill before it is one after the call before it. Nor `ioctl` and `mmap`: see `look`."""

TRACE = ",".join(f"?{name}" for name in sorted(MUTATING))
AGENT = "agent"

_MAKES = re.compile(r"O_CREAT|O_TRUNC")
_MAY_WRITE = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")
_LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)$")
_FD = re.compile(r"(?:AT_FDCWD|\b\d+)<([^<>]*)>")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NOWHERE = re.compile(r"^(pipe:|socket:|anon_inode:|/dev/(null|tty|pts/|zero)|UNIX|TCP)")


@dataclass(frozen=True, slots=True)
class Point:
    """`where` is the line of strace in an uninterrupted run, for people; `place` is what of it is so in each run."""

    process: str
    call: str
    k: int
    where: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.process} {self.call} {self.k} ({self.where})"


@dataclass(frozen=True, slots=True)
class Seen:
    """One call as strace tells it, with the paths that it names."""

    call: str
    said: str
    paths: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Of an open: only what makes or empties a file; writing to it is a call of its own."""
        return self.call not in OPENS or bool(_MAKES.search(self.said))

    @property
    def may_change(self) -> bool:
        return self.call not in OPENS or bool(_MAY_WRITE.search(self.said))

    def is_in(self, root: Path) -> bool:
        """So is what is named by a descriptor in /proc, or from where a git stands: each stands in the clone."""
        inside = (f"{root}/", "/proc/self/fd/")
        return any(
            f"{path}/".startswith(inside) or not path.startswith("/") for path in self.paths if not _NOWHERE.match(path)
        )


def read(lines: Iterable[str]) -> Iterator[Seen]:
    """Calls in their order. One that was interrupted by another process is told where it begins."""
    for line in lines:
        found = _LINE.match(line)
        if found and found[1] in MUTATING:
            yield Seen(found[1], found[2], tuple(_paths(found[1], found[2])))


def measure(root: Path, folder: Path) -> tuple[list[Point], list[Point]]:
    """Every point of an uninterrupted run, in the agent and in each git that it starts; and where the agent only looks.

    Those are no points for a kill, but any open may be refused.
    """
    git_in(folder, "*", [])
    log = folder / "agent.log"
    ended = run(["strace", "-qq", "-y", "-s", "64", "-o", str(log), "-e", f"trace={TRACE}"], root, folder)
    if ended.status != 0:
        raise AssertionError(f"cannot measure: {ended.err}")
    logs = [(AGENT, log), *sorted((path.name.removeprefix("git-"), path) for path in folder.glob("git-*"))]
    points = [point for process, path in logs for point in _points(process, path, root)]
    return points, list(_points(AGENT, log, root, looks=True))


def inject(point: Point, what: str, folder: Path, skipped: str | None = None) -> list[str]:
    """What to run the agent with, so that `what` happens at the point; a git is met by one that comes first in PATH.

    Calls of the name `skipped` do nothing, and say that all is well.
    """
    log = str(folder / "landed.log")
    wanted = [f"trace={point.call}", f"inject={point.call}:{what}:when={point.k}"]
    if skipped:
        wanted = [f"trace={point.call},{skipped}", *wanted[1:], f"inject={skipped}:retval=0"]
    strace = ["strace", "-q", "-y", "-s", "64", "-o", log, *(word for each in wanted for word in ("-e", each))]
    if point.process == AGENT:
        return strace
    git_in(folder, point.process, strace)
    return []


def landed(folder: Path, mark: str, point: Point, root: Path) -> bool:
    """Whether what was injected happened, at a call that names the same place as the point does."""
    try:
        lines = (folder / "landed.log").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return False
    before = next((n for n, line in enumerate(lines) if mark in line), None)
    if before is None:
        return False
    calls = [seen for seen in read(lines[: before + 1]) if seen.call == point.call]
    return bool(calls) and _place(calls[-1], root) == point.place


def start(before: list[str], root: Path, folder: Path) -> "subprocess.Popen[str]":
    env = environment()
    if (folder / "bin").exists():
        env["PATH"] = f"{folder}/bin:{env['PATH']}"
    with (folder / "said").open("w") as said:
        return subprocess.Popen(
            [*before, *command(root)],
            cwd=CHECKOUT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            text=True,
            start_new_session=True,
        )


def run(before: list[str], root: Path, folder: Path) -> Ended:
    status = start(before, root, folder).wait(DEADLINE)
    return Ended(status, (folder / "said").read_text(errors="replace"))


def git_in(folder: Path, process: str, strace: list[str]) -> None:
    """A git that comes first in PATH, and for the gits that a git starts; each has a number by what it is to do.

    The one asked for runs under strace, alone; with `*` each does, and is told of in a file of its own.
    """
    bin = folder / "bin"
    bin.mkdir()
    git = shutil.which("git")
    one = f'exec {" ".join(strace)} {git} "$@"'
    if process == "*":
        one = f'exec strace -qq -y -s 64 -o {folder}/git-$verb.$n -e trace={TRACE} {git} "$@"'
    script = f"""#!/bin/sh
GIT_EXEC_PATH={bin}; export GIT_EXEC_PATH
verb=none
for word; do case $word in -* | '') ;; *) verb=$word; break ;; esac; done
n=1
while ! mkdir {folder}/ran-$verb.$n 2>/dev/null; do n=$((n + 1)); done
case $verb.$n in {process}) {one} ;; esac
exec {git} "$@"
"""
    (bin / "git").write_text(script)
    (bin / "git").chmod(0o755)
    (bin / "git-upload-pack").symlink_to(shutil.which("git-upload-pack") or "/usr/bin/git-upload-pack")


def look(root: Path, folder: Path) -> list[str]:
    """What a sync does, its children included, that may change anything outside the runtime directory."""
    log = folder / "look.log"
    trace = f"trace={TRACE},?mmap,?ioctl,?io_uring_setup"
    ended = run(["strace", "-f", "-qq", "-y", "-s", "256", "-o", str(log), "-e", trace], root, folder)
    if ended.status != 0:
        raise AssertionError(f"cannot look: {ended.err}")
    lines = log.read_text(errors="replace").splitlines()
    found = [f"{seen.call}({seen.said}" for seen in read(lines) if seen.may_change and not _is_runtime(seen, root)]
    shared = [
        line for line in lines if " mmap(" in line and "PROT_WRITE" in line and "MAP_SHARED" in line and "<" in line
    ]
    odd = [line for line in lines if "io_uring_setup" in line or re.search(r"ioctl\(.*(FS_IOC|FICLONE|EXT4_IOC)", line)]
    return [*found, *shared, *odd]


def _is_runtime(seen: Seen, root: Path) -> bool:
    runtime = f"{root / RUNTIME}/"
    return bool(seen.paths) and all(f"{path}/".startswith(runtime) or _NOWHERE.match(path) for path in seen.paths)


def _place(seen: Seen, root: Path) -> str:
    """The paths that a call names, without what differs from run to run: the root, and the random names of git."""
    return re.sub(r"tmp_(pack|idx)_\w+", r"tmp_\1", " ".join(seen.paths).replace(str(root), ""))


def _points(process: str, log: Path, root: Path, *, looks: bool = False) -> Iterator[Point]:
    counts: Counter[str] = Counter()
    for seen in read(log.read_text(errors="replace").splitlines()):
        counts[seen.call] += 1
        if seen.changes is not looks and seen.is_in(root):
            where = " ".join(seen.said.replace(str(root), "").split())[:120]
            yield Point(process, seen.call, counts[seen.call], where, _place(seen, root))


def _paths(call: str, said: str) -> Iterator[str]:
    """What is written is no path, though strace shows it in the same quotes."""
    if call in WRITES | SYNCS and call != "truncate":
        fds = [found[1] for found in _FD.finditer(said.partition('"')[0])]
        yield from fds[: None if call in ("sendfile", "copy_file_range", "splice") else 1]
        return
    base = ""
    for found in re.finditer(rf"{_FD.pattern}|{_TEXT.pattern}", _without_content(call, said)):
        if found[1] is not None:
            base = found[1]
            if call.startswith("f") and not call.endswith("at"):
                yield base
        else:
            yield os.path.normpath(os.path.join(base, found[2]))


def _without_content(call: str, said: str) -> str:
    """The result after `=` repeats a path, and the target of a symbolic link is not touched."""
    said = said.rpartition(") = ")[0] or said
    return said.partition(", ")[2] if call.startswith("symlink") else said
