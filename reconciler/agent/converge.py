"""One whole pass: finish what was begun, follow, choose, plan, carry out, report.

Only one desired state can be new. Where it cannot be brought, for whatever reason, the last good one stays in force
and is kept up in the same pass. What was brought is on trial over several passes, unless something newer comes.
"""

from contextlib import suppress
from dataclasses import replace

from reconciler.agent import target as targets
from reconciler.agent.activate import activate, go_on, planned, supersede
from reconciler.agent.carry_out import Watch
from reconciler.agent.follow import Followed, follow, still
from reconciler.agent.parts import Parts
from reconciler.agent.report import Report, failure_of, tally
from reconciler.agent.target import Target
from reconciler.core.desired import Mode
from reconciler.core.errors import Broken, Failure, Moved, NotConverged, Rejected, Transient
from reconciler.core.facts import Head
from reconciler.core.identity import ResourceId
from reconciler.core.journal import Mark, Outcome, Progress, Purpose
from reconciler.core.pace import Hold, HoldKind
from reconciler.core.plan import Plan
from reconciler.core.probe import Finding

TRIES = 3
"""Of one plan, on a device that changes while it is made."""


def converge(parts: Parts, watch: Watch, known: Head | None = None) -> Report:
    """The caller holds the lock. What goes wrong is in the report. With a `known` head the repo is not asked."""
    try:
        begun = go_on(parts, watch)
        followed, failure = _followed(parts, known)
        holds = targets.holds(parts, followed)
        if begun is not None and begun.closed is None and not _gives_way(parts, begun, followed, holds):
            report = _on_trial(parts, begun)
        elif any(hold.kind is HoldKind.SUSPENDED for hold in holds):
            report = _look_only(parts, followed)
        else:
            report, failure = _brought(parts, followed, failure, holds, watch)
            report = _with_what_ended(report, begun)
        failure = _told(begun) or failure
    except (Rejected, Transient, Broken) as broken:
        followed, holds, failure, report = None, targets.holds(parts, None), broken, Report()
    head = followed.head if followed else _last_head(parts)
    whole = replace(report, head=head, failure=failure or report.failure, holds=_unique((*holds, *report.holds)))
    return replace(whole, health=_health(parts, whole))


def _gives_way(parts: Parts, begun: Progress, followed: Followed | None, holds: tuple[Hold, ...]) -> bool:
    """Whether what is on trial was overtaken by what the repo asks for now."""
    if followed is None or begun.opened.purpose is not Purpose.NEW or targets.is_held(parts, followed.desired, holds):
        return False
    record = parts.store.generations.get(begun.opened.generation)
    if record is None or record.digest == followed.desired.digest:
        return False
    supersede(parts, begun)
    return True


def _on_trial(parts: Parts, begun: Progress) -> Report:
    desired = parts.trials.desired(begun)
    return Report(desired=desired, plan=begun.plan, is_on_trial=True, tally=tally(desired, begun.plan, begun))


def _with_what_ended(report: Report, begun: Progress | None) -> Report:
    """The pass in which a plan ended tells of its changes, where it made no others."""
    has_news = report.plan is None or report.plan.steps or report.plan.blocked
    if begun is None or begun.closed is not Outcome.CONVERGED or has_news:
        return report
    return replace(report, plan=begun.plan)


def _told(begun: Progress | None) -> Failure | None:
    """That a plan failed is told by the pass in which it ended."""
    if begun is None or begun.closed not in (Outcome.REVERTED, Outcome.STUCK):
        return None
    return failure_of(begun.plan, begun)


def _health(parts: Parts, report: Report) -> tuple[Finding, ...]:
    """Of what is in force; what is on trial is asked by its trial."""
    if report.desired is None or report.is_on_trial:
        return ()
    return parts.checkup.ask(report.desired.checks, parts.probes, parts.look(), parts.now())


