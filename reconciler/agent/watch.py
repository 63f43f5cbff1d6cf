"""Whoever changes something that is managed wakes the agent; so does a push to a repo on this machine.

A folder is watched, not the file in it: a file that is replaced by rename takes its watch away with it. The watch says
that something happened, never what: the agent looks for itself. Where the kernel has no watches left, the interval
alone must do, and that is said.
"""

import errno
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

from asyncinotify import Inotify, Mask, Watch

_CHANGES = (
    Mask.CLOSE_WRITE | Mask.CREATE | Mask.DELETE | Mask.MOVED_FROM | Mask.MOVED_TO | Mask.ATTRIB | Mask.DELETE_SELF
)


class Watcher:
    """Of paths on the host, as the kernel sees them."""

    def __init__(self) -> None:
        self._inotify = Inotify()
        self._paths: dict[Watch, dict[str, str]] = {}
        self.is_blind = False

    def set(self, paths: Iterable[str]) -> bool:
        """These and no others. What is not there yet is watched for in the nearest folder that is.

        Says whether some were not watched before: then they may have changed since they were looked at.
        """
        wanted: dict[str, dict[str, str]] = {}
        for path in paths:
            folder, name = _nearest(path)
            wanted.setdefault(folder, {})[name] = os.path.join(folder, name)
        before, self._paths, self.is_blind = self._paths, {}, False
        for folder, names in wanted.items():
            self._add(folder, names)
        for watch in before.keys() - self._paths.keys():
            self._drop(watch)
        return any(names.keys() - before.get(watch, {}).keys() for watch, names in self._paths.items())

    async def changes(self) -> AsyncIterator[str]:
        """The path of each change to what is watched, empty where the kernel lost count; endless."""
        while True:
            event = await self._inotify.get()
            watch, name = event.watch, str(event.name or "")
            if event.mask & Mask.Q_OVERFLOW:
                yield ""
            elif watch is not None and (paths := self._paths.get(watch)) is not None:
                if event.mask & Mask.IGNORED:
                    del self._paths[watch]  # it went with its folder; the next look sets it anew
                if not name or name in paths:
                    yield paths.get(name, str(watch.path))

    def close(self) -> None:
        self._inotify.close()

    def _add(self, folder: str, names: dict[str, str]) -> None:
        """Each time anew: the kernel knows whether another folder lies there now, or the same under another name."""
        try:
            watch = self._inotify.add_watch(folder, _CHANGES | Mask.ONLYDIR)
        except OSError as error:
            self.is_blind = self.is_blind or error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EMFILE)
        else:
            self._paths.setdefault(watch, {}).update(names)

    def _drop(self, watch: Watch) -> None:
        with suppress(OSError, ValueError):  # it went with its folder
            self._inotify.rm_watch(watch)


def _nearest(path: str) -> tuple[str, str]:
    """The nearest folder above that is there, and the name in it that leads to the path."""
    folder, name = os.path.split(path)
    while not os.path.isdir(folder) and folder not in ("", "/"):
        folder, name = os.path.split(folder)
    return folder or "/", name


def refs(url: str, ref: str) -> list[str]:
    """Where a push to a repo on this machine shows; none for a repo elsewhere."""
    path = url.removeprefix("file://")
    if not path.startswith("/"):
        return []
    folder = path if os.path.isdir(os.path.join(path, "refs")) else os.path.join(path, ".git")
    name = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    return [os.path.join(folder, name), os.path.join(folder, "packed-refs")]
