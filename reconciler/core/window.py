"""When changes are let through: windows that open again and again, and times when they stay shut whatever opens.

A window opens at a time of day where its zone says what that is; where the clock skips that time it opens when the
skip is over, where the clock tells it twice it opens at the first. It stays open for a span of real time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WHOLE_DAY = timedelta(days=1)
LONGEST = timedelta(days=7)
PAST = datetime(2026, 1, 1, tzinfo=UTC)
"""Before this was written it cannot be: a board without a battery says 1970 until the network tells it better."""

SET_BACK = timedelta(days=1)
"""How far a clock may be behind what it said before; set back by more, it was wrong then or is now."""

FARTHEST = timedelta(days=800)
"""How far ahead a next opening is looked for."""

Zones = Mapping[str, tzinfo]


@dataclass(frozen=True, slots=True)
class Window:
    """It opens at `start` on each of `days` (all, if none) within `dates` (any, if none; both ends included)."""

    zone: str
    days: tuple[str, ...] = ()
    start: time = time(0)
    duration: timedelta = WHOLE_DAY
    dates: tuple[tuple[date, date], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "zone": self.zone,
            "days": list(self.days),
            "start": self.start.isoformat("minutes"),
            "duration": self.duration.total_seconds(),
            "dates": [[first.isoformat(), last.isoformat()] for first, last in self.dates],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Window":
        dates = tuple((date.fromisoformat(first), date.fromisoformat(last)) for first, last in data["dates"])
        duration = timedelta(seconds=data["duration"])
        return cls(data["zone"], tuple(data["days"]), time.fromisoformat(data["start"]), duration, dates)


@dataclass(frozen=True, slots=True)
class Windows:
    """Changes wait until an `apply` window is open, if there are any, and no `deny` window is."""

    apply: tuple[Window, ...] = ()
    deny: tuple[Window, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.apply or self.deny)

    @property
    def zones(self) -> frozenset[str]:
        return frozenset(window.zone for window in (*self.apply, *self.deny))

    def to_json(self) -> dict[str, Any]:
        return {"apply": [w.to_json() for w in self.apply], "deny": [w.to_json() for w in self.deny]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Windows":
        return cls(*(tuple(Window.from_json(one) for one in data[key]) for key in ("apply", "deny")))


ALWAYS = Windows()


@dataclass(frozen=True, slots=True)
class Shut:
    """Nothing is let through now; `until` is None where no opening is near enough to be told."""

    reason: str
    until: datetime | None


Span = tuple[datetime, datetime]


def is_plausible(now: datetime, before: datetime | None) -> bool:
    """Whether a clock can be right that says `now`, and said `before` some time ago."""
    return now >= PAST and (before is None or now >= before - SET_BACK)


def shut(windows: Windows, zones: Zones, now: datetime) -> Shut | None:
    """None where changes are let through at `now`."""
    denied = _open_until(windows.deny, zones, now)
    waits = windows.apply and _open_until(windows.apply, zones, now) is None
    if denied is None and not waits:
        return None
    reason = "changes are denied at this time" if denied else "changes wait for their window"
    return Shut(reason, _next_opening(windows, zones, now))


def spans(window: Window, zone: tzinfo, first: date, last: date) -> Iterator[Span]:
    """Each opening of a window on these days, in UTC."""
    day = first
    while day <= last:
        if _opens_on(window, day):
            begin = datetime.combine(day, window.start, zone).astimezone(UTC)
            yield begin, begin + _length(window, day, zone)
        day += timedelta(days=1)


def _opens_on(window: Window, day: date) -> bool:
    is_day = not window.days or DAYS[day.weekday()] in window.days
    return is_day and (not window.dates or any(first <= day <= last for first, last in window.dates))


def _length(window: Window, day: date, zone: tzinfo) -> timedelta:
    """A whole day is as long as it is: 23, 24 or 25 hours."""
    if window.duration != WHOLE_DAY or window.start != time(0):
        return window.duration
    midnights = [datetime.combine(one, time(0), zone).astimezone(UTC) for one in (day, day + timedelta(days=1))]
    return midnights[1] - midnights[0]


def _near(windows: tuple[Window, ...], zones: Zones, now: datetime) -> Iterator[Span]:
    """All openings that can hold `now`."""
    for window in windows:
        zone = zones[window.zone]
        today = now.astimezone(zone).date()
        back = today - window.duration // timedelta(days=1) * timedelta(days=1) - timedelta(days=1)
        yield from spans(window, zone, back, today)


def _open_until(windows: tuple[Window, ...], zones: Zones, now: datetime) -> datetime | None:
    """The end of the last to close of those that are open; None where none is."""
    ends = [end for begin, end in _near(windows, zones, now) if begin <= now < end]
    return max(ends, default=None)


def _next_begin(windows: tuple[Window, ...], zones: Zones, after: datetime) -> datetime | None:
    found = []
    for window in windows:
        zone = zones[window.zone]
        first = after.astimezone(zone).date()
        begins = (begin for begin, _ in spans(window, zone, first, first + FARTHEST) if begin > after)
        found.append(next(begins, None))
    return min((begin for begin in found if begin is not None), default=None)


def _next_opening(windows: Windows, zones: Zones, now: datetime) -> datetime | None:
    moment: datetime | None = now
    while moment is not None and moment - now < FARTHEST:
        if (denied := _open_until(windows.deny, zones, moment)) is not None:
            moment = denied
        elif not windows.apply or _open_until(windows.apply, zones, moment) is not None:
            return moment
        else:
            moment = _next_begin(windows.apply, zones, moment)
    return None
