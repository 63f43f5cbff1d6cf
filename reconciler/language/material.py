"""Payloads come from the same tree as the documents, by relative path; only their digests travel with the states."""

from reconciler.core.errors import Moved, Rejected
from reconciler.core.identity import Digest
from reconciler.core.kind import Mistake
from reconciler.language.nearest import did_you_mean
from reconciler.language.say import shown
from reconciler.language.tree import Tree

MAX_BYTES = 16 << 20
"""Of one payload."""


class RepoMaterial:
    """`files` are the payloads that were used, by their path."""

    def __init__(self, tree: Tree) -> None:
        self.files: dict[str, Digest] = {}
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

    def payload(self, digest: Digest) -> bytes:
        """The bytes of what was used. Raises Moved where the tree has changed since, KeyError for any other digest."""
        if digest in self._inline:
            return self._inline[digest]
        content = self._tree.read(self._paths[digest])
        if Digest.of(content) != digest:
            raise Moved(f"cannot use {self._paths[digest]}: it changed while it was read")
        return content

    def _read(self, path: str) -> bytes:
        if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
            hint = "write it from the root of the repo, as in apps/web/files/index.html"
            raise Mistake(f"{shown(path)} is no path into the repo", hint=hint)
        try:
            size = self._tree.size(path)
            if size is None:
                raise Mistake(f"there is no file {shown(path)} in the repo", hint=_hint(self._tree, path))
            if size > MAX_BYTES:
                raise Mistake(f"the file {shown(path)} has {size} bytes, {MAX_BYTES} are allowed")
            return self._tree.read(path)
        except Rejected as error:
            raise Mistake(error.message, hint=error.hint) from error


def _hint(tree: Tree, path: str) -> str | None:
    folder, _, name = path.rpartition("/")
    names = tree.names(folder)
    if name in names:
        return "it is there, but it is a folder, a link or a submodule"
    if not names:
        return f"there is no folder {folder}/"
    return did_you_mean(path, (f"{folder}/{other}".lstrip("/") for other in names))
