"""The order law of effects on files, once for every host.

What has content (a file, a link) is made ready beside its path, whole and with its access, and nothing is to be seen of
it; `settle` brings all of that to the disk, renames each to its path in the order asked, and brings the names to the
disk. What has none (a folder, a removal, access) is one step by itself, made at once and brought to the disk by
`settle`. Two effects on one path, or above and below one another, never overtake: the second settles the first.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from errno import EEXIST, ENOTEMPTY
from typing import Protocol

from reconciler.core.errors import Failure, InTheWay, Moved
from reconciler.core.host import Access, FileStat, FileType
from reconciler.durable import beside
from reconciler.host.refusal import cannot

FILE_MODE = 0o644
DIRECTORY_MODE = 0o755

_Make = Callable[[str], None]


class Hands(Protocol):
    """One step each; paths as asked, nothing followed in the last component. Raises OSError, as the system does."""

    def look(self, path: str) -> FileStat | None: ...

    def names(self, path: str) -> list[str]:
        """What a directory holds, in no order."""

    def create(self, path: str, content: Iterable[bytes], access: Access) -> None:
        """A new file, secret until it has its access; owner before mode, since chown(2) takes away set-user-id."""

    def symlink(self, path: str, target: str) -> None: ...

    def mkdir(self, path: str, access: Access) -> None: ...

    def give(self, path: str, access: Access) -> None: ...

    def rename(self, path: str, to: str) -> None: ...

    def unlink(self, path: str) -> None: ...

    def rmdir(self, path: str) -> None: ...

    def sync(self) -> None:
        """All that was done so far survives a power cut."""

    def rest(self, *, done: bool) -> None:
        """Lets go of what was kept open: of all if the batch is done, else of what can be found again."""


class Batch:
    """Effects, asked for one by one. An effect that fails leaves nothing, and those before it as they were."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._begin()

    def write(self, path: str, content: Iterable[bytes], access: Access) -> None:
        self._wait_for(path)
        with cannot("write", path):
            before = self._room_for_content("write", path)
            complete = _complete(access, before)
            self._stage(path, lambda temporary: self._hands.create(temporary, content, complete))

    def link(self, path: str, target: str) -> None:
        self._wait_for(path)
        with cannot("make the link", path):
            self._room_for_content("make the link", path)
            self._stage(path, lambda temporary: self._hands.symlink(temporary, target))

    def make_directory(self, path: str, access: Access) -> None:
        """Made beside its path too: no power cut leaves a folder whose mode nobody asked for."""
        self._wait_for(path)
        with cannot("make the directory", path):
            before = self._hands.look(path)
            if before is None:
                self._make_directory(path, access)
            elif before.type is not FileType.DIRECTORY:
                raise InTheWay(f"cannot make the directory {path}: a {before.type} stands there")

    def set_access(self, path: str, access: Access) -> None:
        """A link has no mode of its own (symlink(7)); what is so already is not done again."""
        self._wait_for(path)
        with cannot("set the access of", path):
            before = self._hands.look(path)
            if before is None:
                raise Moved(f"cannot set the access of {path}: it is gone")
            missing = _missing(access, before)
            if missing != Access():
                self._touched = True
                self._hands.give(path, missing)

    def remove(self, path: str) -> None:
        self._wait_for(path)
        with cannot("remove", path):
            if self._room_for_content("remove", path) is not None:
                self._touched = True
                _go(self._hands.unlink, path)

    def remove_directory(self, path: str) -> None:
        self._wait_for(path)
        with cannot("remove the directory", path):
            before = self._hands.look(path)
            if before is None:
                return
            if before.type is not FileType.DIRECTORY:
                raise InTheWay(f"cannot remove the directory {path}: a {before.type} stands there")
            self._touched = True
            _go_if_empty(self._hands.rmdir, path)

    def settle(self) -> None:
        if not self._touched:
            self._hands.rest(done=True)
            return
        try:
            if self._staged:
                with cannot("bring to the disk", _some(list(self._staged))):
                    self._hands.sync()
            self._show()
            with cannot("bring to the disk", "what was changed"):
                self._hands.sync()
        except BaseException:
            self._drop()
            self._hands.rest(done=False)
            raise
        self._hands.rest(done=True)
        self._begin()

    def clean(self, path: str) -> None:
        """Also of this batch: what was made ready for `path` will not be shown.

        What the interrupted effect did to `path` itself may be in memory only: the next `settle` brings it to the disk.
        """
        self._staged.pop(path, None)
        self._touched = True
        with cannot("clean up beside", path):
            if _name(path):
                self._clear(beside(path))

    def _begin(self) -> None:
        self._touched = False
        self._staged: dict[str, str] = {}
        self._above: set[str] = set()

    def _wait_for(self, path: str) -> None:
        if self._staged and (path in self._staged or path in self._above or self._below_staged(path)):
            self.settle()

    def _below_staged(self, path: str) -> bool:
        return any(folder in self._staged for folder in _folders(path))

    def _room_for_content(self, deed: str, path: str) -> FileStat | None:
        before = self._hands.look(path) if _name(path) else FileStat(FileType.DIRECTORY, DIRECTORY_MODE, 0)
        if before is not None and before.type in (FileType.DIRECTORY, FileType.OTHER):
            raise InTheWay(f"cannot {deed} {path}: a {before.type} stands there", hint="move it away")
        return before

    def _stage(self, path: str, make: _Make) -> None:
        temporary = beside(path)
        self._touched = True
        self._clear(temporary)
        self._make(temporary, make)
        self._staged[path] = temporary
        self._above.update(_folders(path))

    def _make_directory(self, path: str, access: Access) -> None:
        temporary = beside(path)
        complete = _complete(access, None, DIRECTORY_MODE)
        self._touched = True
        self._clear(temporary)
        self._make(temporary, lambda temporary: self._hands.mkdir(temporary, complete))
        self._make(temporary, lambda temporary: self._hands.rename(temporary, path))

    def _make(self, temporary: str, make: _Make) -> None:
        try:
            make(temporary)
        except BaseException:
            with suppress(OSError, Failure):
                self._clear(temporary)
            self._hands.rest(done=False)
            raise

    def _clear(self, temporary: str) -> None:
        try:
            _go(self._hands.unlink, temporary)
        except IsADirectoryError:
            self._hands.rmdir(temporary)

    def _show(self) -> None:
        for path, temporary in list(self._staged.items()):
            with cannot("write", path):
                self._hands.rename(temporary, path)
            del self._staged[path]

    def _drop(self) -> None:
        """What was done stays to be brought to the disk by the next `settle`; what was not will not be."""
        for temporary in self._staged.values():
            with suppress(OSError, Failure):
                self._clear(temporary)
        self._staged.clear()
        self._above.clear()


def _missing(access: Access, before: FileStat) -> Access:
    """What is asked for and not so. Setting an owner takes away set-user-id (chown(2)), so the mode is set with it."""
    owner = access.owner if access.owner != before.owner else None
    group = access.group if access.group != before.group else None
    is_link = before.type is FileType.LINK
    is_same = access.mode == before.mode and not (owner or group)
    return Access(None if is_link or is_same else access.mode, owner, group)


def _complete(access: Access, before: FileStat | None, mode: int = FILE_MODE) -> Access:
    """What is left out stays as the file that is replaced has it."""
    if before is None or before.type is not FileType.FILE:
        return replace(access, mode=mode if access.mode is None else access.mode)
    return Access(
        before.mode if access.mode is None else access.mode,
        access.owner or before.owner,
        access.group or before.group,
    )


def _go(step: _Make, path: str) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        step(path)


def _go_if_empty(step: _Make, path: str) -> None:
    try:
        _go(step, path)
    except OSError as error:
        if error.errno not in (ENOTEMPTY, EEXIST):  # rmdir(2): either
            raise


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _folders(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _some(paths: list[str]) -> str:
    return ", ".join(paths if len(paths) <= 3 else [*paths[:3], f"and {len(paths) - 3} more"])
