"""A tree is made beside its place, compared with its manifest, brought to the disk, and only then renamed to its place.

So whoever finds a tree finds all of it, also after a power cut (without the sync before the rename the names survive
and the contents do not). One that goes is renamed away first, for the same reason. What is not a tree yet, or no
longer, has a hidden name, and goes with the next effect at its place.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from reconciler.core.errors import CorruptStore, Failure, InputOutput, InTheWay, Moved
from reconciler.core.host import Access, FilesView, FileType, Leaf, Payloads, Trees
from reconciler.core.identity import Digest
from reconciler.durable import PREFIX, beside
from reconciler.host.batch import Hands
from reconciler.host.hands import RealHands
from reconciler.host.looks import Looks
from reconciler.host.manifest import (
    FOLDER_MODE,
    MAX_BYTES,
    NAME,
    Content,
    Folder,
    Link,
    Manifest,
    Part,
    check_path,
    folders_of,
    hostile,
    plain_mode,
)
from reconciler.host.members import Copy, File, Member, Symlink
from reconciler.host.refusal import cannot

FILE_MODE = 0o644
BYTECODE = "__pycache__"
"""Python writes it beside what it runs, where it may: that does no harm to the tree, and is no damage."""


def real_trees(root: str, payloads: Payloads) -> Trees:
    """On this machine below `root`. Owners are not managed: what a tree holds belongs to who runs us."""
    return HostTrees(RealHands(root, None, lambda: None), lambda: Looks(root, owners=False), payloads)


class HostTrees:
    """Satisfies Trees. `look` gives a view that knows nothing from before; nothing is kept open between two calls."""

    def __init__(self, hands: Hands, look: Callable[[], FilesView], payloads: Payloads) -> None:
        self._hands = hands
        self._look = look
        self._payloads = payloads

    def names(self, path: str) -> tuple[str, ...]:
        with self._effect("list", path):
            return self._names(path)

    def source(self, path: str) -> Digest | None:
        manifest = _read_manifest(self._look(), path)
        return manifest.source if manifest else None

    def damage(self, path: str, *, thorough: bool = False) -> str | None:
        with self._effect("look at", path):
            return self._damage(path, thorough=thorough)

    def plant(self, path: str, source: Digest, leaves: Iterable[Leaf]) -> None:
        self._make(path, source, (self._file(leaf) for leaf in leaves))

    def unpack(self, path: str, source: Digest, form: str) -> None:
        from reconciler.host.archive import members  # noqa: PLC0415  # all that reads archives, for who unpacks one

        self._make(path, source, members(self._payloads.open(source), form))

    def remove(self, path: str) -> None:
        hidden = _hidden(path)
        with self._effect("remove", path):
            if not any(self._hands.look(each) for each in (path, *hidden)):
                return
            self._check_place("remove", path)
            for leftover in hidden:
                self._clear(leftover)
            if not _name(path).startswith(PREFIX) and self._hands.look(path):
                self._rename(path, hidden[1])
            for doomed in (path, hidden[1]):
                self._clear(doomed)
            self._hands.sync()

    def _make(self, path: str, source: Digest, members: Iterable[Member]) -> None:
        new, old = _hidden(path)
        with self._effect("plant", path):
            self._check_place("plant", path)
            self._clear(new)
            self._clear(old)
            try:
                self._build(new, path, source, members)
                self._hands.sync()
                self._show(new, path, old)
            except BaseException:
                with suppress(OSError, Failure):
                    self._clear(new)
                raise
            self._hands.sync()
            if self._clear(old):
                self._hands.sync()

    def _build(self, new: str, path: str, source: Digest, members: Iterable[Member]) -> None:
        building = _Building(new, self._hands, self._look)
        for member in members:
            building.add(member)
        if not building.files:
            raise hostile(".", "it holds no file")
        building.sign(source)
        if amiss := self._damage(new, thorough=True):
            hint = "look at `dmesg`: the disk may be dying"
            raise InputOutput(f"cannot plant {path}: what was written is not what is there: {amiss}", hint=hint)

    def _file(self, leaf: Leaf) -> File:
        return File(leaf.path, plain_mode(leaf.mode), _certain(self._payloads.open(leaf.content), leaf.content))

    def _damage(self, path: str, *, thorough: bool) -> str | None:
        view = self._look()
        seen = view.stat(path)
        if seen is None:
            return "it is missing"
        if amiss := Folder().differs(seen):
            return f"it {amiss}"
        manifest = _read_manifest(view, path)
        if manifest is None:
            return "its manifest is missing or cannot be read"
        parts = manifest.parts
        there = set()
        for below in self._walk(path, parts):
            if below not in parts:
                return f"{below} is not in its manifest"
            if amiss := _amiss(view, f"{path}/{below}", parts[below], thorough=thorough):
                return f"{below} {amiss}"
            there.add(below)
        missing = min(parts.keys() - there, default=None)
        return f"{missing} is missing" if missing else None

    def _walk(self, top: str, parts: dict[str, Part], folder: str = "") -> Iterator[str]:
        """What is there, but for the manifest; what lies in a folder that should not be there is not looked for."""
        for name in self._names(f"{top}/{folder}" if folder else top):
            below = f"{folder}/{name}" if folder else name
            if below == NAME or (name == BYTECODE and below not in parts):
                continue
            yield below
            if isinstance(parts.get(below), Folder):
                yield from self._walk(top, parts, below)

    def _names(self, path: str) -> tuple[str, ...]:
        with suppress(FileNotFoundError, NotADirectoryError):
            return tuple(sorted(self._hands.names(path)))
        return ()

    def _check_place(self, deed: str, path: str) -> None:
        seen = self._hands.look(path)
        if seen is not None and seen.type is not FileType.DIRECTORY:
            raise InTheWay(f"cannot {deed} {path}: a {seen.type} stands there", hint="move it away")

    def _show(self, new: str, path: str, old: str) -> None:
        """Two renames where a tree stands: a power cut in between leaves none, which is mended as all damage is."""
        stood = self._hands.look(path) is not None
        if stood:
            self._rename(path, old)
        try:
            self._rename(new, path)
        except BaseException:
            if stood:
                with suppress(OSError, Failure):
                    self._rename(old, path)
            raise

    def _rename(self, path: str, to: str) -> None:
        self._hands.rename(path, to)
        self._hands.rest(done=False)

    def _clear(self, path: str) -> bool:
        """From the leaves down, whatever is there. Whether anything was."""
        if self._hands.look(path) is None:
            return False
        found, todo = [], [path]
        while todo:
            found.append(todo.pop())
            todo.extend(f"{found[-1]}/{name}" for name in self._names(found[-1]))
        for each in reversed(found):
            seen = self._hands.look(each)
            if seen:
                (self._hands.rmdir if seen.type is FileType.DIRECTORY else self._hands.unlink)(each)
        return True

    @contextmanager
    def _effect(self, deed: str, path: str) -> Iterator[None]:
        try:
            with cannot(deed, path):
                yield
        finally:
            self._hands.rest(done=True)


class _Building:
    """A tree that is being made at `top`, and what it is made of so far."""

    def __init__(self, top: str, hands: Hands, look: Callable[[], FilesView]) -> None:
        self.files: dict[str, Content | Link] = {}
        self._top = top
        self._hands = hands
        self._look = look
        self._folders: set[str] = set()
        hands.mkdir(top, Access(FOLDER_MODE))

    def add(self, member: Member) -> None:
        check_path(member.path)
        if member.path in self.files or member.path in self._folders:
            raise hostile(member.path, "it is there twice")
        self._make_folders(member.path)
        match member:
            case File(path, mode, content):
                self._write(path, mode, content)
            case Symlink(path, target):
                self._hands.symlink(f"{self._top}/{path}", target)
                self.files[path] = Link(target)
            case Copy(path, of):
                original = self.files[of]
                mode = original.mode if isinstance(original, Content) else FILE_MODE
                self._write(path, mode, self._look().read(f"{self._top}/{of}"))

    def sign(self, source: Digest) -> None:
        content = Manifest(source, self.files).to_bytes()
        if len(content) > MAX_BYTES:
            raise hostile(".", f"its names take more than {MAX_BYTES} bytes")
        self._hands.create(f"{self._top}/{NAME}", (content,), Access(FILE_MODE))

    def _write(self, path: str, mode: int, content: Iterable[bytes]) -> None:
        hasher, size = hashlib.sha256(), 0

        def measured() -> Iterator[bytes]:
            nonlocal size
            for chunk in content:
                hasher.update(chunk)
                size += len(chunk)
                yield chunk

        self._hands.create(f"{self._top}/{path}", measured(), Access(mode))
        self.files[path] = Content(Digest(f"sha256:{hasher.hexdigest()}"), size, mode)

    def _make_folders(self, path: str) -> None:
        for folder in reversed(list(folders_of(path))):
            if folder not in self._folders:
                self._hands.mkdir(f"{self._top}/{folder}", Access(FOLDER_MODE))
                self._folders.add(folder)


def _hidden(path: str) -> tuple[str, str]:
    """Where a new tree is made, and where an old one goes."""
    return beside(path), beside(beside(path))


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _certain(content: Iterable[bytes], digest: Digest) -> Iterator[bytes]:
    hasher = hashlib.sha256()
    for chunk in content:
        hasher.update(chunk)
        yield chunk
    if hasher.hexdigest() != digest.hex:
        raise CorruptStore(f"cannot read payload {digest.short}: its bytes are damaged")


def _read_manifest(view: FilesView, path: str) -> Manifest | None:
    seen = view.stat(f"{path}/{NAME}")
    if seen is None or seen.type is not FileType.FILE or seen.size > MAX_BYTES:
        return None
    with suppress(ValueError, Moved):
        return Manifest.from_bytes(b"".join(view.read(f"{path}/{NAME}")))
    return None


def _amiss(view: FilesView, path: str, part: Part, *, thorough: bool) -> str | None:
    seen = view.stat(path)
    if seen is None:
        return "is missing"
    if amiss := part.differs(seen):
        return amiss
    match part:
        case Link(target) if view.target(path) != target:
            return f"leads to {view.target(path)}, not to {target}"
        case Content(digest) if thorough and Digest.of(view.read(path)) != digest:
            return "has another content"
    return None
