"""A device in memory that can lose its power at any moment: the same order of effects, on a disk that promises little.

What the process knew goes with the power; what the disk was not made to keep may go too.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from reconciler.core.errors import Moved
from reconciler.core.host import Access, FileStat, FileType, Payloads, Trees
from reconciler.core.senses import Commands, Net, Units, Vitals
from reconciler.durable import beside
from reconciler.host.batch import Batch, Hands
from reconciler.host.refusal import cannot
from reconciler.host.simulated_senses import SimulatedSenses
from reconciler.host.simulated_units import SimulatedUnits
from reconciler.host.trees import HostTrees
from reconciler.host.volume import Fault, Inode, PowerCut, Tree, Volume, refuse

LINK_MODE = 0o777


class SimulatedHands:
    """The same refusals as the system's, for the same reasons."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    def look(self, path: str) -> FileStat | None:
        try:
            return self._volume.live[self._volume.find(path, follow=False)].to_stat()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, path: str) -> list[str]:
        inode = self._stands(path)
        if inode.type is not FileType.DIRECTORY:
            refuse(errno.ENOTDIR, path)
        return list(inode.names)

    def create(self, path: str, content: Iterable[bytes], access: Access) -> None:
        number = self._add(path, Inode(FileType.FILE, 0o600))
        for chunk in content:
            self._volume.append(path, number, chunk)
        self.give(path, access)

    def symlink(self, path: str, target: str) -> None:
        self._add(path, Inode(FileType.LINK, LINK_MODE, content=os.fsencode(target)))

    def mkdir(self, path: str, access: Access) -> None:
        self._add(path, Inode(FileType.DIRECTORY, 0o700))
        self.give(path, access)

    def give(self, path: str, access: Access) -> None:
        number = self._volume.find(path, follow=False)
        owner, group, mode = access.owner, access.group, access.mode

        def chown(tree: Tree) -> None:
            tree[number].owner = owner or tree[number].owner
            tree[number].group = group or tree[number].group

        def chmod(tree: Tree) -> None:
            tree[number].mode = tree[number].mode if mode is None else mode

        if owner or group:
            self._volume.change(path, chown)
        if mode is not None:
            self._volume.change(path, chmod)

    def rename(self, path: str, to: str) -> None:
        folder, name = self._volume.folder(path)
        new_name = to.rpartition("/")[2]
        names = self._volume.live[folder].names
        if name not in names:
            refuse(errno.ENOENT, path)
        self._check_replace(names[name], names.get(new_name), to)

        def rename(tree: Tree) -> None:
            tree.pop(tree[folder].names.get(new_name, 0), None)
            tree[folder].names[new_name] = tree[folder].names.pop(name)

        self._volume.change(path, rename)

    def unlink(self, path: str) -> None:
        if self._stands(path).type is FileType.DIRECTORY:
            refuse(errno.EISDIR, path)
        self._drop(path)

    def rmdir(self, path: str) -> None:
        inode = self._stands(path)
        if inode.type is not FileType.DIRECTORY:
            refuse(errno.ENOTDIR, path)
        if inode.names:
            refuse(errno.ENOTEMPTY, path)
        self._drop(path)

    def sync(self) -> None:
        self._volume.sync()

    def rest(self, *, done: bool) -> None:
        """Nothing is kept open."""

    def _stands(self, path: str) -> Inode:
        return self._volume.live[self._volume.find(path, follow=False)]

    def _add(self, path: str, inode: Inode) -> int:
        folder, name = self._volume.folder(path)
        if name in self._volume.live[folder].names:
            refuse(errno.EEXIST, path)
        number = self._volume.new_number()

        def add(tree: Tree) -> None:
            tree[folder].names[name] = number
            tree[number] = inode.copy()

        self._volume.change(path, add)
        return number

    def _drop(self, path: str) -> None:
        folder, name = self._volume.folder(path)

        def drop(tree: Tree) -> None:
            tree.pop(tree[folder].names.pop(name))

        self._volume.change(path, drop)

    def _check_replace(self, number: int, replaced: int | None, path: str) -> None:
        if replaced is None:
            return
        new, old = self._volume.live[number].type, self._volume.live[replaced]
        if old.type is FileType.DIRECTORY and new is not FileType.DIRECTORY:
            refuse(errno.EISDIR, path)
        if new is FileType.DIRECTORY and old.type is not FileType.DIRECTORY:
            refuse(errno.ENOTDIR, path)
        if old.names:
            refuse(errno.ENOTEMPTY, path)


