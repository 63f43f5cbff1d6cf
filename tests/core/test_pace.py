"""When to wait, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.pace import (
    FLAP_WINDOW,
    FLAPS,
    LONGEST_CALM,
    Due,
    Hold,
    HoldKind,
    Later,
    calm,
    in_a_row,
    pace,
    rfc3339,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def hold(minutes: int | None) -> Hold:
    until = None if minutes is None else NOON + timedelta(minutes=minutes)
    return Hold(HoldKind.SUSPENDED, "r", NOON - timedelta(hours=1), "l", until)


@pytest.mark.parametrize(
    ("situation", "holds", "later", "until"),
    [
        ("nothing holds", [], 0, None),
        ("one that ended", [hold(-1)], 0, None),
        ("one that ends this moment", [hold(0)], 0, None),
        ("one that will end", [hold(5)], 1, 5),
        ("two that will end", [hold(5), hold(9)], 2, 9),
        ("one that will end, and one that will not", [hold(5), hold(None)], 2, None),
        ("one that ended, and one that will not", [hold(-5), hold(None)], 1, None),
    ],
)
def test_when_it_is_due(situation: str, holds: list[Hold], later: int, until: int | None) -> None:
    found = pace(holds, NOON)
    if not later:
        assert found == Due()
    else:
        assert isinstance(found, Later)
        assert len(found.holds) == later
        assert found.until == (None if until is None else NOON + timedelta(minutes=until))


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        rfc3339(datetime(2026, 1, 1))  # noqa: DTZ001  # it is the point


def test_few_repairs_are_no_flapping() -> None:
    assert calm([NOON] * (FLAPS - 1)) == timedelta(0)
    assert calm([NOON] * FLAPS) == timedelta(minutes=1)
    assert calm([NOON] * (FLAPS + 2)) == timedelta(minutes=4)


@given(st.lists(st.integers(1, 7200), max_size=60))
def test_what_flaps_is_left_alone_ever_longer_up_to_an_hour(gaps: list[int]) -> None:
    now, repairs = NOON, ()
    for gap in gaps:
        now += timedelta(seconds=gap)
        row = in_a_row(repairs, now)
        assert set(row) <= set(repairs)
        if not calm(row) or now >= row[-1] + calm(row):
            repairs = (*row, now)
        assert calm(repairs) <= LONGEST_CALM
    quiet = now + 2 * LONGEST_CALM + FLAP_WINDOW
    assert in_a_row(repairs, quiet) == ()
