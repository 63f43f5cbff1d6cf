"""Each folder of `bad/` is a repo with one thing wrong, and the golden lines that an operator reads about it.

`RENEW=1 pytest tests/language/test_bad.py` writes the lines anew; then read each of them as a stranger would.
"""

import os
from pathlib import Path

import pytest

from reconciler.core.errors import InvalidDocuments
from reconciler.core.identity import DeviceName
from reconciler.language.expand import Facts, expand
from reconciler.language.load import load
from reconciler.language.validate import validate
from tests.language.trees import VOCABULARY

BAD = Path(__file__).parent / "bad"
GOLDEN = "expected.txt"
SITUATIONS = sorted(folder.name for folder in BAD.iterdir())


class Folder:
    """A repo on the disk, but for the golden lines in it. What is no regular file has no size."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, folder: str = "") -> tuple[str, ...]:
        path = self._root / folder
        return tuple(sorted(p.name for p in path.iterdir() if p.name != GOLDEN)) if path.is_dir() else ()

    def size(self, path: str) -> int | None:
        file = self._root / path
        return file.stat().st_size if file.is_file() and not file.is_symlink() else None

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def is_folder(self, path: str) -> bool:
        return (self._root / path).is_dir() and not (self._root / path).is_symlink()

    def is_executable(self, path: str) -> bool:
        return bool((self._root / path).stat().st_mode & 0o100)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_said(situation: str) -> None:
    said = "".join(f"{problem}\n" for problem in validate(Folder(BAD / situation), VOCABULARY))
    golden = BAD / situation / GOLDEN
    if os.environ.get("RENEW"):
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")
    assert said


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_place_is_in_a_file_that_is_there(situation: str) -> None:
    for problem in validate(Folder(BAD / situation), VOCABULARY):
        file = BAD / situation / problem.place.file
        if file.is_file():
            lines = file.read_bytes().split(b"\n")
            assert problem.place.line <= len(lines)
            assert problem.place.column <= len(lines[problem.place.line - 1]) + 1


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_device_rejects_it_or_it_is_not_the_device_s_business(situation: str) -> None:
    """Whatever the situation, loading and expanding ends in a desired state or in problems, never in anything else."""
    tree = Folder(BAD / situation)
    for name in tree.names("devices"):
        try:
            device = DeviceName(name.removesuffix(".yaml"))
        except ValueError:
            continue
        try:
            expand(load(tree, device), VOCABULARY, Facts("arm64"))
        except InvalidDocuments as error:
            told = error.problems
            assert told


def test_there_are_many_situations() -> None:
    assert len(SITUATIONS) >= 200
