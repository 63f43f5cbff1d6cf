"""A followed repo, in three sentences: what is its head, may I go there, what is in it.

A look at the head takes one git process and no lock. Opening a revision fetches only what the clone lacks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from reconciler.core.errors import NotADescendant
from reconciler.core.identity import Revision
from reconciler.source.clone import Clone
from reconciler.source.lock import hold
from reconciler.source.mending import MendingObjects
from reconciler.source.power import Bounds, Identity, Power
from reconciler.source.remote import Remote
from reconciler.source.snapshot import Snapshot
from reconciler.source.trust import accept, refusal


class Source:
    """`clone` is a directory that we make, and remake when it is broken; `lock` is a file in the runtime directory.

    Git runs as `identity`, who must be able to read the remote and to pass through to the clone.
    """

    def __init__(
        self, remote: Remote, clone: str, lock: str, identity: Identity | None = None, bounds: Bounds | None = None
    ) -> None:
        self.remote = remote
        self._clone = clone
        self._lock = lock
        self._power = Power(identity, bounds or Bounds())
        self._refused: tuple[Revision, Revision] | None = None

    def head(self) -> Revision:
        """The commit that the remote's ref names now. Raises SourceUnreachable or Overdue."""
        return self.remote.head(self._power)

    @contextmanager
    def open(self, revision: Revision, floor: Revision | None) -> Iterator[Snapshot]:
        """The files of `revision`, which is or descends from `floor`; they can be read until the context ends.

        Raises NotADescendant, SourceUnreachable, HostileSource or Overdue. What was refused once is refused again
        without another look: neither history nor the floor can change so that it would be accepted.
        """
        if floor and self._refused == (revision, floor):
            raise refusal(revision, floor)
        with hold(self._lock, self._power.bounds.deadline) as lock:
            clone = Clone(self._clone, replace(self._power, lock=lock))
            clone.clean()
            with MendingObjects(clone, self.remote) as objects:
                yield self._accepted(objects, revision, floor)

    def _accepted(self, objects: MendingObjects, revision: Revision, floor: Revision | None) -> Snapshot:
        try:
            accept(objects, revision, floor)
        except NotADescendant:
            self._refused = (revision, floor) if floor else None
            raise
        return Snapshot(objects, revision)
