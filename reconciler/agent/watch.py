"""Whoever changes something that is managed wakes the agent; so does a push to a repo on this machine.

A folder is watched, not the file in it: a file that is replaced by rename takes its watch away with it. The watch says
that something happened, never what: the agent looks for itself. Where the kernel has no watches left, the interval
alone must do, and that is said.
"""

import errno
import os
from collections.abc import AsyncIterator, Iterable

from asyncinotify import Inotify, Mask, Watch

_CHANGES = (
    Mask.CLOSE_WRITE | Mask.CREATE | Mask.DELETE | Mask.MOVED_FROM | Mask.MOVED_TO | Mask.ATTRIB | Mask.DELETE_SELF
)


class Watcher:
    """Of paths on the host, as the kernel sees them."""

    def __init__(self) -> None:
        self._inotify = Inotify()
        self._names: dict[str, set[str]] = {}
        self._watches: dict[str, Watch] = {}
        self.is_blind = False

    def set(self, paths: Iterable[str]) -> bool:
        """These and no others. What is not there yet is watched for in the nearest folder that is.

        Says whether some were not watched before: then they may have changed since they were looked at.
        """
        wanted: dict[str, set[str]] = {}
        for path in paths:
            folder, name = _nearest(path)
            wanted.setdefault(folder, set()).add(name)
        for folder in self._watches.keys() - wanted.keys():
            self._drop(folder)
        is_more = any(names - self._names.get(folder, set()) for folder, names in wanted.items())
        self._names, self.is_blind = wanted, False
        added = [self._add(folder) for folder in wanted.keys() - self._watches.keys()]
        return is_more or any(added)

    async def changes(self) -> AsyncIterator[str]:
        """The path of each change to what is watched; endless."""
        while True:
            event = await self._inotify.get()
            folder = str(event.watch.path) if event.watch else ""
            name = str(event.name) if event.name else ""
            if event.mask & Mask.IGNORED and self._watches.get(folder) is event.watch:
                del self._watches[folder]  # it went with its folder; the next look sets it anew
            if not name or name in self._names.get(folder, ()):
                yield os.path.join(folder, name)

    def close(self) -> None:
        self._inotify.close()

    def _add(self, folder: str) -> bool:
        try:
            self._watches[folder] = self._inotify.add_watch(folder, _CHANGES | Mask.ONLYDIR)
        except OSError as error:
            self.is_blind = self.is_blind or error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EMFILE)
            return False
        return True

    def _drop(self, folder: str) -> None:
        try:
            self._inotify.rm_watch(self._watches.pop(folder))
        except (OSError, ValueError):  # it went with its folder
            return


def _nearest(path: str) -> tuple[str, str]:
    """The nearest folder above that is there, and the name in it that leads to the path."""
    folder, name = os.path.split(path)
    while not os.path.isdir(folder) and folder not in ("", "/"):
        folder, name = os.path.split(folder)
    return folder or "/", name
