"""What is compared runs in turn, A B C A B C …, so that a ratio holds where the machine is noisy; seconds alone do not.

A table says the load of the machine beside its figures: what else ran makes all of them longer.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping

Deed = Callable[[], float]
"""Does it once, and says how many seconds that took."""


def seconds(deed: Callable[[], object]) -> float:
    begun = time.perf_counter()
    deed()
    return time.perf_counter() - begun


def timed(deed: Callable[[], object]) -> Deed:
    return lambda: seconds(deed)


def in_turn(deeds: Mapping[str, Deed], runs: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in deeds}
    for _ in range(runs):
        for name, deed in deeds.items():
            found[name].append(deed())
    return found


def show(title: str, found: Mapping[str, list[float]]) -> None:
    """Medians, and how many times the first one each of them is."""
    first = statistics.median(next(iter(found.values())))
    print(f"\n{title}; median of {len(next(iter(found.values())))}, load {os.getloadavg()[0]:.1f}")
    for name, taken in found.items():
        median = statistics.median(taken)
        spread = f"{_span(min(taken))} to {_span(max(taken))}"
        print(f"  {name:34} {_span(median):>9}   {spread:24} {median / first:8.2f} ×", flush=True)


def compared(title: str, deeds: Mapping[str, Deed], runs: int) -> None:
    show(title, in_turn(deeds, runs))


def _span(span: float) -> str:
    return f"{span * 1000:.1f} ms" if span < 1 else f"{span:.2f} s"
