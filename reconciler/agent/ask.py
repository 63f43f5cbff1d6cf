"""A check is asked when its time comes, and what is not well soon again; a device at rest rests.

What is amiss for a moment is not yet news: a check says how long it must last before it counts.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from reconciler.agent.deadline import deadline
from reconciler.core.errors import Failure, Transient
from reconciler.core.host import HostView
from reconciler.core.probe import Asked, Check, Finding, Health, Probes, Verdict
from reconciler.core.quantity import format_duration

SOON = timedelta(seconds=5)
"""When what is not well is asked again, at the latest."""

SETTLING, AT_ONCE = timedelta(seconds=30), timedelta(seconds=1)
"""For so long after a change what is not well is asked again so soon: a service takes its time to come up."""

PATIENCE = timedelta(seconds=2)
"""Beyond a check's own timeout, before it is cut off from outside."""


def ask(check: Check, probes: Probes, view: HostView) -> Verdict:
    """Whatever goes wrong is a verdict: the other side is at fault (critical), or it cannot be told (unknown)."""
    try:
        with deadline(check.timeout + PATIENCE, check.name):
            return probes[check.probe].ask(check.entry, Asked(view, check.timeout))
    except Transient as failure:
        return Verdict(Health.CRITICAL, str(failure))
    except Failure as failure:
        return Verdict(Health.UNKNOWN, str(failure))
    except Exception as error:  # noqa: BLE001  # a probe that is at fault itself spoils its own check, and no other
        return Verdict(Health.UNKNOWN, f"the probe {check.probe} itself failed: {type(error).__name__}: {error}")


class Checkup:
    """What was found last of each check, and what is amiss since when. Kept in memory: a new process asks anew."""

    def __init__(self) -> None:
        self._findings: dict[str, Finding] = {}
        self._asked: dict[str, float] = {}
        self._amiss: dict[str, float] = {}
        self._changed = float("-inf")

    def ask(self, checks: Iterable[Check], probes: Probes, view: HostView, now: datetime) -> tuple[Finding, ...]:
        """All findings, those anew that were due."""
        wanted = tuple(checks)
        if not wanted:
            self._findings.clear()
            return ()
        uptime = view.vitals.uptime()
        for check in wanted:
            if self._due_in(check, uptime) <= 0:
                self._asked[check.name] = uptime
                self._note(check, ask(check, probes, view), uptime, now)
        names = {check.name for check in wanted}
        self._findings = {name: finding for name, finding in self._findings.items() if name in names}
        return tuple(self._findings[check.name] for check in wanted)

    def next_in(self, checks: Iterable[Check], view: HostView) -> timedelta | None:
        """How long until the next one is due; None where there is none."""
        wanted = tuple(checks)
        if not wanted:
            return None
        uptime = view.vitals.uptime()
        return timedelta(seconds=max(0.0, min(self._due_in(check, uptime) for check in wanted)))

    def hurry(self, view: HostView) -> None:
        """All are due: something has changed."""
        self._changed = view.vitals.uptime()
        self._asked.clear()

    def is_settling(self, view: HostView) -> bool:
        """Whether something is not well that was changed just now."""
        young = bool(self._amiss) and view.vitals.uptime() - self._changed < SETTLING.total_seconds()
        return young and any(not finding.verdict.is_well for finding in self._findings.values())

    def _due_in(self, check: Check, uptime: float) -> float:
        asked = self._asked.get(check.name)
        if asked is None or check.name not in self._findings:
            return 0.0
        if check.name not in self._amiss:
            pause = check.every
        else:
            is_young = uptime - self._changed < SETTLING.total_seconds()
            pause = min(check.every, AT_ONCE if is_young else SOON)
        return asked + pause.total_seconds() - uptime

    def _note(self, check: Check, verdict: Verdict, uptime: float, now: datetime) -> None:
        if verdict.health is Health.OK:
            self._amiss.pop(check.name, None)
        else:
            since = self._amiss.setdefault(check.name, uptime)
            verdict = _lasting(check, verdict, timedelta(seconds=uptime - since))
        before = self._findings.get(check.name)
        is_same = before is not None and before.verdict.health is verdict.health
        since_when = before.since if before is not None and is_same else now
        self._findings[check.name] = Finding(check.name, verdict, since_when, check.app)


def _lasting(check: Check, verdict: Verdict, span: timedelta) -> Verdict:
    if span >= check.lasting:
        return verdict
    message = f"{verdict.message} ({verdict.health} once it has lasted {format_duration(check.lasting)})"
    return Verdict(Health.OK, message, verdict.value)
