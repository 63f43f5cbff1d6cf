"""A host can be looked at, or touched: two protocols, so that a parameter says how much power it asks for.

Effects on files are batched: they are asked for one by one, and none is relied on before `settle` returns.
After a power cut at any moment a path holds its old content or its new one, whole.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reconciler.core.identity import Digest
from reconciler.core.senses import Commands, Net, Units, UnitsView, Vitals


class FileType(StrEnum):
    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "special file"


@dataclass(frozen=True, slots=True)
class FileStat:
    """What `lstat` tells. Owner and group are names, numbers as text where there is no name, None where not managed."""

    type: FileType
    mode: int
    size: int
    owner: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what with a file; None leaves it as it is, or as a new file gets it."""

    mode: int | None = None
    owner: str | None = None
    group: str | None = None


def above(path: str) -> str | None:
    """The folder that holds `path`; None for what lies in the root, which is always there."""
    return path.rpartition("/")[0] or None


class FilesView(Protocol):
    """Files, seen. Paths are absolute and normal. Errors of the system are raised as Transient or Broken."""

    def stat(self, path: str, *, follow: bool = False) -> FileStat | None:
        """None where there is nothing; the last component is followed only on request."""

    def read(self, path: str) -> Iterator[bytes]:
        """The content of a regular file in chunks. Raises Moved where there is none (any more)."""

    def target(self, path: str) -> str:
        """What a symbolic link says, unresolved."""

    def is_empty(self, path: str) -> bool:
        """Whether a directory holds nothing."""


class Files(FilesView, Protocol):
    """Files, touched."""

    def write(self, path: str, content: Iterable[bytes], access: Access) -> None:
        """A whole new file takes the place of what is at `path`. A mode left out is 0644."""

    def link(self, path: str, target: str) -> None:
        """A symbolic link takes the place of what is at `path`."""

    def make_directory(self, path: str, access: Access) -> None:
        """A new directory; one that is there is left. A mode left out is 0755."""

    def set_access(self, path: str, access: Access) -> None:
        """Mode, owner and group of what is there."""

    def remove(self, path: str) -> None:
        """The file or link at `path` goes; it is no error if it went already."""

    def remove_directory(self, path: str) -> None:
        """The directory at `path` goes if it is empty, and stays if it is not."""

    def settle(self) -> None:
        """All that was asked for is visible and on the disk when this returns."""

    def clean(self, path: str) -> None:
        """What an interrupted effect on `path` left beside it goes."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A file of a tree: `path` is relative to the tree and normal."""

    path: str
    mode: int
    content: Digest


class TreesView(Protocol):
    """Whole folders that are made at once and then never changed, each with a manifest of all its files, seen."""

    def names(self, path: str) -> tuple[str, ...]:
        """What a directory holds, of whatever sort, sorted; nothing where there is none."""

    def source(self, path: str) -> Digest | None:
        """What the tree says it was made from; None where there is no tree that says so."""

    def damage(self, path: str, *, thorough: bool = False) -> str | None:
        """The first thing that is not as the manifest says; None where all is well.

        Names, sorts, sizes and modes are compared; thoroughly, every content too.
        """


class Trees(TreesView, Protocol):
    """Trees, touched. After a power cut at any moment a tree is wholly there, or not at all."""

    def plant(self, path: str, source: Digest, leaves: Iterable[Leaf]) -> None:
        """A new tree of these files, on the disk when this returns; one that stands there is replaced."""

    def unpack(self, path: str, source: Digest, form: str) -> None:
        """A new tree of what an archive (`tar` or `zip`) holds, whose bytes are the payload `source`.

        Raises HostileSource for an archive that would write outside the tree or is beyond the limits.
        """

    def remove(self, path: str) -> None:
        """The tree goes, with all that lies in it; it is no error if it went already."""


class Payloads(Protocol):
    """Bytes by their digest."""

    def open(self, digest: Digest) -> Iterator[bytes]:
        """The bytes in chunks. Raises CorruptStore where they are missing or damaged."""


class HostView(Protocol):
    """Can look."""

    @property
    def files(self) -> FilesView: ...

    @property
    def trees(self) -> TreesView: ...

    @property
    def units(self) -> UnitsView: ...

    @property
    def net(self) -> Net: ...

    @property
    def vitals(self) -> Vitals: ...

    @property
    def commands(self) -> Commands: ...


class Host(Protocol):
    """Can touch. What can touch can also look: each of its parts is a view too."""

    @property
    def files(self) -> Files: ...

    @property
    def trees(self) -> Trees: ...

    @property
    def units(self) -> Units: ...

    @property
    def net(self) -> Net: ...

    @property
    def vitals(self) -> Vitals: ...

    @property
    def commands(self) -> Commands: ...

    @property
    def payloads(self) -> Payloads: ...
