"""A plan, a drift and a difference as text that a person reads, and as JSON that a script does.

Text from a host or a repo is not trusted with a terminal: control characters are shown, not sent.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.drift import Drift
from reconciler.core.identity import ResourceId, Revision
from reconciler.core.plan import Plan
from reconciler.core.step import Action, Step

SIGN = {Action.CREATE: "+", Action.UPDATE: "~", Action.PRUNE: "-"}
MAX_DIFF_BYTES = 256 * 1024
"""Of one side; larger texts are said to differ, and not shown."""

Diffs = Mapping[ResourceId, str]


def plan_to_json(plan: Plan, commit: Revision | None, diffs: Diffs) -> dict[str, Any]:
    return {
        "device": str(plan.device),
        "commit": str(commit) if commit else None,
        "digest": str(plan.digest),
        "changes": [_change(step, diffs) for step in plan.steps],
        "withheld": [{"resource": str(d.resource), "fields": [str(f) for f in d.fields]} for d in plan.withheld],
        "blocked": [{"resource": str(b.resource), "reason": b.reason} for b in plan.blocked],
        "released": [str(id) for id in plan.released],
    }


def plan_to_text(plan: Plan, diffs: Diffs) -> Iterator[str]:
    """Line by line, in the order in which it would happen."""
    for number, wave in enumerate(plan.waves, start=1):
        yield f"wave {number} of {len(plan.waves)}"
        for step in wave:
            yield from _step_lines(step, diffs)
    for drift in plan.withheld:
        yield f"  ! {clean(str(drift.resource))} drifted and is only observed: {_fields(drift)}"
    for id in plan.released:
        yield f"  · {clean(str(id))} is let go: it was here before reconciler"
    for blocked in plan.blocked:
        yield f"  × {clean(str(blocked.resource))} cannot be brought: {clean(blocked.reason)}"
    yield _tally(plan)
    if not plan.is_empty:
        yield f"digest {plan.digest}"


def drift_to_text(drift: Drift, diff: str | None) -> Iterator[str]:
    yield f"~ {clean(str(drift.resource))}: {_fields(drift)}"
    if diff:
        yield from (f"    {clean(line)}" for line in diff.splitlines())


def drift_to_json(drift: Drift, diff: str | None) -> dict[str, Any]:
    fields = [
        {"field": f.field, "desired": _jsonable(f.desired), "observed": _jsonable(f.observed)} for f in drift.fields
    ]
    return {"resource": str(drift.resource), "fields": fields, "diff": diff}


def text_diff(before: bytes | None, after: bytes | None, name: str) -> str:
    """A unified diff of two contents, None where there is none; a sentence where they are large or no text."""
    if max(len(before or b""), len(after or b"")) > MAX_DIFF_BYTES:
        return f"(large: {len(before or b'')} → {len(after or b'')} bytes)"
    try:
        old, new = ((side or b"").decode() for side in (before, after))
    except UnicodeDecodeError:
        return f"(binary: {len(before or b'')} → {len(after or b'')} bytes)"
    sides = ("/dev/null" if before is None else name, "/dev/null" if after is None else name)
    lines = difflib.unified_diff(_lines(old), _lines(new), *sides, lineterm="")
    return "\n".join(lines)


def clean(text: str) -> str:
    """Control characters other than tabs made visible (`\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def _lines(text: str) -> list[str]:
    """Lines without their ends, a missing last end said as git does."""
    lines = text.split("\n")
    if lines[-1] == "":
        return lines[:-1]
    return [*lines, "\\ No newline at end of file"]


def _change(step: Step, diffs: Diffs) -> dict[str, Any]:
    return {
        "resource": str(step.resource),
        "action": str(step.action),
        "summary": step.summary,
        "diff": diffs.get(step.resource),
        "risk": str(step.risk),
        "destructive": step.destructive,
        "dependsOn": [str(need) for need in step.needs],
    }


def _step_lines(step: Step, diffs: Diffs) -> Iterator[str]:
    yield f"  {SIGN[step.action]} {clean(str(step.resource))}  {step.action}, {clean(step.summary)} [{step.risk} risk]"
    diff = diffs.get(step.resource)
    if diff:
        yield from (f"      {clean(line)}" for line in diff.splitlines())


def _fields(drift: Drift) -> str:
    return clean(", ".join(str(field) for field in drift.fields))


def _tally(plan: Plan) -> str:
    if plan.is_empty:
        return f"{len(plan.blocked)} blocked" if plan.blocked else "nothing to do"
    counts = {action: sum(step.action is action for step in plan.steps) for action in SIGN}
    return ", ".join(f"{count} to {action}" for action, count in counts.items() if count)


def _jsonable(value: object) -> object:
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)
