"""A host can be looked at, or touched: two protocols, so that a parameter says how much power it asks for.

Effects on files are batched: they are asked for one by one, and none is relied on before `settle` returns.
After a power cut at any moment a path holds its old content or its new one, whole.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reconciler.core.identity import Digest


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


class Payloads(Protocol):
    """Bytes by their digest."""

    def open(self, digest: Digest) -> Iterator[bytes]:
        """The bytes in chunks. Raises CorruptStore where they are missing or damaged."""


class HostView(Protocol):
    """Can look."""

    @property
    def files(self) -> FilesView: ...


class Host(Protocol):
    """Can touch. What can touch can also look: `files` is a FilesView too."""

    @property
    def files(self) -> Files: ...

    @property
    def payloads(self) -> Payloads: ...
