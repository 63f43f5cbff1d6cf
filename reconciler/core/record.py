"""How an entry of the journal is written down, and read back: with its format, so that no release guesses."""

from collections.abc import Mapping
from typing import Any, assert_never

from reconciler.core.errors import ForeignFormat
from reconciler.core.identity import Generation, ResourceId, Revision
from reconciler.core.journal import (
    Begun,
    Closed,
    Done,
    Entry,
    Failed,
    Fault,
    Opened,
    Outcome,
    Proved,
    Purpose,
    Resumed,
    Stuck,
    Turned,
    Undoing,
    Undone,
)
from reconciler.core.kind import Kinds
from reconciler.core.plan import Plan

FORMAT = 1

_PLAIN: dict[str, type[Begun | Done | Undoing | Undone]] = {
    "begun": Begun,
    "done": Done,
    "undoing": Undoing,
    "undone": Undone,
}


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """With the format, so that a release that does not know it says so."""
    head: dict[str, Any] = {"format": FORMAT, "entry": type(entry).__name__.lower()}
    match entry:
        case Opened(plan, generation, purpose, commit, taken_on):
            taken = [str(id) for id in taken_on]
            said = {"generation": generation.number, "purpose": str(purpose), "commit": str(commit), "takenOn": taken}
            return {**head, "plan": plan.to_json(), **said}
        case Resumed() | Proved():
            return head
        case Begun(steps) | Done(steps) | Undoing(steps) | Undone(steps):
            return {**head, "steps": list(steps)}
        case Failed(step, fault) | Stuck(step, fault):
            return {**head, "step": step, "fault": _fault_to_json(fault)}
        case Turned(fault):
            return {**head, "fault": _fault_to_json(fault)}
        case Closed(outcome):
            return {**head, "outcome": str(outcome)}
        case _:
            assert_never(entry)


def entry_from_json(data: Mapping[str, Any], kinds: Kinds) -> Entry:
    """The inverse of `entry_to_json`. Raises ForeignFormat for anything else."""
    if data.get("format") != FORMAT:
        raise ForeignFormat(
            f"cannot read the journal: an entry has format {data.get('format')!r}, this release reads {FORMAT}",
            hint="run the release of reconciler that wrote it, until its plan is closed",
        )
    try:
        return _entry(data, kinds)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ForeignFormat(f"cannot read the journal: {type(error).__name__}: {error}") from error


def _entry(data: Mapping[str, Any], kinds: Kinds) -> Entry:
    match data["entry"]:
        case "opened":
            plan = Plan.from_json(data["plan"], kinds)
            taken_on = tuple(ResourceId.parse(text) for text in data["takenOn"])
            generation, purpose = Generation(data["generation"]), Purpose(data["purpose"])
            return Opened(plan, generation, purpose, Revision(data["commit"]), taken_on)
        case "resumed":
            return Resumed()
        case "proved":
            return Proved()
        case "begun" | "done" | "undoing" | "undone" as name:
            return _PLAIN[name](tuple(int(step) for step in data["steps"]))
        case "failed":
            return Failed(int(data["step"]), _fault_from_json(data["fault"]))
        case "stuck":
            return Stuck(int(data["step"]), _fault_from_json(data["fault"]))
        case "turned":
            return Turned(_fault_from_json(data["fault"]))
        case "closed":
            return Closed(Outcome(data["outcome"]))
        case other:
            raise ValueError(f"no entry is called {other!r}")


def _fault_to_json(fault: Fault) -> dict[str, Any]:
    said = {"code": fault.code, "message": fault.message, "transient": fault.transient}
    return {**said, "evidence": list(fault.evidence)} if fault.evidence else said


def _fault_from_json(data: Mapping[str, Any]) -> Fault:
    return Fault(data["code"], data["message"], data["transient"], tuple(data.get("evidence", ())))
