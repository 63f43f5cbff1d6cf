"""When a plan may be carried out.

Every reason to wait is a hold, and a hold says since when, until when, and what lifts it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class HoldKind(StrEnum):
    SUSPENDED = "suspended"
    ROLLBACK = "rollback"
    OBSERVE = "observe"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class Hold:
    """`lift` is what a person does about it. All times are in UTC."""

    kind: HoldKind
    reason: str
    since: datetime
    lift: str
    until: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": str(self.kind),
            "reason": self.reason,
            "since": rfc3339(self.since),
            "until": rfc3339(self.until) if self.until else None,
            "lift": self.lift,
        }


@dataclass(frozen=True, slots=True)
class Due:
    """Nothing stands against it."""


@dataclass(frozen=True, slots=True)
class Later:
    """`until` is when to look again; None where only a person or a commit can lift a hold."""

    holds: tuple[Hold, ...]
    until: datetime | None


def in_force(holds: Iterable[Hold], now: datetime) -> tuple[Hold, ...]:
    """A hold ends by itself when its time comes."""
    return tuple(hold for hold in holds if hold.until is None or hold.until > now)


def pace(holds: Iterable[Hold], now: datetime) -> Due | Later:
    held = in_force(holds, now)
    if not held:
        return Due()
    ends = [hold.until for hold in held if hold.until is not None]
    return Later(held, max(ends) if len(ends) == len(held) else None)


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second. `moment` must know its zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone has no RFC 3339 form")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
