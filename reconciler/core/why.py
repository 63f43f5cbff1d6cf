"""Why a device does not change, or is not well: which rule, since when, until when, and what lifts it.

It is read off the status, so that whoever can read the one can ask the other, the agent dead or alive.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

TRIED_AGAIN = frozenset({"SourceUnreachable", "NoRoom", "InputOutput", "Overdue", "Moved", "Transient"})
"""Reasons of conditions for which the world is to blame, and not the desired state or the device."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Times are RFC 3339; `until` is None where it does not end by itself, `lift` says what ends it.

    `next_try` is when the agent tries again what the world is to blame for.
    """

    rule: str
    message: str
    since: str
    until: str | None = None
    lift: str | None = None
    next_try: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"nextTry" if name == "next_try" else name: value for name, value in asdict(self).items()}

    def __str__(self) -> str:
        until = f", until {self.until}" if self.until else ""
        lift = f"; to lift it: {self.lift}" if self.lift else ""
        again = f", next try at {self.next_try}" if self.next_try else ""
        return f"{self.rule}: {self.message} (since {self.since}{until}{again}){lift}"


def why(status: Mapping[str, Any]) -> tuple[Reason, ...]:
    """Holds first, then what went wrong, then what is not fresh or as desired; nothing is said twice."""
    reasons: list[Reason] = []
    for reason in (*_holds(status), *_conditions(status)):
        if not any(_tells(other, reason) for other in reasons):
            reasons.append(reason)
    return tuple(reasons)


def _tells(one: Reason, other: Reason) -> bool:
    """Whether it says all that the other does: of what failed, quarantine tells more than the pass in which it did."""
    cause = one.message.partition(": ")[2] if one.rule == "quarantine" else ""
    return one.message == other.message or (bool(cause) and other.message.endswith(cause))


def _holds(status: Mapping[str, Any]) -> Iterator[Reason]:
    for hold in status["holds"]:
        yield Reason(hold["kind"], hold["reason"], hold["since"], hold["until"], hold["lift"])


def _conditions(status: Mapping[str, Any]) -> Iterator[Reason]:
    for condition in status["conditions"]:
        is_amiss = condition["type"] in ("Synced", "Healthy", "Fresh", "DriftFree") and condition["status"] == "False"
        if is_amiss and condition["reason"] != "Held":
            again = status.get("nextSync") if condition["reason"] in TRIED_AGAIN else None
            yield Reason(condition["reason"], condition["message"], condition["since"], None, condition["hint"], again)
