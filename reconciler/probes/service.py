"""A service is well while it is modest: it and all that it started use no more memory and CPU than they may."""

from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.kind import Mistake
from reconciler.core.probe import Asked, Figure, Health, Probe, Verdict, check_bounds, judge_all
from reconciler.core.quantity import Size, say_size
from reconciler.core.senses import UnitStat, Vitals

PAUSE = timedelta(milliseconds=200)
"""Between two looks at the CPU time, where none was taken before."""


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """`unit` as in `sensor-mcp.service`. CPU is in per cent of one core, between this look and the last one."""

    unit: str
    warn_memory: Size | None = None
    critical_memory: Size | None = None
    warn_cpu_percent: float | None = None
    critical_cpu_percent: float | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """At the CPU time of one run of a unit; both in seconds."""

    run: tuple[str, int]
    uptime: float
    cpu: float


_last: dict[str, _Look] = {}
"""The last look at each unit. Lost with the process, and then taken anew."""


def check(entry: ServiceEntry) -> None:
    if not entry.unit or not entry.unit.isprintable() or set(entry.unit) & set(" /"):
        raise Mistake(f"{entry.unit!r} is no unit", "unit", hint="as in sensor-mcp.service")
    bounds = (entry.warn_memory, entry.critical_memory, entry.warn_cpu_percent, entry.critical_cpu_percent)
    if all(bound is None for bound in bounds):
        raise Mistake(
            "a service check needs a bound", hint="such as criticalMemory: 500MB; whether it runs is `unit`'s"
        )
    check_bounds(entry.warn_memory, entry.critical_memory, "warnMemory")
    check_bounds(entry.warn_cpu_percent, entry.critical_cpu_percent, "warnCpuPercent")


def ask(entry: ServiceEntry, asked: Asked) -> Verdict:
    seen = asked.view.units.look(entry.unit)
    if not seen.running or not seen.pid:
        return Verdict(Health.CRITICAL, f"{entry.unit} {'has failed' if seen.failed else 'does not run'}")
    vitals = asked.view.vitals
    figures = [_memory(entry, vitals, seen.pid)]
    if entry.warn_cpu_percent is not None or entry.critical_cpu_percent is not None:
        figures.append(_cpu(entry, vitals, seen))
    return judge_all(figures)


def _memory(entry: ServiceEntry, vitals: Vitals, pid: int) -> Figure:
    used = vitals.load(pid).memory
    said = f"{entry.unit} uses {say_size(used)} of memory"
    return Figure(said, used, say_size, entry.warn_memory, entry.critical_memory)


def _cpu(entry: ServiceEntry, vitals: Vitals, seen: UnitStat) -> Figure:
    before = _last.get(entry.unit)
    run = (seen.invocation, seen.pid)
    if before is None or before.run != run or vitals.uptime() - before.uptime < PAUSE.total_seconds():
        before = _look(run, vitals)
        vitals.pause(PAUSE)
    now = _last[entry.unit] = _look(run, vitals)
    percent = max(0.0, 100 * (now.cpu - before.cpu) / (now.uptime - before.uptime))
    said = f"{percent:.1f} % of a core"
    return Figure(said, percent, "{:g} %".format, entry.warn_cpu_percent, entry.critical_cpu_percent)


def _look(run: tuple[str, int], vitals: Vitals) -> _Look:
    return _Look(run, vitals.uptime(), vitals.load(run[1]).cpu_seconds)


PROBE = Probe(name="service", entry=ServiceEntry, ask=ask, check=check)