def lose_all(_content: bytes) -> bytes:
    return b""


class SimulatedFiles(Batch):
    """Files of a device in memory. Owners are whatever they are said to be, and root's otherwise.

    `units` is what runs on the device: as long-lived as its disk, and gone with its power.
    """

    def __init__(self) -> None:
        self._volume = Volume()
        super().__init__(SimulatedHands(self._volume))
        self.units = SimulatedUnits(self)

    @property
    def hands(self) -> Hands:
        """For effects that are not batched, on the same disk."""
        return self._hands

    @property
    def events(self) -> int:
        """Steps that changed something, or synced, so far."""
        return self._volume.events

    @property
    def unsynced(self) -> int:
        """Changes of names and access that a power cut may take back."""
        return len(self._volume.unsynced)

    def power_off_after(self, events: int) -> None:
        """The nth event from now, and all after it, raise PowerCut instead."""
        self._volume.power_off_after(events)

    def reboot(self, survive: int = 0, data: Callable[[bytes], bytes] = lose_all) -> None:
        """`survive` unsynced changes are kept, the first ones; `data` says what is left of each unsynced content."""
        self._volume.reboot(survive, data)
        self._begin()
        self.units.boot()

    def restart(self) -> None:
        """The process was killed, the device was not: nothing is lost, and what was not synced is not."""
        self._volume.restart()
        self._begin()

    def fail_next(self, error: int, *, path: str | None = None, nth: int = 1) -> None:
        """The nth event from now (at `path`, or beside it while it is made ready) is refused with that errno."""
        self._volume.fail(Fault(error, (path, beside(path)) if path else (), nth))

    def tree(self) -> dict[str, dict[str, object]]:
        """All there is, as plain data."""
        return {path: _plain(inode) for path, inode in self._volume.walk()}

    def stat(self, path: str, *, follow: bool = False) -> FileStat | None:
        with cannot("look at", path):
            try:
                return self._inode(path, follow=follow).to_stat()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read(self, path: str) -> Iterator[bytes]:
        with cannot("read", path):
            inode = self._inode(path, follow=False)
        if inode.type is not FileType.FILE:
            raise Moved(f"cannot read {path}: there is no regular file any more")
        return iter((inode.content,) if inode.content else ())

    def target(self, path: str) -> str:
        with cannot("read the link", path):
            inode = self._inode(path, follow=False)
            if inode.type is not FileType.LINK:
                refuse(errno.EINVAL, path)
            return os.fsdecode(inode.content)

    def is_empty(self, path: str) -> bool:
        with cannot("list", path):
            inode = self._inode(path, follow=False)
            if inode.type is not FileType.DIRECTORY:
                refuse(errno.ENOTDIR, path)
            return not inode.names

    def _inode(self, path: str, *, follow: bool) -> Inode:
        return self._volume.live[self._volume.find(path, follow=follow)]


@dataclass(frozen=True, slots=True)
class SimulatedHost:
    """Satisfies Host."""

    payloads: Payloads
    files: SimulatedFiles = field(default_factory=SimulatedFiles)
    senses: SimulatedSenses = field(default_factory=SimulatedSenses)

    @property
    def net(self) -> Net:
        return self.senses

    @property
    def vitals(self) -> Vitals:
        return self.senses

    @property
    def commands(self) -> Commands:
        return self.senses

    @property
    def trees(self) -> Trees:
        return HostTrees(self.files.hands, lambda: self.files, self.payloads)

    @property
    def units(self) -> Units:
        return self.files.units


def _plain(inode: Inode) -> dict[str, object]:
    shown: dict[str, object] = {
        "type": str(inode.type),
        "mode": inode.mode,
        "owner": inode.owner,
        "group": inode.group,
    }
    if inode.type is not FileType.DIRECTORY:
        shown["content"] = inode.content
    return shown


__all__ = ["PowerCut", "SimulatedFiles", "SimulatedHands", "SimulatedHost", "lose_all"]
