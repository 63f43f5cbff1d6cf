"""Never older than the last: a revision is accepted if the floor is among its ancestors, and hashes prove it.

A commit's id covers its parents' ids. So one unbroken chain of commits, each with the id that its child named,
from the revision down to the floor is a proof, whoever handed it out; a liar can only make us refuse.
"""

from dataclasses import dataclass

from reconciler.core.errors import NotADescendant
from reconciler.core.identity import Revision
from reconciler.source.objects import Commit, MissingObject, Objects, parse_commit
from reconciler.source.power import MIB

LONGEST_CHAIN = 100_000
LARGEST_COMMIT = MIB


@dataclass(frozen=True, slots=True)
class Accepted:
    """A revision that may be followed. `passed` are the commits from it back to the floor, the newest first."""

    commit: Commit
    passed: tuple[Revision, ...] = ()

    @property
    def revision(self) -> Revision:
        return self.commit.revision


def accept(objects: Objects, revision: Revision, floor: Revision | None) -> Accepted:
    """Raises NotADescendant. The floor itself is accepted again, and without a floor any commit is the first."""
    commit = read_commit(objects, revision)
    if floor is None or floor == revision:
        return Accepted(commit)
    return Accepted(commit, _chain(objects, commit, floor))


def read_commit(objects: Objects, revision: Revision) -> Commit:
    return parse_commit(revision, objects.get(revision.id, "commit", LARGEST_COMMIT))


def _chain(objects: Objects, commit: Commit, floor: Revision) -> tuple[Revision, ...]:
    """A single new commit needs no hint. A hint that is honest leads to the floor at every turn."""
    chain, hint = [commit.revision], frozenset[str]()
    while floor not in commit.parents:
        hint = hint or _hint(objects, floor, chain[0])
        step = next((parent for parent in commit.parents if parent.id in hint), None)
        if step is None or len(chain) >= LONGEST_CHAIN:
            raise refusal(chain[0], floor)
        chain.append(step)
        commit = read_commit(objects, step)
    return tuple(chain)


def _hint(objects: Objects, floor: Revision, revision: Revision) -> frozenset[str]:
    try:
        return objects.between(floor, revision, LONGEST_CHAIN)
    except MissingObject as error:
        raise refusal(revision, floor) from error


def refusal(revision: Revision, floor: Revision) -> NotADescendant:
    """The words for it, the same each time."""
    return NotADescendant(
        f"cannot go to {revision.short}: it does not descend from {floor.short}, the newest revision accepted here",
        hint=f"push a commit that descends from {floor.short}; `git revert` takes a change back and keeps history",
    )
