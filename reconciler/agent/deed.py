"""What an operator may have done to a device. Whoever holds the lock does it: a command, or the agent that it asks.

Arguments and results are plain data, so that they travel.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from reconciler.agent.carry_out import Watch
from reconciler.agent.converge import converge, roll_back
from reconciler.agent.parts import Parts
from reconciler.agent.publish import publish, publish_failure, republish
from reconciler.agent.report import Report, facts
from reconciler.agent.target import suspend_hold
from reconciler.core.errors import Failure, InvalidDocuments, NotFound
from reconciler.core.pace import rfc3339
from reconciler.core.status import Quarantined

Arguments = Mapping[str, Any]
Result = dict[str, Any]
Deed = Callable[[Parts, Arguments, Watch], Result]


def sync(parts: Parts, _arguments: Arguments, watch: Watch) -> Result:
    """One whole pass, and the status after it."""
    parts.flaps.forget()
    try:
        return concluded(parts, converge(parts, watch))
    except Failure as failure:
        publish_failure(parts, failure)
        raise


def rollback(parts: Parts, arguments: Arguments, watch: Watch) -> Result:
    """To `generation`, or to the good one before that in force. Raises UnknownGeneration."""
    number = arguments.get("generation")
    return concluded(parts, roll_back(parts, int(number) if number is not None else None, watch))


def suspend(parts: Parts, arguments: Arguments, _watch: Watch) -> Result:
    """Nothing is changed until it ends (`seconds`) or is resumed; drift is still reported."""
    seconds = arguments.get("seconds")
    until = parts.now() + timedelta(seconds=float(seconds)) if seconds is not None else None
    hold = suspend_hold(parts, str(arguments["reason"]), until)
    with parts.store.transaction():
        parts.store.holds.set(hold)
    republish(parts)
    return hold.to_json()


def resume(parts: Parts, _arguments: Arguments, _watch: Watch) -> Result:
    """What was lifted. The next pass follows the repo again."""
    lifted = parts.store.holds.all()
    if lifted:
        with parts.store.transaction():
            for hold in lifted:
                parts.store.holds.lift(hold.kind)
        republish(parts)
    return {"lifted": [hold.to_json() for hold in lifted]}


def clear_quarantine(parts: Parts, arguments: Arguments, _watch: Watch) -> Result:
    """The next pass may try that desired state again. Raises NotFound."""
    entry = quarantined(parts, str(arguments["digest"]))
    with parts.store.transaction():
        parts.store.quarantine.clear(entry.digest)
    republish(parts)
    return quarantined_to_json(entry)


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
    }


def concluded(parts: Parts, report: Report) -> Result:
    """A pass as scripts read it: `result` is converged, held or failed."""
    status = publish(parts, facts(parts, report))
    return {
        "result": "failed" if report.failure else "held" if report.holds else "converged",
        "changes": [str(step.resource) for step in report.plan.steps] if report.plan else [],
        "error": failure_to_json(report.failure) if report.failure else None,
        "status": status,
    }


def failure_to_json(failure: Failure) -> Result:
    problems = [str(problem) for problem in failure.problems] if isinstance(failure, InvalidDocuments) else []
    said = {"code": failure.code, "message": failure.message, "where": failure.where, "hint": failure.hint}
    return {**said, "problems": problems}
