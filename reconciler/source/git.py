"""A followed repo, in three sentences: what is its head, may I go there, what is in it.

A look at the head takes one git process and no lock. Opening a revision fetches only what the clone lacks. Mirrors are
asked in their order, and none is believed: ids prove what is read, and the floor proves that it is not old.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from reconciler.core.errors import NotADescendant, Rejected, SourceUnreachable, Transient
from reconciler.core.identity import Revision
from reconciler.source.clone import Clone
from reconciler.source.credentials import Credentials
from reconciler.source.lock import hold
from reconciler.source.mending import MendingObjects
from reconciler.source.power import Bounds, Identity, Power
from reconciler.source.remote import Remote
from reconciler.source.snapshot import Snapshot
from reconciler.source.trust import accept, refusal


class Behind(SourceUnreachable):
    """A mirror has not yet got what was accepted here: it is stale, and nobody did wrong."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A remote whose word was of no use, and why."""

    remote: Remote
    failure: Transient | Rejected


class Source:
    """`clone` is a directory that we make, and remake when it is broken; `lock` is a file in the runtime directory.

    Git runs as `identity`, who must be able to read the remote and the files of `credentials`, and to pass through to
    the clone. A `mirror` stands in where the remote, or a mirror before it, does not answer or is of no use.
    """

    def __init__(
        self,
        remote: Remote,
        clone: str,
        lock: str,
        identity: Identity | None = None,
        bounds: Bounds | None = None,
        *,
        mirrors: Sequence[Remote] = (),
        credentials: Credentials | None = None,
    ) -> None:
        self.remotes = (remote, *mirrors)
        self.answered: Remote | None = None
        self.passed_over: tuple[PassedOver, ...] = ()
        self._clone = clone
        self._lock = lock
        self._power = Power(identity, bounds or Bounds(), credentials=credentials or Credentials())
        self._refused: tuple[Revision, Revision] | None = None

    def head(self, floor: Revision | None = None) -> Revision:
        """The commit that the ref names now, at the first remote whose word is of use.

        With mirrors and a `floor`, that is one that leads on from it. `answered` then says who that was, `passed_over`
        who was not. All looks together have the time of one. Where nobody is of use, the failure is that of the first
        remote, and the hint tells of the others: SourceUnreachable, Overdue, HostileSource or NotADescendant.
        """
        self.answered, self.passed_over = None, ()
        for remote in self.remotes:
            try:
                revision = remote.head(self._power.hurried(len(self.remotes)))
                self._examine(remote, revision, floor)
            except (Transient, Rejected) as failure:
                self.passed_over += (PassedOver(remote, failure),)
            else:
                self.answered = remote
                return revision
        raise _nobody(self.passed_over)

    @contextmanager
    def open(self, revision: Revision, floor: Revision | None) -> Iterator[Snapshot]:
        """The files of `revision`, which is or descends from `floor`; they can be read until the context ends.

        Raises NotADescendant, SourceUnreachable, HostileSource or Overdue. What was refused once is refused again
        without another look: neither history nor the floor can change so that it would be accepted.
        """
        if floor and self._refused == (revision, floor):
            raise refusal(revision, floor)
        with self._objects(sorted(self.remotes, key=lambda remote: remote != self.answered)) as objects:
            yield self._accepted(objects, revision, floor)

    @contextmanager
    def _objects(self, remotes: Sequence[Remote]) -> Iterator[MendingObjects]:
        with hold(self._lock, self._power.bounds.deadline) as lock:
            clone = Clone(self._clone, replace(self._power, lock=lock))
            clone.clean()
            with MendingObjects(clone, remotes) as objects:
                yield objects

    def _examine(self, remote: Remote, revision: Revision, floor: Revision | None) -> None:
        """With nobody else to ask this is left to `open`; at rest the head is the floor, and nothing is read."""
        if len(self.remotes) == 1 or floor in (None, revision):
            return
        assert floor
        with self._objects([remote]) as objects:
            try:
                accept(objects, revision, floor)
            except NotADescendant:
                if remote != self.remotes[0] and _descends(objects, floor, revision):
                    raise _behind(remote, revision, floor) from None
                raise

    def _accepted(self, objects: MendingObjects, revision: Revision, floor: Revision | None) -> Snapshot:
        try:
            accept(objects, revision, floor)
        except NotADescendant:
            self._refused = (revision, floor) if floor else None
            raise
        return Snapshot(objects, revision)


def _descends(objects: MendingObjects, revision: Revision, floor: Revision) -> bool:
    try:
        accept(objects, revision, floor)
    except (Transient, Rejected):
        return False
    return True


def _behind(mirror: Remote, revision: Revision, floor: Revision) -> Behind:
    return Behind(
        f"cannot use the mirror {mirror.url}: its head {revision.short} is older than {floor.short}, accepted here",
        hint="nothing to do here: it is used again once it has caught up",
    )


def _nobody(passed_over: Sequence[PassedOver]) -> Transient | Rejected:
    """The first remote is the one that operators push to, so its word says who must act."""
    first, *others = (passed.failure for passed in passed_over)
    if others:
        first.hint = "; ".join(filter(None, (first.hint, *map(str, others))))
    return first
