"""What an operator may have done to a device. Whoever holds the lock does it: a command, or the agent that it asks.

Arguments and results are plain data, so that they travel.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from reconciler.agent.carry_out import Watch
from reconciler.agent.converge import converge, roll_back
from reconciler.agent.observation import publish_history, publish_observation, tell
from reconciler.agent.parts import Parts
from reconciler.agent.publish import publish, publish_failure, republish, republish_health
from reconciler.agent.report import Report, facts
from reconciler.agent.target import app_hold, in_force, suspend_hold
from reconciler.core.errors import BadSettings, Failure, InvalidDocuments, NotFound
from reconciler.core.facts import Head, Quarantined
from reconciler.core.pace import in_force as still_in_force
from reconciler.core.pace import rfc3339

Arguments = Mapping[str, Any]
Result = dict[str, Any]
Deed = Callable[[Parts, Arguments, Watch], Result]

MAX_TOLD = 50
"""Changes that one event names."""

VERIFYING = "verifying"
"""The result of a pass that ends while what it brought is on trial."""


def sync(parts: Parts, _arguments: Arguments, watch: Watch) -> Result:
    """One whole pass, and the status after it."""
    parts.flaps.forget()
    try:
        return concluded(parts, converge(parts, watch))
    except Failure as failure:
        publish_failure(parts, failure)
        raise


def go_on(parts: Parts, _arguments: Arguments, watch: Watch) -> Result:
    """Another look at what is on trial; the repo is not asked."""
    floor = parts.store.floor.get()
    known = Head(floor.commit, floor.ref, floor.at) if floor else None
    return concluded(parts, converge(parts, watch, known))


def look_again(parts: Parts) -> dict[str, Any]:
    """The status, after those checks were asked again that are due."""
    desired = parts.sight.desired
    health = parts.checkup.ask(desired.checks if desired else (), parts.probes, parts.look(), parts.now())
    return republish_health(parts, health)


def rollback(parts: Parts, arguments: Arguments, watch: Watch) -> Result:
    """To `generation`, or to the good one before that in force. Raises UnknownGeneration."""
    number = arguments.get("generation")
    return concluded(parts, roll_back(parts, int(number) if number is not None else None, watch))


def suspend(parts: Parts, arguments: Arguments, _watch: Watch) -> Result:
    """Nothing is changed, of all or of one `app`, until it ends (`seconds`) or is resumed; drift is still reported.

    Raises NotFound where there is no such app, BadSettings where it would not end.
    """
    seconds, app, reason = arguments.get("seconds"), arguments.get("app"), str(arguments["reason"])
    try:
        until = parts.now() + timedelta(seconds=float(seconds)) if seconds is not None else None
    except OverflowError as error:
        hint = "without a time it lasts until `reconciler resume`"
        raise BadSettings("cannot suspend for so long: no calendar reaches there", hint=hint) from error
    if app is not None:
        _check_app(parts, str(app))
    hold = suspend_hold(parts, reason, until) if app is None else app_hold(parts, str(app), reason, until)
    with parts.store.transaction():
        parts.store.holds.set(hold)
    republish(parts)
    return hold.to_json()


def resume(parts: Parts, arguments: Arguments, _watch: Watch) -> Result:
    """What was lifted: all, or what holds one `app`. The next pass follows the repo again."""
    app = arguments.get("app")
    held = [hold for hold in parts.store.holds.all() if app is None or hold.subject == app]
    lifted = still_in_force(held, parts.now())
    if held:
        with parts.store.transaction():
            for hold in held:
                parts.store.holds.lift(hold)
        republish(parts)
    return {"lifted": [hold.to_json() for hold in lifted]}


def clear_quarantine(parts: Parts, arguments: Arguments, _watch: Watch) -> Result:
    """The next pass may try that desired state again. Raises NotFound."""
    entry = quarantined(parts, str(arguments["digest"]))
    with parts.store.transaction():
        parts.store.quarantine.clear(entry.digest)
    republish(parts)
    return quarantined_to_json(entry)


def _check_app(parts: Parts, app: str) -> None:
    target = in_force(parts, None)
    known = sorted(target.desired.apps) if target else []
    if app not in known:
        hint = f"there are {', '.join(known)}" if known else "no app is in force here"
        raise NotFound(f"cannot suspend the app {app}: there is none of that name", hint=hint)


DEEDS: Mapping[str, Deed] = {
    "sync": sync,
    "rollback": rollback,
    "suspend": suspend,
    "resume": resume,
    "quarantine clear": clear_quarantine,
}


def quarantined(parts: Parts, digest: str) -> Quarantined:
    """By its digest or the beginning of one, with `sha256:` or without. Raises NotFound."""
    wanted = digest.removeprefix("sha256:")
    found = [entry for entry in parts.store.quarantine.all() if wanted and entry.digest.hex.startswith(wanted)]
    if len(found) != 1:
        how = "more than one begins so" if found else "there is none"
        raise NotFound(f"cannot tell which desired state {digest} is: {how}", hint="`reconciler quarantine list`")
    return found[0]


def quarantined_to_json(entry: Quarantined) -> Result:
    return {
        "specDigest": str(entry.digest),
        "commit": str(entry.commit),
        "code": entry.fault.code,
        "reason": entry.fault.message,
        "at": rfc3339(entry.at),
        "evidence": list(entry.fault.evidence),
    }


def concluded(parts: Parts, report: Report, next_sync: datetime | None = None) -> Result:
    """A pass as scripts read it: `result` is converged, held or failed; or verifying, and when to look again."""
    status = publish(parts, facts(parts, report, next_sync))
    if report.is_on_trial:
        result = VERIFYING
    else:
        result = "failed" if report.failure else "held" if report.holds else "converged"
    _tell(parts, report, result)
    return {
        "result": result,
        "wait": parts.trials.wait().total_seconds(),
        "changes": [str(step.resource) for step in report.plan.steps] if report.plan else [],
        "error": failure_to_json(report.failure) if report.failure else None,
        "status": status,
    }


def _tell(parts: Parts, report: Report, result: str) -> None:
    """Readers who are not us learn of it; a pass that found all as it was is no news."""
    publish_observation(parts)
    publish_history(parts)
    changes = [str(step.resource) for step in report.plan.steps] if report.plan else []
    if report.failure:
        tell(parts, "pass_failed", code=report.failure.code, error=str(report.failure))
    if changes and not report.is_on_trial:
        applied = parts.store.generations.applied()
        generation = applied.generation.number if applied else None
        tell(parts, "pass_ended", result=result, changes=changes[:MAX_TOLD], generation=generation)


def failure_to_json(failure: Failure) -> Result:
    problems = [str(problem) for problem in failure.problems] if isinstance(failure, InvalidDocuments) else []
    said = {"code": failure.code, "message": failure.message, "where": failure.where, "hint": failure.hint}
    return {**said, "problems": problems}
