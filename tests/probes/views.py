"""A device in memory whose senses and units a test sets."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

from reconciler.core.errors import Failure
from reconciler.core.probe import Asked, Probe, Verdict
from reconciler.core.senses import UnitStat
from reconciler.host.simulated_senses import SimulatedSenses

ENOUGH = timedelta(seconds=5)
GONE = UnitStat(running=False, failed=False, enabled=False)


@dataclass
class Units:
    known: dict[str, UnitStat | Failure] = field(default_factory=dict)

    def look(self, name: str) -> UnitStat:
        seen = self.known.get(name, GONE)
        if isinstance(seen, Failure):
            raise seen
        return seen

    def log(self, name: str, lines: int) -> tuple[str, ...]:
        return ()


@dataclass
class Device:
    """Satisfies HostView as far as probes look; none looks at files or trees."""

    senses: SimulatedSenses = field(default_factory=SimulatedSenses)
    units: Units = field(default_factory=Units)

    @property
    def net(self) -> SimulatedSenses:
        return self.senses

    @property
    def vitals(self) -> SimulatedSenses:
        return self.senses

    @property
    def commands(self) -> SimulatedSenses:
        return self.senses

    @property
    def files(self) -> NoReturn:
        raise AssertionError("a probe looked at files")

    @property
    def trees(self) -> NoReturn:
        raise AssertionError("a probe looked at trees")

    def ask(self, probe: Probe, entry: Any, timeout: timedelta = ENOUGH) -> Verdict:
        probe.check(entry)
        return probe.ask(entry, Asked(self, timeout))
