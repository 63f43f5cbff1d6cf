"""To which generations a device can go back."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.core.identity import Digest, Generation, Revision
from reconciler.core.journal import Outcome
from reconciler.core.status import Applied
from reconciler.store.database import Database
from reconciler.store.generations import KEEP_DESIRED, RUNNING, Generations, Record

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DIGEST, COMMIT = Digest.of(b""), Revision("a" * 40)


@pytest.fixture
def generations(tmp_path: Path) -> Iterator[Generations]:
    database = Database(str(tmp_path / "state.db"))
    with database.transaction():
        yield Generations(database)
    database.close()


def ended(generations: Generations, results: list[str]) -> None:
    for number, result in enumerate(results, start=1):
        record = Record(Generation(number), DIGEST, COMMIT, "", "", DIGEST, result, None, NOON, NOON, DIGEST)
        generations.put(record)


def at_hand(generations: Generations) -> list[int]:
    return [record.generation.number for record in generations.at_hand()]


def test_what_failed_takes_no_good_one_away(generations: Generations) -> None:
    good, bad = str(Outcome.CONVERGED), str(Outcome.REVERTED)
    ended(generations, [good, good, *[bad] * KEEP_DESIRED, RUNNING])
    generations.apply(Applied(Generation(2), COMMIT, DIGEST, NOON))
    assert at_hand(generations) == [KEEP_DESIRED + 3, 2, 1]


def test_old_ones_go_but_for_that_in_force(generations: Generations) -> None:
    ended(generations, [str(Outcome.CONVERGED)] * (KEEP_DESIRED + 3))
    generations.apply(Applied(Generation(1), COMMIT, DIGEST, NOON))
    assert at_hand(generations) == [*range(KEEP_DESIRED + 3, 3, -1), 1]
