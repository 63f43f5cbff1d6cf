"""No effect is led astray: the folder of a path is entered from the root, one component at a time, without links.

A link on the way is read and followed here, inside the root only, and only if root or we ourselves made it: whoever
may put a link into some folder must not choose where a privileged process writes.
"""

import errno
import os
import stat

from reconciler.core.errors import UntrustedPath
from reconciler.host.looks import LINKS_MAX

_ENTER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_SYNC = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_MAX = 64
"""Folders kept open: a tenth of the descriptors that a process usually has (1024)."""


class Parents:
    """Folders that were entered, and one descriptor of each file system that they are on, to sync it by.

    That one is opened before the first effect there: syncfs(2) reports an error of writing back only to descriptors
    that were open before it.
    """

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)
        self._trusted = {0, os.geteuid()}
        self._open: dict[str, int] = {}
        self._volumes: dict[int, int] = {}

    @property
    def volumes(self) -> tuple[int, ...]:
        return tuple(self._volumes.values())

    def enter(self, folder: str) -> int:
        """A descriptor, kept open here. Raises OSError or UntrustedPath."""
        fd = self._open.get(folder)
        if fd is not None:
            return fd
        if len(self._open) >= _OPEN_MAX:
            self.leave()
        fd = self._open[folder] = self._walk(folder)
        device = os.fstat(fd).st_dev
        if device not in self._volumes:
            self._volumes[device] = os.open(".", _SYNC, dir_fd=fd)
        return fd

    def __del__(self) -> None:
        self.leave()
        self.leave_volumes()

    def leave(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def leave_volumes(self) -> None:
        while self._volumes:
            os.close(self._volumes.popitem()[1])

    def _walk(self, folder: str) -> int:
        way = [os.open(self._root, _ENTER)]
        todo, links = folder.split("/")[::-1], 0
        try:
            while todo:
                name = todo.pop()
                if name == "..":
                    _back(way, max(1, len(way) - 1))
                elif name not in ("", ".") and (target := self._step(way, name, folder)) is not None:
                    links += 1
                    if links > LINKS_MAX:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), folder)
                    _back(way, 1 if target.startswith("/") else len(way))
                    todo.extend(reversed(target.split("/")))
            return way.pop()
        finally:
            _back(way, 0)

    def _step(self, way: list[int], name: str, folder: str) -> str | None:
        """One folder further; or what the link says that is there instead."""
        try:
            way.append(os.open(name, _ENTER, dir_fd=way[-1]))
        except NotADirectoryError:
            return self._target(way[-1], name, folder)
        return None

    def _target(self, above: int, name: str, folder: str) -> str:
        fd = os.open(name, _LINK, dir_fd=above)
        try:
            seen = os.fstat(fd)
            if not stat.S_ISLNK(seen.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
            if seen.st_uid not in self._trusted:
                raise UntrustedPath(
                    f"cannot follow the link {name} on the way to {folder}: user {seen.st_uid} made it",
                    hint="name the folder that it leads to, or make the link root's (chown -h root)",
                )
            return os.readlink("", dir_fd=fd)
        finally:
            os.close(fd)


def _back(way: list[int], length: int) -> None:
    while len(way) > length:
        os.close(way.pop())
