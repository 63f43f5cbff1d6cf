"""One effect is one system call by the descriptor of its folder; the last component of a path is never followed."""

import os
from collections.abc import Callable, Iterable

from reconciler.core.host import Access, FileStat
from reconciler.durable import syncfs, write_all
from reconciler.host.looks import to_stat
from reconciler.host.owners import Owners
from reconciler.host.parents import Parents

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NAMED = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class RealHands:
    """Without owners, none is seen and none is set. `moved` is called when what was known of folders may be wrong."""

    def __init__(self, root: str, owners: Owners | None, moved: Callable[[], None]) -> None:
        self._parents = Parents(root)
        self._owners = owners
        self._moved = moved

    def look(self, path: str) -> FileStat | None:
        try:
            fd, name = self._at(path)
            return to_stat(os.stat(name, dir_fd=fd, follow_symlinks=False), self._owners)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, path: str) -> list[str]:
        folder, name = self._at(path)
        fd = os.open(name, _LIST, dir_fd=folder)
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)

    def create(self, path: str, content: Iterable[bytes], access: Access) -> None:
        folder, name = self._at(path)
        fd = os.open(name, _NEW, 0o600, dir_fd=folder)
        try:
            for chunk in content:
                write_all(fd, chunk)
            self._give(fd, access)
        finally:
            os.close(fd)

    def symlink(self, path: str, target: str) -> None:
        fd, name = self._at(path)
        os.symlink(target, name, dir_fd=fd)

    def mkdir(self, path: str, access: Access) -> None:
        fd, name = self._at(path)
        os.mkdir(name, 0o700, dir_fd=fd)
        self.give(path, access)

    def give(self, path: str, access: Access) -> None:
        """By way of /proc: there is no other for a descriptor that does not open what it names (openat(2), O_PATH)."""
        folder, name = self._at(path)
        fd = os.open(name, _NAMED, dir_fd=folder)
        try:
            self._give(f"/proc/self/fd/{fd}", access)
        finally:
            os.close(fd)

    def rename(self, path: str, to: str) -> None:
        fd, name = self._at(path)
        os.rename(name, to.rpartition("/")[2], src_dir_fd=fd, dst_dir_fd=fd)
        self._moved()

    def unlink(self, path: str) -> None:
        fd, name = self._at(path)
        os.unlink(name, dir_fd=fd)
        self._left()

    def rmdir(self, path: str) -> None:
        fd, name = self._at(path)
        os.rmdir(name, dir_fd=fd)
        self._left()

    def sync(self) -> None:
        for fd in self._parents.volumes:
            syncfs(fd)

    def rest(self, *, done: bool) -> None:
        self._parents.leave()
        if done:
            self._parents.leave_volumes()

    def _left(self) -> None:
        """What is gone may have been a link or a folder on the way to others."""
        self._parents.leave()
        self._moved()

    def _at(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        return self._parents.enter(folder), name or "."

    def _give(self, file: int | str, access: Access) -> None:
        if self._owners and not (access.owner is None and access.group is None):
            os.chown(file, self._owners.uid(access.owner), self._owners.gid(access.group))
        if access.mode is not None:
            os.chmod(file, access.mode)
