"""How a length of time is written: one number and one unit, `30s`, `10m`, `24h`, `7d`; and what a size is."""

import re
from datetime import timedelta
from typing import NewType

Size = NewType("Size", int)
"""Bytes."""

DURATION = r"[0-9]{1,9}[smhd]"

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def parse_duration(text: str) -> timedelta:
    """Raises ValueError."""
    if not re.fullmatch(DURATION, text):
        raise ValueError(f"expected a duration as in 30s, 10m, 24h or 7d, got {text!r}")
    return timedelta(seconds=int(text[:-1]) * _SECONDS[text[-1]])


def format_duration(value: timedelta) -> str:
    """In the largest unit that leaves no rest."""
    seconds = value // timedelta(seconds=1)
    unit = next(unit for unit, length in _SECONDS.items() if seconds % length == 0 and (seconds or unit == "s"))
    return f"{seconds // _SECONDS[unit]}{unit}"


def say_size(value: float) -> str:
    """For people, rounded: `1.5 GB`."""
    power = min(4, max(0, (len(str(int(value))) - 1) // 3))
    return f"{value / 1000**power:.1f}".removesuffix(".0") + f" {('B', 'KB', 'MB', 'GB', 'TB')[power]}"
