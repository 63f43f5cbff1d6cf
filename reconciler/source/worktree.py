"""A plain folder read as a revision would be, for those who check before they commit.

No link is followed below the folder itself, so nothing outside it is read; `.git` is not there.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.core.errors import HostileSource, InputOutput, NotFound
from reconciler.source.power import CHUNK
from reconciler.source.snapshot import LARGEST_FILE

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


class Worktree:
    """A tree of files by relative path, with `/` between names; the empty path is the root."""

    def __init__(self, root: str, limit: int = LARGEST_FILE) -> None:
        if not os.path.isdir(root):
            raise NotFound("cannot read the desired state: no such folder", where=root)
        self._root = root
        self._limit = limit

    def names(self, folder: str = "") -> tuple[str, ...]:
        """What a folder holds, of whatever sort, sorted; nothing where there is no folder."""
        with self._open(folder) as descriptor:
            if descriptor is None or not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                return ()
            return tuple(sorted(name for name in os.listdir(descriptor) if name.lower() != ".git"))

    def size(self, path: str) -> int | None:
        """Bytes of a regular file, None where there is none. Raises HostileSource beyond the limit."""
        with self._open(path) as descriptor:
            return None if descriptor is None else self._size(descriptor, path)

    def read(self, path: str) -> bytes:
        """Raises NotFound where there is no regular file, and HostileSource beyond the limit."""
        with self._open(path) as descriptor:
            if descriptor is None or self._size(descriptor, path) is None:
                raise NotFound(f"cannot read {path}: it is no regular file", where=self._root)
            return self._read(descriptor, path)

    def is_folder(self, path: str) -> bool:
        with self._open(path) as descriptor:
            return descriptor is not None and stat.S_ISDIR(os.fstat(descriptor).st_mode)

    def is_executable(self, path: str) -> bool:
        """Whether it is a regular file that may be run."""
        with self._open(path) as descriptor:
            mode = 0 if descriptor is None else os.fstat(descriptor).st_mode
            return stat.S_ISREG(mode) and bool(mode & 0o100)

    def _size(self, descriptor: int, path: str) -> int | None:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            return None
        self._check(seen.st_size, path)
        return seen.st_size

    def _read(self, descriptor: int, path: str) -> bytes:
        content = bytearray()
        while chunk := os.read(descriptor, CHUNK):
            content += chunk
            self._check(len(content), path)
        return bytes(content)

    def _check(self, size: int, path: str) -> None:
        if size > self._limit:
            raise HostileSource(f"cannot use {path}: it has {size} bytes, {self._limit} are allowed", where=self._root)

    @contextmanager
    def _open(self, path: str) -> Iterator[int | None]:
        """Name by name from the root, so that no link in the middle is followed. None where there is nothing."""
        try:
            descriptor = self._descend(path.split("/") if path else [])
        except OSError as error:
            raise InputOutput(f"cannot read {path}: {error.strerror}", where=self._root) from error
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _descend(self, names: list[str]) -> int | None:
        at: int | None = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for name in names:
            if at is None:
                return None
            at = _step(at, name)
        return at


def _step(folder: int, name: str) -> int | None:
    """From a folder, which is closed, to a file or folder in it."""
    try:
        if name in ("", ".", "..") or name.lower() == ".git":
            return None
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        return os.open(name, _FLAGS, dir_fd=folder) if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else None
    except ValueError:
        return None  # no file can have that name
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    finally:
        os.close(folder)
