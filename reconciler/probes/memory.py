"""Memory is well while enough of it is available: what the kernel would give back at once counts as free."""

from dataclasses import dataclass

from reconciler.core.kind import Mistake
from reconciler.core.probe import Asked, Figure, Probe, Verdict, check_bounds
from reconciler.core.quantity import say_size


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """How much of all memory may be in use, in per cent."""

    warn_percent: float | None = None
    critical_percent: float | None = None


def check(entry: MemoryEntry) -> None:
    if entry.warn_percent is None and entry.critical_percent is None:
        raise Mistake("a memory check needs a bound", hint="such as criticalPercent: 95")
    for key, percent in (("warnPercent", entry.warn_percent), ("criticalPercent", entry.critical_percent)):
        if percent is not None and not 0 <= percent <= 100:
            raise Mistake("a per cent lies between 0 and 100", key)
    check_bounds(entry.warn_percent, entry.critical_percent, "warnPercent")


def ask(entry: MemoryEntry, asked: Asked) -> Verdict:
    room = asked.view.vitals.memory()
    used = 100 * (room.total - room.free) / room.total
    said = f"{used:.1f} % of {say_size(room.total)} of memory are in use"
    return Figure(said, used, "{:g} %".format, entry.warn_percent, entry.critical_percent).judge()


PROBE = Probe(name="memory", entry=MemoryEntry, ask=ask, check=check)
