"""A disk is well while it is not too full: in per cent, of which a small disk needs more, or in what is free."""

from dataclasses import dataclass

from reconciler.core.kind import Mistake
from reconciler.core.probe import Asked, Figure, Probe, Verdict, check_bounds, judge_all
from reconciler.core.quantity import Size, say_size


@dataclass(frozen=True, slots=True)
class DiskEntry:
    """The file system on which `path` lies: how full it may be, and how much must be free.

    Reserved blocks count as `df` counts them.
    """

    path: str
    warn_percent: float | None = None
    critical_percent: float | None = None
    warn_free: Size | None = None
    critical_free: Size | None = None


def check(entry: DiskEntry) -> None:
    if not entry.path.startswith("/") or not entry.path.isprintable():
        raise Mistake(f"{entry.path!r} is not an absolute path", "path", hint="write it from the root, as in /var")
    bounds = (entry.warn_percent, entry.critical_percent, entry.warn_free, entry.critical_free)
    if all(bound is None for bound in bounds):
        raise Mistake("a disk check needs a bound", hint="such as criticalPercent: 95 or criticalFree: 500MB")
    for key, percent in (("warnPercent", entry.warn_percent), ("criticalPercent", entry.critical_percent)):
        if percent is not None and not 0 <= percent <= 100:
            raise Mistake("a per cent lies between 0 and 100", key)
    check_bounds(entry.warn_percent, entry.critical_percent, "warnPercent")
    check_bounds(entry.warn_free, entry.critical_free, "warnFree", falls=True)


def ask(entry: DiskEntry, asked: Asked) -> Verdict:
    room = asked.view.vitals.disk(entry.path)
    used = 100 * (room.total - room.free) / room.total
    said = f"{entry.path} is {used:.1f} % full"
    full = Figure(said, used, "{:g} %".format, entry.warn_percent, entry.critical_percent)
    free = Figure(
        f"{say_size(room.free)} are free", room.free, say_size, entry.warn_free, entry.critical_free, falls=True
    )
    return judge_all((full, free))


PROBE = Probe(name="disk", entry=DiskEntry, ask=ask, check=check)
