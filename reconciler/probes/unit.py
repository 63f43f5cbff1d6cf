"""A unit is well while it runs."""

from dataclasses import dataclass

from reconciler.core.probe import Asked, Health, Probe, Verdict


@dataclass(frozen=True, slots=True)
class UnitEntry:
    """`unit` is the name of a unit, as in `sensor-mcp.service`."""

    unit: str


def ask(entry: UnitEntry, asked: Asked) -> Verdict:
    seen = asked.view.units.look(entry.unit)
    if seen.running:
        return Verdict(Health.OK, f"{entry.unit} runs")
    return Verdict(Health.CRITICAL, f"{entry.unit} {'has failed' if seen.failed else 'does not run'}")


PROBE = Probe(name="unit", entry=UnitEntry, ask=ask)
