"""A disk that has no room for the journal either is the world's fault, however often it is met."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from reconciler.core.decide import MAX_RESUMES
from reconciler.core.errors import NoRoom
from reconciler.core.identity import Digest
from reconciler.core.journal import Done, Entry, Outcome
from reconciler.kinds.file import FileState
from reconciler.store.journal import Journal
from tests.agent.world import KINDS, World, desired

EMPTY = Digest.of(b"")


class FullDisk(Journal):
    """It takes short entries, and no long ones."""

    is_full = True

    def append(self, entries: Iterable[Entry]) -> None:
        said = tuple(entries)
        if self.is_full and any(isinstance(entry, Done) for entry in said):
            raise NoRoom("cannot use the state database: database or disk is full")
        super().append(said)


def test_a_plan_whose_end_cannot_be_written_is_not_barred() -> None:
    world = World()
    journal = FullDisk(world.database, KINDS)
    world.parts = replace(world.parts, store=replace(world.parts.store, journal=journal))
    with pytest.raises(NoRoom):
        world.bring(desired({"file:/a": FileState(EMPTY)}), {EMPTY: b""})
    for _ in range(MAX_RESUMES + 1):
        with pytest.raises(NoRoom):
            world.recover()
    journal.is_full = False
    progress = world.recover()
    assert progress is not None
    assert progress.closed is Outcome.CONVERGED
    assert world.parts.store.quarantine.all() == ()
    world.close()
