"""An effect that does not end is cut off: the step failed, and the plan can be taken back in the same process.

SIGALRM interrupts what blocks in a system call (a pipe that nobody writes to, a server that hangs); a disk that hangs
in the kernel is the watchdog's. Only the main thread gets signals, so effects happen there.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

from reconciler.core.errors import Overdue


@contextmanager
def deadline(limit: timedelta, what: str) -> Iterator[None]:
    """Raises Overdue in the middle of what is within."""

    def cut_off(_signal: int, _frame: FrameType | None) -> None:
        raise Overdue(f"cannot finish {what} within {limit.total_seconds():g} s")

    before = signal.signal(signal.SIGALRM, cut_off)
    signal.setitimer(signal.ITIMER_REAL, limit.total_seconds())
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
