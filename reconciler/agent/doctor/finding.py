"""What a check found: how bad it is, what was seen, and how to mend it."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """A fault keeps the device from doing its work; a warning may do so one day, or costs something now."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    level: Level
    seen: str
    mend: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def ok(name: str, seen: str, mend: str | None = None) -> Finding:
    """`mend` is what to do where that is not wanted."""
    return Finding(name, Level.OK, seen, mend)


def warning(name: str, seen: str, mend: str) -> Finding:
    return Finding(name, Level.WARNING, seen, mend)


def fault(name: str, seen: str, mend: str | None) -> Finding:
    return Finding(name, Level.FAULT, seen, mend)
