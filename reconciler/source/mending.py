"""An object is what its id says, wherever it comes from: so a clone may be fetched into, or made anew, under a reader.

What the clone lacks is fetched; what is still missing or forged then means that the clone is broken, and it is
renewed, once. What a fresh clone lacks, the source lacks.
"""

from collections.abc import Callable
from typing import Self, TypeVar

from reconciler.core.errors import SourceUnreachable
from reconciler.core.identity import Revision
from reconciler.source.clone import Clone
from reconciler.source.objects import Forged, MissingObject, ObjectType
from reconciler.source.remote import Remote
from reconciler.source.stream import ObjectStream

Answer = TypeVar("Answer")


class MendingObjects:
    """The objects of a clone, which is mended where it lacks one."""

    def __init__(self, clone: Clone, remote: Remote) -> None:
        self._clone = clone
        self._remote = remote
        self._stream = ObjectStream(clone.path, clone.power)
        self._remedies = [clone.renew, self._fetch]

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
                if not self._remedies:
                    raise
            self._stream.close()
            self._remedies.pop()(self._remote)

    def _fetch(self, remote: Remote) -> None:
        try:
            self._clone.fetch(remote)
        except SourceUnreachable:
            self._remedies.clear()
            self._clone.renew(remote)
