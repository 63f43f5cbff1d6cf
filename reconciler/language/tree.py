"""A desired-state repo is a tree of regular files; where it comes from is not the language's business."""

from typing import Protocol


class Tree(Protocol):
    """Paths have `/` between names; the empty path is the root. Links and submodules are no regular files."""

    def names(self, folder: str = "") -> tuple[str, ...]:
        """What a folder holds, of whatever sort, sorted; nothing where there is no folder."""

    def size(self, path: str) -> int | None:
        """Bytes of a regular file, None where there is none. May raise Rejected where it is beyond the tree's limit."""

    def read(self, path: str) -> bytes:
        """The content of what has a size."""

    def is_folder(self, path: str) -> bool:
        """Whether it is one itself: a link to one is none."""

    def is_executable(self, path: str) -> bool:
        """Whether it is a regular file that may be run."""
