"""A step is one change of one resource, and the way back: revert is the same step with its two states swapped."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.core.drift import FieldDrift
from reconciler.core.identity import ResourceId
from reconciler.core.kind import Kinds
from reconciler.core.state import AnyState, state_from_json, state_to_json


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    PRUNE = "prune"


class Risk(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


_RISK = {Action.CREATE: Risk.LOW, Action.UPDATE: Risk.MEDIUM, Action.PRUNE: Risk.HIGH}


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one resource, from `before` to `after`, and back by swapping them.

    What `runs` runs on other things: it is stopped before those are taken back, and brought back after them. It is
    brought `anew` where it is as it should be, but was started with something else in their place.
    """

    resource: ResourceId
    action: Action
    before: AnyState
    after: AnyState
    drift: tuple[FieldDrift, ...]
    needs: tuple[ResourceId, ...] = ()
    implied_by: ResourceId | None = None
    runs: bool = False
    anew: bool = False

    @property
    def risk(self) -> Risk:
        return _RISK[self.action]

    @property
    def destructive(self) -> bool:
        return self.action is Action.PRUNE

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.anew:
            return "what it reads was not as declared: it is started anew"
        if self.action is Action.UPDATE:
            return ", ".join(str(field) for field in self.drift)
        if self.action is Action.PRUNE:
            return "no longer in the desired state"
        return f"needed by {self.implied_by}" if self.implied_by else "does not exist yet"


def step_to_json(step: Step) -> dict[str, Any]:
    return {
        "resource": str(step.resource),
        "action": str(step.action),
        "before": state_to_json(step.before),
        "after": state_to_json(step.after),
        "needs": [str(need) for need in step.needs],
        "impliedBy": str(step.implied_by) if step.implied_by else None,
        **({"runs": True} if step.runs else {}),
        **({"anew": True} if step.anew else {}),
    }


def step_from_json(data: Mapping[str, Any], kinds: Kinds) -> Step:
    """The inverse. Raises KeyError or ValueError for another shape or an unknown kind."""
    id = ResourceId.parse(data["resource"])
    kind = kinds[id.kind]
    before, after = (state_from_json(data[side], kind.state) for side in ("before", "after"))
    return Step(
        resource=id,
        action=Action(data["action"]),
        before=before,
        after=after,
        drift=kind.diff(after, before),
        needs=tuple(ResourceId.parse(need) for need in data["needs"]),
        implied_by=ResourceId.parse(data["impliedBy"]) if data["impliedBy"] else None,
        runs=bool(data.get("runs", False)),
        anew=bool(data.get("anew", False)),
    )
