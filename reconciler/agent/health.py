"""How the device does at this moment: every check of what is in force is asked, by whoever may look.

Who may not read the records is told what the agent found last, and when.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.agent import target as targets
from reconciler.agent.ask import Checkup, ask
from reconciler.agent.parts import Parts
from reconciler.agent.publish import status
from reconciler.core.errors import Denied, NotFound
from reconciler.core.probe import Check, Finding, Health, Verdict, worst

NAGIOS = {Health.OK: 0, Health.WARNING: 1, Health.CRITICAL: 2, Health.UNKNOWN: 3}
"""Exit statuses of a monitoring plugin (Monitoring Plugins guidelines)."""


def health(parts: Parts, name: str | None = None) -> tuple[Finding, ...]:
    """Of all checks, or of one by its name. Raises NotFound."""
    try:
        target = targets.in_force(parts, None)
    except Denied:
        return _found_last(parts, name)
    checks = target.desired.checks if target else ()
    wanted = [check for check in checks if name in (None, check.name)]
    if name is not None and not wanted:
        hint = f"there are {', '.join(check.name for check in checks)}" if checks else "no checks are in force here"
        raise NotFound(f"cannot ask the check {name}: there is none of that name", hint=hint)
    view = parts.look()
    found = Checkup().ask(wanted, parts.probes, view, parts.now()) if wanted else ()
    counted = _counted(parts) if any(check.lasting for check in wanted) else {}
    return tuple(_as_counted(check, finding, counted, parts) for check, finding in zip(wanted, found, strict=True))


def nagios(findings: tuple[Finding, ...]) -> tuple[int, str]:
    """The exit status and the one line of a monitoring plugin, with its performance data."""
    if not findings:
        return NAGIOS[Health.UNKNOWN], "RECONCILER UNKNOWN - no checks are declared"
    health = worst(finding.verdict.health for finding in findings)
    amiss = [f"{f.check}: {f.verdict.message}" for f in findings if f.verdict.health is not Health.OK]
    said = "; ".join(amiss) if amiss else f"all of {len(findings)} checks well"
    figures = " ".join(f"'{_label(f.check)}'={f.verdict.value:g}" for f in findings if f.verdict.value is not None)
    line = f"RECONCILER {health} - {said}".replace("|", "/").replace("\n", " ")
    return NAGIOS[health], f"{line} | {figures}" if figures else line


def _found_last(parts: Parts, name: str | None) -> tuple[Finding, ...]:
    document = status(parts)
    known = [check for check in document["health"]["checks"] if name in (None, check["name"])]
    if name is not None and not known:
        raise NotFound(f"cannot tell of the check {name}: the agent has not published it", hint="ask as root")
    return tuple(_as_published(check, document["lastSync"]) for check in known)


def _as_published(check: dict[str, Any], at: str) -> Finding:
    verdict = Verdict(Health(check["status"]), f"{check['message']} (the agent, not before {at})", check["value"])
    return Finding(check["name"], verdict, datetime.fromisoformat(check["since"]), check["app"])


def _counted(parts: Parts) -> dict[str, str]:
    """What the agent that is at work all the time has found to last."""
    checks: list[dict[str, Any]] = status(parts)["health"]["checks"]
    return {check["name"]: check["status"] for check in checks}


def _as_counted(check: Check, finding: Finding, counted: dict[str, str], parts: Parts) -> Finding:
    """A look at one moment cannot tell what lasts: what the agent has counted holds, as long as it still is so."""
    if not check.lasting or counted.get(check.name, Health.OK) == Health.OK:
        return finding
    return replace(finding, verdict=ask(check, parts.probes, parts.look()))


def _label(name: str) -> str:
    return name.replace("'", "").replace("=", "")
