"""What a pass would do, or what has drifted, with the texts that a person compares. Nothing managed is touched."""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.agent import target as targets
from reconciler.agent.activate import planned
from reconciler.agent.follow import Followed, Material, follow
from reconciler.agent.main import prepare
from reconciler.agent.observe import look
from reconciler.agent.parts import Parts
from reconciler.core.desired import Mode
from reconciler.core.drift import Drift
from reconciler.core.errors import Failure
from reconciler.core.host import HostView, Payloads
from reconciler.core.identity import ResourceId, Revision
from reconciler.core.kind import Content
from reconciler.core.pace import Hold
from reconciler.core.plan import Plan
from reconciler.core.render import text_diff
from reconciler.core.state import AnyState, State


@dataclass(frozen=True, slots=True)
class Preview:
    """`holds` are what would keep a sync from carrying the plan out now."""

    followed: Followed
    plan: Plan
    diffs: dict[ResourceId, str]
    holds: tuple[Hold, ...]


def preview(parts: Parts, revision: Revision | None = None) -> Preview:
    """Of the head, or of a revision that descends from the floor. Raises Rejected, Transient or Broken."""
    prepare(parts.settings)
    followed = follow(parts, keep=False, revision=revision)
    plan, _, _ = planned(parts, followed.desired)
    observing = (targets.observe_hold(parts),) if followed.desired.mode is Mode.OBSERVE else ()
    changes = ((step.resource, step.before, step.after) for step in plan.steps)
    diffs = texts(parts, changes, followed.material)
    return Preview(followed, plan, diffs, (*targets.holds(parts, followed), *observing))


def drifts(parts: Parts) -> tuple[list[Drift], dict[ResourceId, str]]:
    """Observed against applied; what is left to be pruned is no drift."""
    target = targets.in_force(parts, None)
    if target is None:
        return [], {}
    resources = target.desired.resources
    observed = look(resources, parts.kinds, parts.look())
    compared = ((id, parts.kinds[id.kind].diff(resources[id].state, observed[id])) for id in resources)
    found = [Drift(id, fields) for id, fields in compared if fields]
    changes = ((drift.resource, observed[drift.resource], resources[drift.resource].state) for drift in found)
    return found, texts(parts, changes, Material(parts))


def texts(
    parts: Parts, changes: Iterable[tuple[ResourceId, AnyState, AnyState]], payloads: Payloads
) -> dict[ResourceId, str]:
    """A unified diff for each resource that is a text, and differs as one."""
    view, found = parts.look(), {}
    for id, before, after in changes:
        content = parts.kinds[id.kind].content
        if content is not None and (diff := _text(content, id, (before, after), view, payloads)):
            found[id] = diff
    return found


def _text(
    content: Content, id: ResourceId, states: tuple[AnyState, AnyState], view: HostView, payloads: Payloads
) -> str:
    before, after = states
    try:
        old = b"".join(content.read(id.name, view)) if isinstance(before, State) else None
        new = content.render(after, old, payloads) if isinstance(after, State) else None
    except Failure as failure:
        return f"(cannot be shown: {failure})"
    return "" if old == new else text_diff(old, new, id.name)
