"""What is taken out of an archive is accounted for before it is used: no name twice, none outside, not too much."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.host import FileType
from reconciler.host.manifest import PATH_MAX, check_path, folders_of, hostile

MEMBERS_MAX = 50_000
BYTES_MAX = 2 << 30
RATIO_MAX, FREE_BYTES = 200, 10 << 20
"""An archive may hold so many times its own size, and that much besides: real ones hold 3 to 20 times their size."""


@dataclass(frozen=True, slots=True)
class File:
    """`content` is to be read before the next member is asked for."""

    path: str
    mode: int
    content: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Symlink:
    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A second name of the file at `of`, an earlier member: the tree has its content twice."""

    path: str
    of: str


Member = File | Symlink | Copy


class Account:
    """Of an archive of `size` bytes. Every method raises HostileSource.

    Names that differ in case only are two, as on the file systems where releases lie.
    """

    def __init__(self, size: int) -> None:
        self.most = min(BYTES_MAX, RATIO_MAX * size + FREE_BYTES)
        self._members = 0
        self._bytes = 0
        self._known: dict[str, FileType] = {}
        self._sizes: dict[str, int] = {}

    def folder(self, path: str) -> None:
        self._add(path, FileType.DIRECTORY)

    def file(self, path: str, size: int) -> None:
        self._add(path, FileType.FILE)
        self._weigh(path, size)

    def copy(self, path: str, of: str) -> None:
        self._add(path, FileType.FILE)
        if of == path or of not in self._sizes:
            raise hostile(path, "it is a second name of what is no file of the archive before it")
        self._weigh(path, self._sizes[of])

    def symlink(self, path: str, target: str) -> None:
        self._add(path, FileType.LINK)
        if target.startswith("/"):
            raise hostile(path, "it is an absolute link")
        if not target or not target.isprintable() or len(target.encode()) > PATH_MAX:
            raise hostile(path, "it is a link to what can be no path")
        if not _stays(path, target):
            raise hostile(path, "it is a link that may lead out of the release")

    def _add(self, path: str, type: FileType) -> None:
        self._members += 1
        if max(self._members, len(self._known)) > MEMBERS_MAX:
            raise hostile(path, f"with it the release has more than {MEMBERS_MAX} members")
        check_path(path)
        for folder in folders_of(path):
            above = self._known.setdefault(folder, FileType.DIRECTORY)
            if above is not FileType.DIRECTORY:
                raise hostile(path, f"it lies below a {above}")
        known = self._known.get(path)
        if known and not known is type is FileType.DIRECTORY:
            raise hostile(path, "it is there twice")
        self._known[path] = type

    def _weigh(self, path: str, size: int) -> None:
        if size < 0:
            raise hostile(path, "it has less than no bytes")
        self._bytes += size
        if self._bytes > self.most:
            raise hostile(path, f"with it the release has more than {self.most} bytes, too many for its archive")
        self._sizes[path] = size


def inside(name: str) -> str:
    """The path below the tree that a member's name means; empty for the tree itself."""
    name = name.removesuffix("/")
    while name.startswith("./"):
        name = name[2:]
    return "" if name == "." else name


def _stays(path: str, target: str) -> bool:
    """Up first, then down: a `..` behind a name could be that of another link, and so lead anywhere."""
    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    return ups <= path.count("/") and ".." not in parts[ups:]
