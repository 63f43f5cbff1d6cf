"""When a plan may be carried out.

Every reason to wait is a hold, and a hold says since when, until when, and what lifts it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class HoldKind(StrEnum):
    SUSPENDED = "suspended"
    ROLLBACK = "rollback"
    APP = "app"
    OBSERVE = "observe"
    WINDOW = "window"
    CLOCK = "clock"
    QUARANTINE = "quarantine"
    FLAPPING = "flapping"


@dataclass(frozen=True, slots=True)
class Hold:
    """`lift` is what a person does about it; `subject` is the app that it is about, if not the whole device.

    All times are in UTC.
    """

    kind: HoldKind
    reason: str
    since: datetime
    lift: str
    until: datetime | None = None
    subject: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": str(self.kind),
            "reason": self.reason,
            "since": rfc3339(self.since),
            "until": rfc3339(self.until) if self.until else None,
            "lift": self.lift,
            **({"app": self.subject} if self.subject else {}),
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


FLAPS, FLAP_WINDOW = 5, timedelta(minutes=10)
"""What is put back this often within so long is fought over."""

FIRST_CALM, LONGEST_CALM = timedelta(minutes=1), timedelta(hours=1)


def calm(repairs: Sequence[datetime]) -> timedelta:
    """How long something is left alone after these repairs, the last of them in a row.

    The longer the more there were: somebody else wants it otherwise, and a disk wears out.
    """
    excess = len(repairs) - FLAPS
    return min(FIRST_CALM * 2 ** min(excess, 10), LONGEST_CALM) if excess >= 0 else timedelta(0)


def in_a_row(repairs: Sequence[datetime], now: datetime) -> tuple[datetime, ...]:
    """Those that still count now: after twice the calm that they earned it starts anew."""
    if not calm(repairs):
        return tuple(at for at in repairs if now - at <= FLAP_WINDOW)
    return tuple(repairs) if now - repairs[-1] <= max(FLAP_WINDOW, 2 * calm(repairs)) else ()


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second. `moment` must know its zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone has no RFC 3339 form")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
