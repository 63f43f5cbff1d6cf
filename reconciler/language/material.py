"""Payloads come from the same tree as the documents, by relative path; only their digests travel with the states."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from reconciler.core.errors import Moved, Rejected
from reconciler.core.host import Leaf
from reconciler.core.identity import Digest
from reconciler.core.kind import Mistake
from reconciler.language.nearest import did_you_mean
from reconciler.language.say import shown
from reconciler.language.tree import Tree

MAX_BYTES = 16 << 20
"""Of one payload."""

MAX_FILES = 5_000
"""Of one folder."""

MAX_URL = 2000


class RepoMaterial:
    """`files` are the payloads that were used, by their path; `programs` are those of them that stay executable.

    `remotes` says where those are found that are not in the tree.
    """

    def __init__(self, tree: Tree) -> None:
        self.files: dict[str, Digest] = {}
        self.programs: set[str] = set()
        self.remotes: dict[Digest, str] = {}
        self._tree = tree
        self._inline: dict[Digest, bytes] = {}
        self._paths: dict[Digest, str] = {}

    def file(self, path: str) -> Digest:
        """Raises Mistake where there is none, or it is beyond the limit."""
        if path not in self.files:
            digest = Digest.of(self._read(path))
            self.files[path] = digest
            self._paths[digest] = path
        return self.files[path]

    def inline(self, content: bytes) -> Digest:
        digest = Digest.of(content)
        self._inline[digest] = content
        return digest

    def folder(self, path: str) -> tuple[Leaf, ...]:
        """Raises Mistake where there is none, it holds no file, or something that is no file, or too much."""
        _check_path(path)
        try:
            leaves = tuple(self._leaf(path, below) for below in sorted(self._below(path)))
        except Rejected as error:
            raise Mistake(error.message, hint=error.hint) from error
        if not leaves:
            raise Mistake(f"there is no folder {shown(path)} in the repo", hint=_hint(self._tree, path, "no folder"))
        return leaves

    def remote(self, url: str, digest: Digest) -> Digest:
        _check_url(url)
        self.remotes.setdefault(digest, url)
        return digest

    def holds(self, digest: Digest) -> bool:
        """Whether `payload` has it."""
        return digest in self._inline or digest in self._paths

    def payload(self, digest: Digest) -> bytes:
        """The bytes of what was used. Raises Moved where the tree has changed since, KeyError for any other digest."""
        if digest in self._inline:
            return self._inline[digest]
        content = self._tree.read(self._paths[digest])
        if Digest.of(content) != digest:
            raise Moved(f"cannot use {self._paths[digest]}: it changed while it was read")
        return content

    def _read(self, path: str) -> bytes:
        _check_path(path)
        try:
            size = self._tree.size(path)
            if size is None:
                raise Mistake(
                    f"there is no file {shown(path)} in the repo",
                    hint=_hint(self._tree, path, "a folder, a link or a submodule"),
                )
            if size > MAX_BYTES:
                raise Mistake(f"the file {shown(path)} has {size} bytes, {MAX_BYTES} are allowed")
            return self._tree.read(path)
        except Rejected as error:
            raise Mistake(error.message, hint=error.hint) from error

    def _leaf(self, folder: str, below: str) -> Leaf:
        path = f"{folder}/{below}"
        if not below.isprintable():
            raise Mistake(f"the file {shown(path)} has a name that cannot be printed")
        content = self.file(path)
        if not self._tree.is_executable(path):
            return Leaf(below, 0o644, content)
        self.programs.add(path)
        return Leaf(below, 0o755, content)

    def _below(self, folder: str) -> Iterator[str]:
        """The paths of all files below a folder, without its own."""
        waiting, count = [""], 0
        while waiting:
            lead = waiting.pop()
            for name in self._tree.names(f"{folder}/{lead}".rstrip("/")):
                below, path = f"{lead}{name}", f"{folder}/{lead}{name}"
                if self._tree.is_folder(path):
                    waiting.append(f"{below}/")
                    continue
                if self._tree.size(path) is None:
                    raise Mistake(f"{shown(path)} is a link or a submodule", hint="a release holds files only")
                if (count := count + 1) > MAX_FILES:
                    raise Mistake(f"the folder {shown(folder)} has more than {MAX_FILES} files")
                yield below


def _check_path(path: str) -> None:
    if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        hint = "write it from the root of the repo, as in apps/web/files/index.html"
        raise Mistake(f"{shown(path)} is no path into the repo", hint=hint)


def _check_url(url: str) -> None:
    hint = "as in https://example.org/tool.tar.gz"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url or len(url) > MAX_URL:
        raise Mistake(f"{shown(url)} is no URL of http or https", hint=hint)
    if "@" in parts.netloc:
        raise Mistake("a URL in the repo holds no user and no password", hint=hint)


def _hint(tree: Tree, path: str, what: str) -> str | None:
    folder, _, name = path.rpartition("/")
    names = tree.names(folder)
    if name in names:
        return f"it is there, but it is {what}"
    if folder and not names:
        return f"there is no folder {folder}/"
    return did_you_mean(path, (f"{folder}/{other}".lstrip("/") for other in names))
