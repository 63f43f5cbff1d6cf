"""An object is what its digest says, or an error."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.errors import CorruptStore, Moved
from reconciler.core.identity import Digest
from reconciler.store.objects import Objects

CONTENT = b"some bytes\n" * 100_000
DIGEST = Digest.of(CONTENT)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(str(tmp_path / "objects"))


def put(objects: Objects, content: bytes) -> Digest:
    digest = Digest.of(content)
    with objects.batch():
        objects.put((content,), digest)
    return digest


def test_what_was_put_is_there(objects: Objects) -> None:
    put(objects, CONTENT)
    assert objects.has(DIGEST)
    assert b"".join(objects.open(DIGEST)) == CONTENT


def test_nothing_is_there_before_the_batch_ends(objects: Objects) -> None:
    with objects.batch():
        objects.put((CONTENT,), DIGEST)
        assert not objects.has(DIGEST)


def test_a_batch_that_fails_leaves_nothing(objects: Objects, tmp_path: Path) -> None:
    def torn() -> Iterator[bytes]:
        yield b"half"
        raise OSError(5, "Input/output error")

    with pytest.raises(Exception, match="cannot store objects: Input/output error"), objects.batch():
        objects.put((CONTENT,), DIGEST)
        objects.put(torn(), Digest.of(b"half"))
    assert os.listdir(tmp_path / "objects") == []


def test_a_content_that_changes_while_it_is_read_is_not_stored(objects: Objects) -> None:
    with pytest.raises(Moved), objects.batch():
        objects.put((b"other",), DIGEST)
    assert not objects.has(DIGEST)


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], CONTENT[:-1] + b"x", CONTENT + b"x"])
def test_a_damaged_object_is_an_error(objects: Objects, tmp_path: Path, damage: bytes) -> None:
    put(objects, CONTENT)
    (tmp_path / "objects" / DIGEST.hex).write_bytes(damage)
    with pytest.raises(CorruptStore):
        list(objects.open(DIGEST))


def test_a_missing_object_is_an_error(objects: Objects) -> None:
    assert objects.missing([DIGEST])
    with pytest.raises(CorruptStore):
        list(objects.open(DIGEST))


def test_a_leftover_of_a_killed_batch_is_no_obstacle(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / ".incoming-0").write_bytes(b"half")
    put(objects, CONTENT)
    assert os.listdir(tmp_path / "objects") == [DIGEST.hex]


def test_sweeping_keeps_what_is_named(objects: Objects, tmp_path: Path) -> None:
    kept, gone = put(objects, b"kept"), put(objects, b"gone")
    (tmp_path / "objects" / ".incoming-7").write_bytes(b"half")
    assert objects.sweep({kept}) == 2
    assert (objects.has(kept), objects.has(gone)) == (True, False)
    assert not objects.missing([kept])
