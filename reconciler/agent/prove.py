"""What a plan brought is on trial, app by app, until each has proven itself or one has not.

A trial is kept in memory: a process that finds a plan on trial begins it anew, on a clock that nobody sets.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.agent.ask import ask
from reconciler.core.desired import App, Desired
from reconciler.core.errors import Failure
from reconciler.core.host import HostView
from reconciler.core.identity import Digest
from reconciler.core.journal import Progress
from reconciler.core.probe import Check, Probes
from reconciler.core.state import Absent
from reconciler.core.trial import Look, Pending, Proven, Trial, Unproven, judge

EAGER, STEADY = timedelta(milliseconds=250), timedelta(seconds=1)
"""How often an app is looked at: in its first moments, and then."""

FIRST_MOMENTS = timedelta(seconds=5)
LOG_LINES = 20
"""Of each service, as evidence."""

Key = tuple[int, Digest]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Goals:
    """The desired state of the plan's generation, and the one in force, which is good; loaded where it is asked for."""

    wanted: Callable[[], Desired]
    good: Callable[[], Desired | None]


@dataclass(slots=True)
class _Case:
    """One plan on trial: its desired state, and the apps that have not proven themselves yet."""

    desired: Desired
    trials: dict[str, Trial]
    began: timedelta
    looked: timedelta


@dataclass(slots=True)
class Trials:
    _cases: dict[Key, _Case] = field(default_factory=dict)

    def knows(self, progress: Progress) -> bool:
        """Whether this process put it on trial."""
        return _key(progress) in self._cases

    def desired(self, progress: Progress) -> Desired:
        """The desired state that is on trial. Raises KeyError where this process knows of none."""
        return self._cases[_key(progress)].desired

    def forget(self) -> None:
        self._cases.clear()

    def wait(self) -> timedelta:
        """Until the next look at what is on trial."""
        young = any(case.looked - case.began < FIRST_MOMENTS for case in self._cases.values())
        return EAGER if young else STEADY

    def prove(
        self, progress: Progress, goals: Goals, view: HostView, probes: Probes, say: Say
    ) -> Pending | Proven | Unproven:
        """One look."""
        case = self._cases.get(_key(progress))
        if case is None:
            desired = goals.wanted()
            apps = on_trial(desired, goals, progress)
            if not apps:
                return Proven()
            now = timedelta(seconds=view.vitals.uptime())
            case = self._cases[_key(progress)] = _Case(desired, {app.name: Trial(now) for app in apps}, now, now)
        now = case.looked = timedelta(seconds=view.vitals.uptime())
        for name in list(case.trials):
            app = case.desired.apps[name]
            before = case.trials[name]
            verdict = judge(before, _look(app, case.desired.checks, view, probes), now, app.terms)
            if isinstance(verdict, Unproven):
                return _with_evidence(app, verdict, view)
            if isinstance(verdict, Proven):
                del case.trials[name]
                say(f"{name} {app.version} has proven itself")
                continue
            case.trials[name] = verdict.trial
            if verdict.trial.trace != before.trace:
                say(f"{name} {app.version} is on trial, {verdict.trial.trace[-1]}")
        return Pending(next(iter(case.trials.values()))) if case.trials else Proven()


def on_trial(desired: Desired, goals: Goals, progress: Progress) -> list[App]:
    """The apps of which the plan brought something, or a plan before it that was overtaken before it was proven.

    What leaves has nothing to prove.
    """
    if not desired.apps:
        return []
    last = goals.good()
    known = last.resources if last else {}
    brought = {step.resource for step in progress.steps if not isinstance(step.after, Absent)}
    names = {
        resource.app
        for id, resource in desired.resources.items()
        if id in brought or id not in known or known[id].state != resource.state
    }
    return [app for name, app in desired.apps.items() if name in names]


def _look(app: App, checks: Iterable[Check], view: HostView, probes: Probes) -> Look:
    verdicts = {check.name: ask(check, probes, view) for check in checks if check.app == app.name}
    runs, failed = {}, []
    for unit in app.services:
        try:
            seen = view.units.look(unit)
        except Failure:
            continue  # its check has said so
        if seen.failed:
            failed.append(unit)
        if seen.running:
            runs[unit] = seen.invocation
    return Look(verdicts, runs, tuple(failed))


def _with_evidence(app: App, verdict: Unproven, view: HostView) -> Unproven:
    lines = list(verdict.trace)
    for unit in app.services:
        try:
            said = view.units.log(unit, LOG_LINES)
        except Failure as failure:
            said = (str(failure),)
        lines += [
            f"the last lines of {unit}:" if said else f"{unit} has written nothing",
            *(f"  {line}" for line in said),
        ]
    return Unproven(f"{app.name} {app.version}: {verdict.reason}", tuple(lines))


def _key(progress: Progress) -> Key:
    return progress.opened.generation.number, progress.plan.digest
