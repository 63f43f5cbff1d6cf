"""A tree says of itself what it is made of: every file and link in it, in its own last file.

What the manifest names and nothing else is the tree. Folders are implied by what lies in them, so an empty one is not
kept, as in git.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.desired import canonical
from reconciler.core.errors import HostileSource
from reconciler.core.host import FileStat, FileType
from reconciler.core.identity import Digest

NAME = ".manifest.json"
FORMAT = 1
MAX_BYTES = 32 << 20
"""Of a manifest that is read."""

FOLDER_MODE = 0o755
PART_MAX, PATH_MAX, DEPTH_MAX = 255, 2000, 100
"""Bytes of one name (ext4, NAME_MAX), bytes of a path below the tree, and folders above one another."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file: the mode is 0644 or 0755."""

    digest: Digest
    size: int
    mode: int

    def differs(self, seen: FileStat) -> str | None:
        """What the file that was seen is, and should not be; its content is another question."""
        if seen.type is not FileType.FILE:
            return f"is a {seen.type}, not a file"
        if seen.size != self.size:
            return f"has {seen.size} bytes, not {self.size}"
        return None if seen.mode == self.mode else f"has mode {seen.mode:04o}, not {self.mode:04o}"


@dataclass(frozen=True, slots=True)
class Link:
    """`target` is relative, and leads nowhere out of the tree."""

    target: str

    def differs(self, seen: FileStat) -> str | None:
        return None if seen.type is FileType.LINK else f"is a {seen.type}, not a link"


@dataclass(frozen=True, slots=True)
class Folder:
    def differs(self, seen: FileStat) -> str | None:
        if seen.type is not FileType.DIRECTORY:
            return f"is a {seen.type}, not a directory"
        return None if seen.mode == FOLDER_MODE else f"has mode {seen.mode:04o}, not {FOLDER_MODE:04o}"


Part = Content | Link | Folder


@dataclass(frozen=True, slots=True)
class Manifest:
    """`source` is what the tree was made from; `files` are by their paths below it."""

    source: Digest
    files: Mapping[str, Content | Link]

    @property
    def parts(self) -> dict[str, Part]:
        """Files, links and the folders that they imply."""
        folders = {folder: Folder() for path in self.files for folder in folders_of(path)}
        return {**folders, **self.files}

    def to_bytes(self) -> bytes:
        files = {path: _to_json(part) for path, part in self.files.items()}
        return canonical({"format": FORMAT, "source": str(self.source), "files": files})

    @classmethod
    def from_bytes(cls, content: bytes) -> "Manifest":
        """The inverse of `to_bytes`. Raises ValueError for anything else."""
        try:
            data = json.loads(content)
            if data["format"] != FORMAT:
                raise ValueError(f"a manifest of format {data['format']!r}")
            files = {path: _from_json(part) for path, part in data["files"].items()}
            return cls(Digest(data["source"]), files)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"no manifest: {error}") from error


def folders_of(path: str) -> Iterator[str]:
    """Those above a path, the nearest first; not the top."""
    while path := path.rpartition("/")[0]:
        yield path


def check_path(path: str) -> None:
    """A path below a tree is relative, normal and ours to give. Raises HostileSource."""
    parts = path.split("/")
    if path.startswith("/"):
        raise hostile(path, "its path is absolute")
    if any(part in ("", ".", "..") for part in parts):
        raise hostile(path, "its path is not normal")
    if not path.isprintable():
        raise hostile(path, "its name has a character that cannot be shown")
    if any(len(part.encode()) > PART_MAX for part in parts) or len(path.encode()) > PATH_MAX or len(parts) > DEPTH_MAX:
        raise hostile(path, "its path is too long")
    if parts[0] == NAME:
        raise hostile(path, "that is the name of our manifest")


def hostile(name: str, why: str) -> HostileSource:
    hint = "a release holds files, folders and links that stay in it, each once: make it anew without this"
    return HostileSource(f"cannot use {ascii(name)[:200]} of the release: {why}", hint=hint)


def plain_mode(mode: int) -> int:
    """A program is one for everybody; nothing else of a foreign mode is taken over."""
    return 0o755 if mode & 0o100 else 0o644


def _to_json(part: Content | Link) -> dict[str, Any]:
    match part:
        case Content(digest, size, mode):
            return {"sha256": digest.hex, "size": size, "mode": f"{mode:04o}"}
        case Link(target):
            return {"link": target}


def _from_json(data: Any) -> Content | Link:
    match data:
        case {"sha256": str(hex), "size": int(size), "mode": str(mode)}:
            return Content(Digest(f"sha256:{hex}"), size, int(mode, 8))
        case {"link": str(target)}:
            return Link(target)
    raise ValueError(f"no manifest: {data!r} is no entry of one")