def _brought(
    parts: Parts, followed: Followed | None, failure: Failure | None, holds: tuple[Hold, ...], watch: Watch
) -> tuple[Report, Failure | None]:
    new = targets.new(parts, followed, holds) if followed else None
    report = _bring(parts, new, watch) if new else None
    if report is not None and (report.failure is None or report.is_on_trial):
        return report, failure
    if report is not None and parts.store.journal.is_open():
        # Its end could not be written: the next pass goes on with it, and nothing begins over it.
        return report, report.failure
    return _keep_up(parts, followed, watch, holds), report.failure if report else failure


def _look_only(parts: Parts, followed: Followed | None) -> Report:
    """Drift is reported all the same, and nothing is done about it."""
    target = targets.in_force(parts, followed)
    if target is None:
        return Report()
    plan, _, _ = planned(parts, target.desired)
    return Report(desired=target.desired, plan=plan, tally=tally(target.desired, plan, None))


def roll_back(parts: Parts, number: int | None, watch: Watch) -> Report:
    """Goes to an earlier good generation, and holds there until an operator resumes. Raises UnknownGeneration."""
    begun = go_on(parts, watch)
    is_on_trial = begun is not None and begun.closed is None
    target = targets.earlier(parts, number, from_trial=is_on_trial)
    if begun is not None and is_on_trial:
        supersede(parts, begun)
    report = _bring(parts, target, watch)
    return replace(report, head=_last_head(parts), holds=targets.holds(parts, None))


def _followed(parts: Parts, known: Head | None) -> tuple[Followed | None, Failure | None]:
    try:
        followed = still(parts, known) if known else None
        return followed or follow(parts, keep=True), None
    except (Rejected, Transient, Broken) as failure:
        return None, failure


def _keep_up(parts: Parts, followed: Followed | None, watch: Watch, holds: tuple[Hold, ...]) -> Report:
    target = targets.in_force(parts, followed)
    if target is None:
        return Report()
    now = parts.now()
    alone = parts.flaps.holds(now)
    report = _bring(parts, targets.leaving_alone(target, alone, holds), watch)
    if report.failure is None:
        targets.confirm(parts, target)
    parts.flaps.note(report.repaired, now)
    drifted = {drift.resource for drift in report.plan.withheld} if report.plan else set()
    held = (hold for id, hold in alone.items() if id in drifted)
    return replace(report, holds=(*report.holds, *held))


def _bring(parts: Parts, target: Target, watch: Watch) -> Report:
    """The report says why not where it cannot be brought."""
    try:
        if target.desired.mode is Mode.OBSERVE:
            plan, _, _ = planned(parts, target.desired)
            hold = targets.observe_hold(parts)
            return Report(desired=target.desired, plan=plan, holds=(hold,), tally=tally(target.desired, plan, None))
        plan, progress = _activated(parts, target, watch)
    except (Rejected, Transient, Broken) as failure:
        return Report(desired=target.desired, failure=failure)
    outcome = progress.closed if progress else None
    is_on_trial = progress is not None and outcome is None
    return Report(
        desired=target.desired,
        plan=plan,
        outcome=outcome,
        failure=None if is_on_trial else failure_of(plan, progress),
        is_on_trial=is_on_trial,
        repaired=_put_back(progress) if progress else (),
        tally=tally(target.desired, plan, progress),
    )


def _activated(parts: Parts, target: Target, watch: Watch) -> tuple[Plan, Progress | None]:
    """Tried again on a device that changes while the plan is made."""
    for _ in range(TRIES - 1):
        with suppress(Moved):
            return activate(parts, target, watch)
    return activate(parts, target, watch)


def _put_back(progress: Progress) -> tuple[ResourceId, ...]:
    """What could not be put back failed, and that is told; where it was, and did not stay so, it is fought over."""
    lost = {n for n, fault in progress.faults.items() if fault.code == NotConverged.code}
    marked = enumerate(zip(progress.steps, progress.marks, strict=True))
    return tuple(step.resource for n, (step, mark) in marked if mark is Mark.DONE or n in lost)


def _last_head(parts: Parts) -> Head | None:
    floor = parts.store.floor.get()
    return Head(floor.commit, floor.ref, floor.at) if floor else None


def _unique(holds: tuple[Hold, ...]) -> tuple[Hold, ...]:
    return tuple({(hold.kind, hold.reason): hold for hold in holds}.values())
