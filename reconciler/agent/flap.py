"""What is put back again and again is left alone for a while, longer each time, and that is said.

An agent does not fight for ever with whoever else wants a file otherwise. Kept in memory: a new process starts with a
clean slate, and so does an operator's `sync`.
"""

from collections.abc import Iterable
from datetime import datetime

from reconciler.core.identity import ResourceId
from reconciler.core.pace import Hold, HoldKind, calm, in_a_row

_LIFT = "find out who else changes it; `reconciler sync` puts it back at once"


class Flaps:
    def __init__(self) -> None:
        self._repairs: dict[ResourceId, tuple[datetime, ...]] = {}

    def note(self, repaired: Iterable[ResourceId], now: datetime) -> None:
        """These were put back just now."""
        for id in repaired:
            self._repairs[id] = (*in_a_row(self._repairs.get(id, ()), now), now)

    def holds(self, now: datetime) -> dict[ResourceId, Hold]:
        """What is left alone, and until when. A clock that went back ends it."""
        found = {}
        for id, repairs in self._repairs.items():
            since, until = repairs[-1], repairs[-1] + calm(repairs)
            if since <= now < until:
                reason = f"{id} was put back {len(repairs)} times in a row, and is left alone"
                found[id] = Hold(HoldKind.FLAPPING, reason, since, _LIFT, until)
        return found

    def forget(self) -> None:
        self._repairs.clear()
