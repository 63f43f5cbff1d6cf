"""When changes are let through: over midnight, over both days on which the clocks change, and far ahead."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.window import Shut, Window, Windows, is_plausible, shut

BERLIN = "Europe/Berlin"
ZONES = {name: ZoneInfo(name) for name in (BERLIN, "UTC", "America/New_York", "Pacific/Apia", "Asia/Kathmandu")}


def window(days: str = "", start: str = "00:00", hours: float = 24, dates: str = "", zone: str = BERLIN) -> Window:
    spans = tuple(tuple(date.fromisoformat(half) for half in span.split("/")) for span in dates.split())
    return Window(zone, tuple(days.split()), time.fromisoformat(start), timedelta(hours=hours), spans)  # type: ignore[arg-type]


def at(text: str, zone: str = BERLIN, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONES[zone], fold=fold).astimezone(UTC)


SUNDAYS = Windows(apply=(window("sun", "02:00", 2),))
NIGHTS = Windows(apply=(window("", "22:00", 8),))
HOLIDAYS = Windows(deny=(window(dates="2026-12-20/2027-01-02"),))
BOTH = Windows(SUNDAYS.apply, HOLIDAYS.deny)


@pytest.mark.parametrize(
    ("situation", "windows", "now", "until"),
    [
        ("before it opens", SUNDAYS, "2026-11-22T01:59", "2026-11-22T02:00"),
        ("as it opens", SUNDAYS, "2026-11-22T02:00", None),
        ("just before it closes", SUNDAYS, "2026-11-22T03:59", None),
        ("as it closes", SUNDAYS, "2026-11-22T04:00", "2026-11-29T02:00"),
        ("in the middle of the week", SUNDAYS, "2026-11-25T12:00", "2026-11-29T02:00"),
        ("before midnight, in a window over it", NIGHTS, "2026-11-25T23:00", None),
        ("after midnight, in a window over it", NIGHTS, "2026-11-26T05:59", None),
        ("at day", NIGHTS, "2026-11-26T06:00", "2026-11-26T22:00"),
        ("before the holidays", HOLIDAYS, "2026-12-19T23:59", None),
        ("in the holidays", HOLIDAYS, "2026-12-20T00:00", "2027-01-03T00:00"),
        ("on their last day", HOLIDAYS, "2027-01-02T23:59", "2027-01-03T00:00"),
        ("after them", HOLIDAYS, "2027-01-03T00:00", None),
        ("a window that opens in the holidays does not", BOTH, "2026-12-21T12:00", "2027-01-03T02:00"),
        ("the last window before the holidays is shut by them", BOTH, "2026-12-20T02:30", "2027-01-03T02:00"),
    ],
)
def test_when_it_is_shut_and_until_when(situation: str, windows: Windows, now: str, until: str | None) -> None:
    found = shut(windows, ZONES, at(now))
    assert (found.until if found else None) == (at(until) if until else None)
    assert (found is None) == (until is None)


def test_the_day_that_lacks_an_hour() -> None:
    """Berlin, 29 March 2026: 02:00 becomes 03:00, so half past two does not come."""
    windows = Windows(apply=(window("", "02:30", 1),))
    assert shut(windows, ZONES, at("2026-03-29T01:59")) == Shut(
        "changes wait for their window", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    )
    assert shut(windows, ZONES, datetime(2026, 3, 29, 1, 30, tzinfo=UTC)) is None  # 03:30 on the wall
    assert shut(windows, ZONES, datetime(2026, 3, 29, 2, 29, tzinfo=UTC)) is None
    assert shut(windows, ZONES, datetime(2026, 3, 29, 2, 30, tzinfo=UTC)) is not None


def test_the_day_that_has_an_hour_twice() -> None:
    """Berlin, 25 October 2026: 03:00 becomes 02:00, so half past two comes twice; the window opens once."""
    windows = Windows(apply=(window("", "02:30", 1),))
    assert shut(windows, ZONES, at("2026-10-25T02:29")) is not None
    assert shut(windows, ZONES, at("2026-10-25T02:30")) is None
    assert shut(windows, ZONES, at("2026-10-25T02:15", fold=1)) is None  # an hour of real time is not over
    assert shut(windows, ZONES, at("2026-10-25T02:30", fold=1)) is not None


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_whole_day_is_as_long_as_it_is(day: str, hours: int) -> None:
    windows = Windows(deny=(window(dates=f"{day}/{day}"),))
    found = shut(windows, ZONES, at(f"{day}T00:00"))
    assert found is not None
    assert found.until == at(f"{day}T00:00") + timedelta(hours=hours)


def test_what_never_opens_has_no_end() -> None:
    never = Windows(apply=(window(dates="2020-01-01/2020-01-02"),))
    found = shut(never, ZONES, at("2026-11-21T12:00"))
    assert found == Shut("changes wait for their window", None)


def test_a_date_that_a_zone_skipped_is_no_error() -> None:
    """Apia had no 30 December 2011."""
    windows = Windows(apply=(window(dates="2011-12-30/2011-12-30", zone="Pacific/Apia"),))
    assert shut(windows, ZONES, datetime(2011, 12, 29, tzinfo=UTC)) is not None


moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
some = st.builds(
    window,
    st.sampled_from(["", "sun", "mon thu"]),
    st.sampled_from(["00:00", "02:30", "23:00"]),
    st.sampled_from([0.5, 2, 24, 30, 168]),
    st.sampled_from(["", "2026-12-20/2027-01-02"]),
    st.sampled_from(sorted(ZONES)),
)


@settings(deadline=None)
@given(st.lists(some, max_size=3), st.lists(some, max_size=2), moments)
def test_it_opens_when_it_says_and_not_before(apply: list[Window], deny: list[Window], now: datetime) -> None:
    windows = Windows(tuple(apply), tuple(deny))
    found = shut(windows, ZONES, now)
    if found is None or found.until is None:
        return
    assert found.until > now
    assert shut(windows, ZONES, found.until) is None
    just_before = found.until - timedelta(seconds=1)
    assert just_before <= now or shut(windows, ZONES, just_before) is not None
    assert Windows.from_json(windows.to_json()) == windows


@pytest.mark.parametrize(
    ("situation", "now", "before", "plausible"),
    [
        ("it never was otherwise", "2026-11-21", None, True),
        ("a board without a battery", "1970-01-01", None, False),
        ("a board without a battery that knew better", "1970-01-01", "2026-11-21", False),
        ("a little behind", "2026-11-21", "2026-11-21T20:00", True),
        ("a year behind", "2026-11-21", "2027-11-21", False),
    ],
)
def test_a_clock_that_cannot_be_right(situation: str, now: str, before: str | None, plausible: bool) -> None:
    assert is_plausible(at(now), at(before) if before else None) is plausible
