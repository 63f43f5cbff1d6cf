"""How long an agent may sleep: never past the next look at the repo, which comes sooner after a failure.

Spans are in seconds of a clock that nobody sets, so a wall clock that jumps neither wakes nor stills it.
"""

import random
import time
from dataclasses import dataclass
from datetime import timedelta

JITTER = 0.1
"""Of a wait: a fleet does not knock all at once."""

FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=1), timedelta(minutes=10)


@dataclass(slots=True)
class Rhythm:
    """`looked` is when the whole device was looked at last, `polled` when the repo was asked, `pause` until again."""

    interval: timedelta
    failures: int = 0
    looked: float | None = None
    polled: float = 0.0
    pause: float = 0.0

    def has_looked(self, *, failed: bool) -> None:
        self.looked = time.monotonic()
        self.failures = self.failures + 1 if failed else 0

    def has_polled(self) -> None:
        self.polled, self.pause = time.monotonic(), self._pause()

    def poll_in(self) -> float:
        return self.polled + self.pause - time.monotonic()

    def next_look(self, full: timedelta) -> timedelta:
        """The longest until the device is looked at again, where nothing is known to happen."""
        return timedelta(seconds=max(self.poll_in(), 0.0)) if self.failures else full

    def is_stale(self, full: timedelta) -> bool:
        """Whether everything is to be looked at, although nothing is known to have happened."""
        return bool(self.failures) or self.looked is None or time.monotonic() - self.looked >= full.total_seconds()

    def _pause(self) -> float:
        wait = self.interval
        if self.failures:
            wait = min(wait, LONGEST_RETRY, FIRST_RETRY * 2 ** min(self.failures - 1, 16))
        return max(wait, FIRST_RETRY).total_seconds() * random.uniform(1, 1 + JITTER)  # noqa: S311  # nobody's secret
