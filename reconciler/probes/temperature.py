"""A machine is well while its hottest sensor is cool enough; without a sensor nobody knows."""

from dataclasses import dataclass

from reconciler.core.kind import Mistake
from reconciler.core.probe import Asked, Figure, Probe, Verdict, check_bounds


@dataclass(frozen=True, slots=True)
class TemperatureEntry:
    """From where on it is too hot, in degrees Celsius."""

    warn_celsius: float | None = None
    critical_celsius: float | None = None


def check(entry: TemperatureEntry) -> None:
    if entry.warn_celsius is None and entry.critical_celsius is None:
        raise Mistake("a temperature check needs a bound", hint="such as criticalCelsius: 85")
    check_bounds(entry.warn_celsius, entry.critical_celsius, "warnCelsius")


def ask(entry: TemperatureEntry, asked: Asked) -> Verdict:
    hottest = asked.view.vitals.temperature()
    said = f"the hottest sensor is at {hottest:.1f} °C"
    return Figure(said, hottest, "{:g} °C".format, entry.warn_celsius, entry.critical_celsius).judge()


PROBE = Probe(name="temperature", entry=TemperatureEntry, ask=ask, check=check)
