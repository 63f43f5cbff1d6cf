"""Whoever opens a path sees its old content or its new one, whole, and what returned from here survives a power cut.

A file is written beside its path, brought to the disk, renamed, and its folder is brought to the disk: in this order
(ext4(5): without it, `rename` may survive a power cut and the content may not). Standard library only, below all rims.
"""

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

PREFIX = ".reconciler-new."
NAME_MAX = 255

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_HOLDER_MAX_BYTES = 4096


def beside(path: str) -> str:
    """Where the next content of `path` is made ready: always the same, so that whoever comes next finds a leftover."""
    folder, slash, name = path.rpartition("/")
    next_name = PREFIX + name
    if len(os.fsencode(next_name)) > NAME_MAX:
        next_name = PREFIX + hashlib.sha256(os.fsencode(name)).hexdigest()
    return folder + slash + next_name


def write_atomic(path: str, content: bytes, *, mode: int = 0o644, dir_fd: int | None = None) -> None:
    """On the disk when this returns. One writer at a time. Raises OSError, and `path` is whole all the same."""
    _replace(path, content, mode, dir_fd, os.fsync)
    fsync_directory(os.path.dirname(path) or ".", dir_fd=dir_fd)


def publish(path: str, content: bytes, *, mode: int = 0o644, dir_fd: int | None = None) -> None:
    """Whole at any moment, but not kept by a power cut: for a runtime directory, which is in memory anyway."""
    _replace(path, content, mode, dir_fd, _leave)


def write_all(fd: int, content: bytes) -> None:
    """Until all of it is written: write(2) may take less."""
    written = os.write(fd, content)
    if written == len(content):
        return
    rest = memoryview(content)[written:]
    while rest:
        rest = rest[os.write(fd, rest) :]


def fsync_directory(path: str, *, dir_fd: int | None = None) -> None:
    """The names in a folder are on the disk when this returns."""
    fd = os.open(path, _FOLDER, dir_fd=dir_fd)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def syncfs(place: int | str) -> None:
    """All of the file system that holds `place` is on the disk when this returns.

    Since Linux 5.8 an error of writing back is reported to each descriptor that was open before it (syncfs(2)): who
    wants to hear of it opens one before writing. O_PATH descriptors will not do.
    """
    if isinstance(place, int):
        _syncfs(place)
        return
    fd = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _syncfs(fd)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock; `since` is ISO 8601 in UTC, and as good as the clock was then."""

    pid: int
    command: str
    since: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid}, since {self.since})"


class Held(Exception):
    """Somebody else holds the lock; `holder` is None in the moment before it has written its name."""

    def __init__(self, path: str, holder: Holder | None) -> None:
        super().__init__(f"cannot lock {path}: {holder or 'another process'} holds it")
        self.path = path
        self.holder = holder


@contextmanager
def lock(path: str, command: str) -> Iterator[None]:
    """One holder at a time, or Held. The kernel keeps the lock, so it ends with its process, however that ends.

    The file stays and says who holds it. It is its owner's alone: who can open it, if only to read, can hold it.
    """
    fd = os.open(path, _LOCK, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(path, _holder(fd)) from None
        with suppress(OSError):  # the lock is held, if only without a name
            _sign(fd, Holder(os.getpid(), command, datetime.now(UTC).isoformat(timespec="seconds")))
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(fd, 0)
            fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


def held_by(path: str) -> Holder | None:
    """Who holds the lock now; None where nobody does, or where we may not know."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(fd)
    finally:
        os.close(fd)
    return None


def _replace(path: str, content: bytes, mode: int, dir_fd: int | None, sync: Callable[[int], None]) -> None:
    temporary = beside(path)
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=dir_fd)
    fd = os.open(temporary, _NEW, 0o600, dir_fd=dir_fd)
    try:
        try:
            write_all(fd, content)
            os.fchmod(fd, mode)
            sync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=dir_fd)
        raise


def _leave(_fd: int) -> None:
    pass


def _sign(fd: int, holder: Holder) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps(asdict(holder)).encode() + b"\n", 0)


def _holder(fd: int) -> Holder | None:
    try:
        data = json.loads(os.pread(fd, _HOLDER_MAX_BYTES, 0))
        return Holder(int(data["pid"]), str(data["command"]), str(data["since"]))
    except (ValueError, KeyError, TypeError):
        return None


def _syncfs(fd: int) -> None:
    import ctypes  # noqa: PLC0415  # 5 ms and a megabyte that whoever only looks, or publishes, does without

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        os.sync()
        return
    if libc.syncfs(fd) == 0:
        return
    number = ctypes.get_errno()
    if number == errno.ENOSYS:
        os.sync()
        return
    raise OSError(number, os.strerror(number))
