"""How durations, sizes, modes, days, times and dates are written: each is read in one way, and written back in it.

Whoever declares a section names the type; the text that stands for it is known only here.
"""

import re
from datetime import date, time, timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, NamedTuple, NewType
from zoneinfo import available_timezones

from pydantic import BeforeValidator, PlainSerializer, SkipValidation, WithJsonSchema

from reconciler.core.quantity import DURATION, Size, format_duration, parse_duration
from reconciler.core.state import Mode
from reconciler.language.nearest import did_you_mean
from reconciler.language.say import say, shown

TimeZone = NewType("TimeZone", str)
"""A name of the IANA database."""

SIZE = r"[0-9]{1,12}(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)"
MODE = r"[0-7]{3,4}"
TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
DATES = r"[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{4}-[0-9]{2}-[0-9]{2}"

_BYTES = {
    **{f"{letter}iB": 1 << (10 * power) for power, letter in ((4, "T"), (3, "G"), (2, "M"), (1, "K"))},
    **{f"{letter}B": 1000**power for power, letter in ((4, "T"), (3, "G"), (2, "M"), (1, "K"))},
    "B": 1,
}


class Day(StrEnum):
    SUN = "sun"
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"


class Dates(NamedTuple):
    """Whole days, both included."""

    first: date
    last: date


def parse_size(text: str) -> Size:
    if not re.fullmatch(SIZE, text):
        raise ValueError(f"expected a size as in 10KB, 500MB or 2GiB, got {shown(text)}")
    digits = text.rstrip("KMGTiB")
    return Size(int(digits) * _BYTES[text[len(digits) :]])


def format_size(value: Size) -> str:
    """In the unit that makes the shortest number; SI where both are as short."""
    fitting = [f"{value // size}{unit}" for unit, size in _BYTES.items() if value % size == 0 and (value or size == 1)]
    return min(fitting, key=lambda text: (len(text.rstrip("KMGTiB")), "i" in text))


def parse_mode(text: str) -> Mode:
    if not re.fullmatch(MODE, text):
        raise ValueError(f'expected a mode in octal as in "0644", got {shown(text)}')
    return Mode(int(text, 8))


def format_mode(value: Mode) -> str:
    return f"{value:04o}"


def parse_day(text: str) -> Day:
    if text not in set(Day):
        raise ValueError(f"expected one of {', '.join(Day)}, got {shown(text)}")
    return Day(text)


def parse_time(text: str) -> time:
    if not re.fullmatch(TIME, text):
        raise ValueError(f'expected a time as in "02:30", got {shown(text)}')
    return time(int(text[:2]), int(text[3:]))


def format_time(value: time) -> str:
    return f"{value.hour:02}:{value.minute:02}"


def parse_zone(text: str) -> TimeZone:
    zones = _zones()
    if text not in zones:
        hint = did_you_mean(text, zones)
        raise ValueError(f"{shown(text)} is no time zone" + (f": {hint}" if hint else ""))
    return TimeZone(text)


def parse_dates(text: str) -> Dates:
    if not re.fullmatch(DATES, text):
        raise ValueError(f"expected dates as in 2026-12-20/2027-01-02, got {shown(text)}")
    try:
        dates = Dates(*(date.fromisoformat(half) for half in text.split("/")))
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from error
    if dates.last < dates.first:
        raise ValueError(f"{text} ends before it begins")
    return dates


def format_dates(value: Dates) -> str:
    return f"{value.first.isoformat()}/{value.last.isoformat()}"


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _reads(parse: Any, noun: str, example: str) -> BeforeValidator:
    def read(value: object) -> Any:
        if isinstance(value, str):
            return parse(value)
        raise ValueError(f'expected {noun} in quotes as in "{example}", got {say(value)}')

    return BeforeValidator(read)


def _text(about: str, **schema: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": about, **schema})


OctalMode = Annotated[
    Mode, SkipValidation, _reads(parse_mode, "an octal mode", "0644"), _text("A mode in octal.", pattern=f"^{MODE}$")
]
Duration = Annotated[
    timedelta,
    SkipValidation,
    _reads(parse_duration, "a duration", "10m"),
    _text("A duration.", pattern=f"^{DURATION}$"),
    PlainSerializer(format_duration, return_type=str),
]
ByteSize = Annotated[
    Size, SkipValidation, _reads(parse_size, "a size", "500MB"), _text("A size in bytes.", pattern=f"^{SIZE}$")
]
Weekday = Annotated[Day, SkipValidation, _reads(parse_day, "a day", "sun"), _text("A day of the week.", enum=list(Day))]
TimeOfDay = Annotated[
    time, SkipValidation, _reads(parse_time, "a time", "02:30"), _text("A time of day.", pattern=f"^{TIME}$")
]
ZoneName = Annotated[
    TimeZone,
    SkipValidation,
    _reads(parse_zone, "a time zone", "Europe/Berlin"),
    _text("A time zone of the IANA database."),
]
DateSpan = Annotated[
    Dates,
    SkipValidation,
    _reads(parse_dates, "dates", "2026-12-20/2027-01-02"),
    _text("Whole days.", pattern=f"^{DATES}$"),
]

TYPES: dict[Any, Any] = {
    Mode: OctalMode,
    timedelta: Duration,
    Size: ByteSize,
    Day: Weekday,
    time: TimeOfDay,
    TimeZone: ZoneName,
    Dates: DateSpan,
}
"""What a section may name as a type, and how the language reads it."""
