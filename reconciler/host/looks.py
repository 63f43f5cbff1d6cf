"""Looking never touches: no look writes a byte, waits for another process or, under a root, leaves that root.

Under "/" the kernel resolves paths. Under another root the folder of each path is resolved here, link by link, since
an absolute link in an image means the image's own folder; what was found is kept until an effect or `forget`.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from io import RawIOBase

from reconciler.core.errors import Moved
from reconciler.core.host import FileStat, FileType
from reconciler.host.owners import Owners
from reconciler.host.refusal import cannot, refusal

LINKS_MAX = 40
"""As many as the kernel follows in one path (path_resolution(7))."""

_TYPES = {stat.S_IFREG: FileType.FILE, stat.S_IFDIR: FileType.DIRECTORY, stat.S_IFLNK: FileType.LINK}
_CHUNK_BYTES = 1 << 20
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Looks:
    """Files under a root, seen; without owners where files there belong to whoever unpacked them."""

    def __init__(self, root: str = "/", *, owners: bool = True) -> None:
        self._root = os.path.realpath(root).rstrip("/")
        self._owners = Owners() if owners else None
        self._folders: dict[str, str] = {}
        self._read_flags = _READ | os.O_NOATIME

    def stat(self, path: str, *, follow: bool = False) -> FileStat | None:
        try:
            if follow:
                seen = os.stat(self._followed(path), follow_symlinks=not self._root)
            else:
                seen = os.lstat(self._where(path) if self._root else path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise refusal("look at", path, error) from error
        return to_stat(seen, self._owners)

    def read(self, path: str) -> Iterator[bytes]:
        """One chunk for what is below a mebibyte; an empty file has none."""
        fd = self._open(path)
        try:
            seen = os.fstat(fd)
            if not stat.S_ISREG(seen.st_mode):
                raise Moved(f"cannot read {path}: it is no regular file any more")
            data = os.read(fd, min(seen.st_size + 1, _CHUNK_BYTES))
            if len(data) > seen.st_size or len(data) == _CHUNK_BYTES:
                return _more(path, data, os.fdopen(os.dup(fd), "rb", buffering=0))
            return iter((data,) if data else ())
        except OSError as error:
            raise refusal("read", path, error) from error
        finally:
            os.close(fd)

    def target(self, path: str) -> str:
        try:
            return os.readlink(self._where(path))
        except OSError as error:
            raise refusal("read the link", path, error) from error

    def is_empty(self, path: str) -> bool:
        with cannot("list", path):
            fd = os.open(self._where(path), _LIST)
            try:
                with os.scandir(fd) as entries:
                    return next(entries, None) is None
            finally:
                os.close(fd)

    def forget(self) -> None:
        """Somebody else may have changed links and names: to be called before each new look at the device."""
        self._folders.clear()
        if self._owners:
            self._owners.forget()

    def _open(self, path: str) -> int:
        try:
            return self._open_quietly(self._where(path))
        except OSError as error:
            if error.errno in _NO_FILE:
                raise Moved(f"cannot read {path}: there is no regular file any more") from error
            raise refusal("read", path, error) from error

    def _open_quietly(self, where: str) -> int:
        """Without leaving a new access time, as long as we may: only a file's owner and root may (open(2))."""
        try:
            return os.open(where, self._read_flags)
        except PermissionError as error:
            if error.errno != errno.EPERM or self._read_flags == _READ:
                raise
        self._read_flags = _READ
        return os.open(where, _READ)

    def _where(self, path: str) -> str:
        """Where the system finds `path`, whose last component is not followed."""
        if not self._root:
            return path
        folder, _, name = path.rpartition("/")
        return f"{self._root}{self._folder(folder)}/{name}"

    def _folder(self, path: str) -> str:
        """A folder below the root, without links. Raises OSError where they go in a circle."""
        if not path:
            return ""
        known = self._folders.get(path)
        if known is None:
            above, _, name = path.rpartition("/")
            known = self._folders[path] = self._walk(self._folder(above), name)
        return known

    def _followed(self, path: str) -> str:
        if not self._root:
            return path
        folder, _, name = path.rpartition("/")
        return self._root + self._walk(self._folder(folder), name)

    def _walk(self, done: str, name: str) -> str:
        todo, links = [name], 0
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                done = done.rpartition("/")[0]
                continue
            target = _link(f"{self._root}{done}/{name}")
            if target is None:
                done = f"{done}/{name}"
                continue
            links += 1
            if links > LINKS_MAX:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
            done = "" if target.startswith("/") else done
            todo.extend(reversed(target.split("/")))
        return done


def to_stat(seen: os.stat_result, owners: Owners | None) -> FileStat:
    return FileStat(
        _TYPES.get(stat.S_IFMT(seen.st_mode), FileType.OTHER),
        seen.st_mode & 0o7777,
        seen.st_size,
        owners.user(seen.st_uid) if owners else None,
        owners.group(seen.st_gid) if owners else None,
    )


def _link(path: str) -> str | None:
    with suppress(OSError):  # no link, or nothing, or not for us: what is done with the path will tell
        return os.readlink(path)
    return None


def _more(path: str, chunk: bytes, file: RawIOBase) -> Iterator[bytes]:
    """Of a large file, and of one that is longer than it says, as those of the kernel are."""
    with cannot("read", path), file:
        while chunk:
            yield chunk
            chunk = file.read(_CHUNK_BYTES) or b""
