"""How a pass ended, in the words of the status."""

from dataclasses import dataclass, field
from datetime import datetime

from reconciler import __version__
from reconciler.agent import versions
from reconciler.agent.parts import Parts
from reconciler.core.desired import Desired
from reconciler.core.errors import Broken, Failure, InTheWay, Transient
from reconciler.core.facts import AppStatus, Facts, Head, Tally
from reconciler.core.identity import ResourceId
from reconciler.core.journal import Fault, Mark, Outcome, Progress
from reconciler.core.pace import Hold
from reconciler.core.plan import Plan
from reconciler.core.probe import Finding


@dataclass(frozen=True, slots=True)
class Report:
    """`desired` is what was looked after.

    `failure` is why the newest desired state is not in force, or what could not be mended.
    """

    head: Head | None = None
    desired: Desired | None = None
    plan: Plan | None = None
    outcome: Outcome | None = None
    failure: Failure | None = None
    holds: tuple[Hold, ...] = ()
    repaired: tuple[ResourceId, ...] = ()
    tally: Tally = field(default_factory=Tally)
    is_on_trial: bool = False
    health: tuple[Finding, ...] = ()


def facts(parts: Parts, report: Report, next_sync: datetime | None = None) -> Facts:
    """All that a status is projected from."""
    return Facts(
        device=parts.settings.device,
        agent_version=__version__,
        now=parts.now(),
        head=report.head,
        applied=parts.store.generations.applied(),
        outcome=report.outcome,
        failure=report.failure,
        blocked=len(report.plan.blocked) if report.plan else 0,
        tally=report.tally,
        holds=report.holds,
        quarantine=parts.store.quarantine.all(),
        on_trial=report.is_on_trial,
        health=report.health,
        apps=_apps(parts, report.desired),
        next_sync=next_sync,
    )


def _apps(parts: Parts, desired: Desired | None) -> dict[str, AppStatus]:
    files, found = parts.look().files, {}
    for name, app in (desired.apps if desired else {}).items():
        told = versions.read(files, app) or {}
        update = told.get("last_update")
        version, good = told.get("current_version"), told.get("previous_good_version")
        found[name] = AppStatus(version, good, update if isinstance(update, dict) else None)
    return found


def failure_of(plan: Plan, progress: Progress | None) -> Failure | None:
    """Of a plan that was carried out, or was empty."""
    if progress is None or (progress.closed is Outcome.CONVERGED and not progress.faults):
        hint = "move away what is there, or take the resource out of the desired state"
        return InTheWay(f"cannot bring {blocked(plan)}", hint=hint) if plan.blocked else None
    fault = progress.turned or next(iter(progress.faults.values()), Fault("failed", "a step failed"))
    family: type[Failure] = Transient if fault.transient else Broken
    if progress.closed is Outcome.CONVERGED:
        what = f"cannot take away all that left with generation {progress.opened.generation}, which is in force"
        return family(f"{what}: {fault.message}", hint="it is tried again with each sync")
    if progress.closed is Outcome.FAILED:
        return family(f"cannot mend all drift: {fault.message}", hint="it is tried again with each sync")
    how = "all of it was taken back" if progress.closed is Outcome.REVERTED else "some of it could not be taken back"
    hint = "it is tried again with each sync" if fault.transient else "`reconciler quarantine list` shows what failed"
    return family(f"cannot bring generation {progress.opened.generation}, {how}: {fault.message}", hint=hint)


def blocked(plan: Plan) -> str:
    first = plan.blocked[0]
    return f"{first.resource}: it is {first.reason}"


def tally(desired: Desired, plan: Plan, progress: Progress | None) -> Tally:
    """Steps that nobody carried out are drift; those that were and are not done, failed."""
    declared = {id for id, resource in desired.resources.items() if resource.implied_by is None}
    failed = {entry.resource for entry in plan.blocked}
    drifted = {drift.resource for drift in plan.withheld}
    if progress is None:
        drifted |= {step.resource for step in plan.steps}
    else:
        failed |= _unfinished(progress)
    failed, drifted = failed & declared, (drifted & declared) - failed
    return Tally(len(declared), len(declared) - len(failed) - len(drifted), len(drifted), len(failed))


def _unfinished(progress: Progress) -> set[ResourceId]:
    marks = zip(progress.steps, progress.marks, strict=True)
    return {step.resource for step, mark in marks if mark is not Mark.DONE}
