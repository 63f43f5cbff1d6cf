"""When changes are let through, as an operator writes it: a zone is always said, for a device may stand anywhere."""

from datetime import time, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from reconciler.core.quantity import format_duration
from reconciler.core.window import LONGEST, WHOLE_DAY, Window, Windows
from reconciler.language.model import Strict
from reconciler.language.quantity import DateSpan, Duration, TimeOfDay, Weekday, ZoneName


def _open_for(span: timedelta) -> timedelta:
    if not timedelta(0) < span <= LONGEST:
        raise ValueError(f"a window is open for more than 0s and {format_duration(LONGEST)} at most")
    return span


class WindowSpec(Strict):
    """It opens at `start` on each of these days and dates; without `start` it is whole days."""

    timezone: ZoneName = Field(description="Of the days and the time, as in Europe/Berlin.")
    days: list[Weekday] = Field(default=[], description="All, if left out.")
    start: TimeOfDay | None = Field(default=None, description="When it opens, as in 02:00.")
    duration: Annotated[Duration, AfterValidator(_open_for)] | None = Field(
        default=None, description="How long it is open then."
    )
    dates: list[DateSpan] = Field(default=[], description="First and last day, as in 2026-12-20/2027-01-02.")


def _fits(window: WindowSpec) -> WindowSpec:
    if (window.start is None) != (window.duration is None):
        lacking = "start" if window.start is None else "duration"
        raise ValueError(f"`start` and `duration` come together: `{lacking}` is missing")
    if window.start is None and not (window.days or window.dates):
        raise ValueError("a window needs `start` and `duration`, or `days` or `dates`: this one is always open")
    return window


Listed = list[Annotated[WindowSpec, AfterValidator(_fits)]]


class WindowsSpec(Strict):
    """When the device may be changed; at any time where nothing is said."""

    apply: Listed = Field(default=[], max_length=100, description="Changes wait until one of these is open.")
    deny: Listed = Field(default=[], max_length=100, description="No changes while one of these is open.")


def to_windows(spec: WindowsSpec) -> Windows:
    return Windows(tuple(map(_to_window, spec.apply)), tuple(map(_to_window, spec.deny)))


def _to_window(spec: WindowSpec) -> Window:
    days = tuple(str(day) for day in spec.days)
    dates = tuple((span.first, span.last) for span in spec.dates)
    return Window(spec.timezone, days, spec.start or time(0), spec.duration or WHOLE_DAY, dates)
