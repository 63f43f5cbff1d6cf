"""What a file system promises over a power cut, and not a thing more: ext4 with data=ordered and noauto_da_alloc.

Changes of names and access survive in the order they were made, as far as some moment that nobody chooses; what was
written into a file may be lost, all or from some byte on, even if its name survived. A sync makes all of it stay.
"""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NoReturn

from reconciler.core.host import FileStat, FileType
from reconciler.host.looks import LINKS_MAX

ROOT = 1


class PowerCut(BaseException):
    """The power is off. No Exception: nothing that runs on the device can handle it."""


@dataclass(slots=True)
class Inode:
    """`content` is that of a file, or what a link says; `names` are those of a directory."""

    type: FileType
    mode: int
    owner: str = "root"
    group: str = "root"
    content: bytes = b""
    names: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "Inode":
        return replace(self, names=dict(self.names))

    def to_stat(self) -> FileStat:
        return FileStat(self.type, self.mode, len(self.content), self.owner, self.group)


Tree = dict[int, Inode]
Change = Callable[[Tree], None]


@dataclass(slots=True)
class Fault:
    """The nth event at one of these paths, or anywhere where there are none, is refused."""

    error: int
    paths: tuple[str, ...]
    left: int


class Volume:
    """A tree in memory, the tree as it is for certain on the disk, and the changes between the two."""

    def __init__(self) -> None:
        self.live: Tree = {ROOT: Inode(FileType.DIRECTORY, 0o755)}
        self.events = 0
        self.unsynced: list[Change] = []
        self._tails: dict[int, bytes] = {}
        self._durable = _copy(self.live)
        self._next = ROOT + 1
        self._until_cut = 0
        self._off = False
        self._faults: list[Fault] = []

    def new_number(self) -> int:
        self._next += 1
        return self._next

    def change(self, path: str, change: Change) -> None:
        self._event(path)
        change(self.live)
        self.unsynced.append(change)

    def append(self, path: str, number: int, content: bytes) -> None:
        self._event(path)
        self.live[number].content += content
        self._tails[number] = self._tails.get(number, b"") + content

    def sync(self) -> None:
        self._event("")
        self._settled(_copy(self.live))

    def power_off_after(self, events: int) -> None:
        """The nth event from now does not happen, nor does any after it."""
        self._until_cut = events

    def reboot(self, survive: int, data: Callable[[bytes], bytes]) -> None:
        """Of the unsynced changes the first `survive` are on the disk, of each unsynced content what `data` leaves."""
        tree = self._durable
        for change in self.unsynced[:survive]:
            change(tree)
        for number, tail in self._tails.items():
            if number in tree:
                tree[number].content += data(tail)
        self.live = _copy(tree)
        self._settled(tree)
        self._off, self._until_cut = False, 0
        self._faults.clear()

    def restart(self) -> None:
        """The process was killed and nothing else: what it did is in memory still, and no nearer to the disk."""
        self._off, self._until_cut = False, 0
        self._faults.clear()

    def fail(self, fault: Fault) -> None:
        self._faults.append(fault)

    def find(self, path: str, *, follow: bool) -> int:
        """Raises OSError as the system does; nothing leads above the root."""
        if self._off:
            raise PowerCut
        todo, way, links = path.split("/")[::-1], [ROOT], 0
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                way = way[:-1] or way
                continue
            number = self._named(way[-1], name, path)
            inode = self.live[number]
            if inode.type is not FileType.LINK or not (todo or follow):
                way.append(number)
                continue
            links += 1
            if links > LINKS_MAX:
                refuse(errno.ELOOP, path)
            target = os.fsdecode(inode.content)
            way = [ROOT] if target.startswith("/") else way
            todo.extend(reversed(target.split("/")))
        return way[-1]

    def folder(self, path: str) -> tuple[int, str]:
        """The directory that holds `path`, and its name there."""
        above, _, name = path.rpartition("/")
        number = self.find(above, follow=True)
        if self.live[number].type is not FileType.DIRECTORY:
            refuse(errno.ENOTDIR, path)
        return number, name

    def walk(self, number: int = ROOT, path: str = "") -> Iterator[tuple[str, Inode]]:
        yield path or "/", self.live[number]
        for name, below in sorted(self.live[number].names.items()):
            yield from self.walk(below, f"{path}/{name}")

    def _named(self, folder: int, name: str, path: str) -> int:
        if self.live[folder].type is not FileType.DIRECTORY:
            refuse(errno.ENOTDIR, path)
        number = self.live[folder].names.get(name)
        return refuse(errno.ENOENT, path) if number is None else number

    def _event(self, path: str) -> None:
        if self._off:
            raise PowerCut
        if self._until_cut == 1:
            self._off = True
            raise PowerCut
        self._until_cut = max(0, self._until_cut - 1)
        self.events += 1
        for fault in [fault for fault in self._faults if path in fault.paths or not fault.paths]:
            fault.left -= 1
            if fault.left == 0:
                self._faults.remove(fault)
                refuse(fault.error, path)

    def _settled(self, tree: Tree) -> None:
        self._durable = tree
        self.unsynced.clear()
        self._tails.clear()


def refuse(number: int, path: str) -> NoReturn:
    raise OSError(number, os.strerror(number), path)


def _copy(tree: Tree) -> Tree:
    return {number: inode.copy() for number, inode in tree.items()}
