"""The files of one revision, read when they are asked for: only the folders on the way, and each of them once.

Links and submodules are no files here: what a commit contains is in the commit.
"""

from functools import cached_property

from reconciler.core.errors import HostileSource, NotFound
from reconciler.core.identity import Revision
from reconciler.source.objects import Commit, Entry, ObjectId, Objects, find, names
from reconciler.source.power import MIB
from reconciler.source.trust import read_commit

LARGEST_FILE = 16 * MIB
LARGEST_FOLDER = 16 * MIB
DEEPEST = 64


class Snapshot:
    """A tree of files by relative path, with `/` between names; the empty path is the root."""

    def __init__(self, objects: Objects, revision: Revision, limit: int = LARGEST_FILE) -> None:
        self.revision = revision
        self._objects = objects
        self._limit = limit
        self._folders: dict[str, bytes | None] = {}
        self._last: tuple[str, bytes] | None = None

    @cached_property
    def commit(self) -> Commit:
        return read_commit(self._objects, self.revision)

    @property
    def tree_id(self) -> ObjectId:
        """Equal trees, equal files, whatever their commits say."""
        return self.commit.tree

    def names(self, folder: str = "") -> tuple[str, ...]:
        """What a folder holds, of whatever sort, sorted; nothing where there is no folder. Raises HostileSource."""
        raw = self._folder(folder)
        return () if raw is None else names(raw, self._width)

    def size(self, path: str) -> int | None:
        """Bytes of a regular file, None where there is none. Raises HostileSource beyond the limit."""
        content = self._content(path)
        return None if content is None else len(content)

    def read(self, path: str) -> bytes:
        """Raises NotFound where there is no regular file, and HostileSource beyond the limit."""
        content = self._content(path)
        if content is None:
            raise NotFound(f"cannot read {path} of {self.revision.short}: it is no regular file")
        return content

    def is_folder(self, path: str) -> bool:
        entry = self._entry(path)
        return not path or (entry is not None and entry.is_folder)

    def is_executable(self, path: str) -> bool:
        """Whether it is a regular file that may be run."""
        entry = self._entry(path)
        return entry is not None and entry.is_file and bool(entry.mode & 0o100)

    @property
    def _width(self) -> int:
        return len(self.revision.id)

    def _content(self, path: str) -> bytes | None:
        """The last file is kept, for whoever asks its size first: a size is proven only by the content."""
        entry = self._entry(path)
        if entry is None or not entry.is_file:
            return None
        if self._last is None or self._last[0] != entry.id:
            self._last = (entry.id, self._objects.get(entry.id, "blob", self._limit))
        return self._last[1]

    def _entry(self, path: str) -> Entry | None:
        folder, _, name = path.rpartition("/")
        if not name or path.startswith("/"):
            return None
        raw = self._folder(folder)
        return None if raw is None else find(raw, name, self._width)

    def _folder(self, path: str) -> bytes | None:
        if path not in self._folders:
            self._folders[path] = self._read_folder(path)
        return self._folders[path]

    def _read_folder(self, path: str) -> bytes | None:
        if path.count("/") >= DEEPEST:
            raise HostileSource(f"cannot read folders more than {DEEPEST} deep")
        if not path:
            return self._objects.get(self.tree_id, "tree", LARGEST_FOLDER)
        entry = self._entry(path)
        if entry is None or not entry.is_folder:
            return None
        return self._objects.get(entry.id, "tree", LARGEST_FOLDER)
