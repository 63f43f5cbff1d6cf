"""Quantities are read in one way and written back in it."""

from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.quantity import format_duration, parse_duration
from reconciler.core.state import Mode
from reconciler.language import quantity as q

PAIRS: dict[str, tuple[Callable[[str], Any], Callable[[Any], str], st.SearchStrategy[Any]]] = {
    "duration": (parse_duration, format_duration, st.integers(0, 10**9 - 1).map(lambda s: timedelta(seconds=s))),
    "size": (q.parse_size, q.format_size, st.integers(0, 10**12 - 1).map(q.Size)),
    "mode": (q.parse_mode, q.format_mode, st.integers(0, 0o7777).map(Mode)),
    "time": (q.parse_time, q.format_time, st.builds(time, st.integers(0, 23), st.integers(0, 59))),
    "dates": (
        q.parse_dates,
        q.format_dates,
        st.lists(st.dates(date(1000, 1, 1)), min_size=2, max_size=2).map(lambda days: q.Dates(*sorted(days))),
    ),
}


@pytest.mark.parametrize("sort", PAIRS)
@given(drawn=st.data())
def test_what_is_written_reads_back(sort: str, drawn: st.DataObject) -> None:
    parse, form, values = PAIRS[sort]
    value = drawn.draw(values)
    assert parse(form(value)) == value


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_duration, "30s", timedelta(seconds=30)),
        (parse_duration, "7d", timedelta(days=7)),
        (q.parse_size, "10KB", 10_000),
        (q.parse_size, "2GiB", 2 << 30),
        (q.parse_size, "500MB", 500_000_000),
        (q.parse_mode, "0644", 0o644),
        (q.parse_mode, "4755", 0o4755),
        (q.parse_day, "sun", q.Day.SUN),
        (q.parse_time, "02:30", time(2, 30)),
        (q.parse_zone, "Europe/Berlin", "Europe/Berlin"),
        (q.parse_dates, "2026-12-20/2027-01-02", q.Dates(date(2026, 12, 20), date(2027, 1, 2))),
    ],
)
def test_it_is_read(parse: Callable[[str], Any], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_duration, "10"), (parse_duration, "1.5h"), (parse_duration, "-1s"), (parse_duration, "1 h"),
        (parse_duration, "9999999999d"), (parse_duration, "10m\n"), (q.parse_size, "10kb"), (q.parse_size, "10"),
        (q.parse_mode, "644 "), (q.parse_mode, "0o644"), (q.parse_mode, "99"), (q.parse_mode, "77777"),
        (q.parse_day, "Sunday"), (q.parse_time, "24:00"), (q.parse_time, "2:30"), (q.parse_zone, "Europe/Berln"),
        (q.parse_zone, "../etc/passwd"),
        (q.parse_dates, "2026-02-30/2026-03-01"), (q.parse_dates, "2027-01-01/2026-01-01"),
        (q.parse_mode, "٠٦٤٤"),
    ],
)  # fmt: skip
def test_it_is_refused(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|longer|ends|no time zone|day is out of range"):
        parse(text)
