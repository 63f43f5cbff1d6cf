"""An object is what its id says, wherever it comes from: so a clone may be fetched into, or made anew, under a reader.

What the clone lacks is fetched, from one remote after the other; what is still missing or forged then means that the
clone is broken, and it is renewed, once. What a fresh clone lacks, the source lacks.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from reconciler.core.errors import HostileSource, Overdue, SourceUnreachable
from reconciler.core.identity import Revision
from reconciler.source.clone import Clone
from reconciler.source.objects import Forged, MissingObject, ObjectType
from reconciler.source.remote import Away, Remote
from reconciler.source.stream import ObjectStream

Answer = TypeVar("Answer")


class MendingObjects:
    """The objects of a clone, which is mended where it lacks one."""

    def __init__(self, clone: Clone, remotes: Sequence[Remote]) -> None:
        self._clone = clone
        self._stream = ObjectStream(clone.path, clone.power)
        self._untried = deque(remotes)
        self._suspects: deque[Remote] = deque()
        self._is_fresh = False
        self._failure: SourceUnreachable | HostileSource | Overdue | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def get(self, id: str, type: ObjectType, limit: int) -> bytes:
        return self._mended(lambda: self._stream.get(id, type, limit))

    def between(self, floor: Revision, revision: Revision, most: int) -> frozenset[str]:
        return self._mended(lambda: self._stream.between(floor, revision, most))

    def _mended(self, ask: Callable[[], Answer]) -> Answer:
        while True:
            try:
                return ask()
            except (MissingObject, Forged):
                self._stream.close()
                if not self._mend():
                    if self._failure:
                        raise self._failure from None
                    raise

    def _mend(self) -> bool:
        """Whether there is reason to look again. Of those that fail, the first has the word."""
        while self._untried or self._suspects:
            try:
                self._try_next()
            except (SourceUnreachable, HostileSource, Overdue) as failure:
                self._failure = self._failure or failure
            else:
                return True
        return False

    def _try_next(self) -> None:
        if self._untried:
            self._fetch(self._untried.popleft())
        else:
            self._renew(self._suspects.popleft())

    def _fetch(self, remote: Remote) -> None:
        """Where a fetch may have failed, or brought nothing, because of the clone, a fresh one is tried later."""
        try:
            self._clone.fetch(remote)
        except SourceUnreachable as failure:
            if isinstance(failure, Away):
                raise
        self._suspects.append(remote)

    def _renew(self, remote: Remote) -> None:
        if self._is_fresh:
            self._clone.fetch(remote)
        else:
            self._clone.renew(remote)
            self._is_fresh = True
