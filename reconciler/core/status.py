"""What a device says of itself is computed from what it knows, never remembered beside it.

The one exception is since when a condition holds: that is carried over from the status published before.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.core.condition import Condition, conditions, healthy
from reconciler.core.errors import Broken, Rejected
from reconciler.core.facts import Applied, AppStatus, Facts, Head, Quarantined
from reconciler.core.journal import Outcome
from reconciler.core.pace import Hold, HoldKind, rfc3339
from reconciler.core.probe import Finding, worst

SCHEMA = 1


class Phase(StrEnum):
    STARTING = "starting"
    CONVERGED = "converged"
    APPLYING = "applying"
    VERIFYING = "verifying"
    HELD = "held"
    SUSPENDED = "suspended"
    ROLLED_BACK = "rolledBack"
    FAILED = "failed"
    DEGRADED = "degraded"


_PHASE_OF = {
    HoldKind.SUSPENDED: Phase.SUSPENDED,
    HoldKind.ROLLBACK: Phase.ROLLED_BACK,
    HoldKind.FLAPPING: Phase.DEGRADED,
    HoldKind.QUARANTINE: Phase.HELD,
    HoldKind.WINDOW: Phase.HELD,
    HoldKind.CLOCK: Phase.HELD,
    HoldKind.APP: Phase.HELD,
    HoldKind.OBSERVE: Phase.HELD,
}
"""The first of these holds that there is."""


def phase(facts: Facts) -> Phase:
    """The first that fits: what happens now, what went wrong, what it waits for, where it is."""
    if facts.applying:
        return Phase.APPLYING
    if facts.on_trial:
        return Phase.VERIFYING
    if isinstance(facts.failure, Rejected) or facts.outcome in (Outcome.REVERTED, Outcome.STUCK):
        return Phase.FAILED
    if facts.outcome is Outcome.FAILED or (facts.blocked and facts.applied):
        return Phase.DEGRADED
    if isinstance(facts.failure, Broken):
        return Phase.FAILED
    kinds = {hold.kind for hold in facts.holds}
    for kind, standing in _PHASE_OF.items():
        if kind in kinds:
            return standing
    return Phase.CONVERGED if facts.applied else Phase.STARTING


def project(facts: Facts, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The status document. `before` is the one published last: a condition that has not changed keeps its `since`."""
    return {
        "schema": SCHEMA,
        "device": str(facts.device),
        "agentVersion": facts.agent_version,
        "desired": _head_to_json(facts.head),
        "applied": _applied_to_json(facts.applied),
        "phase": str(phase(facts)),
        "conditions": [_condition_to_json(condition, facts.now, before or {}) for condition in conditions(facts)],
        "resources": {
            "total": facts.tally.total,
            "converged": facts.tally.converged,
            "drifted": facts.tally.drifted,
            "failed": facts.tally.failed,
        },
        "apps": {name: _app_to_json(app) for name, app in sorted(facts.apps.items())},
        "health": health_to_json(facts.health),
        "holds": [hold.to_json() for hold in facts.holds],
        "quarantine": [_quarantined_to_json(entry) for entry in facts.quarantine],
        "lastSync": rfc3339(facts.now),
        "nextSync": rfc3339(facts.next_sync) if facts.next_sync else None,
    }


def with_holds(
    document: Mapping[str, Any], holds: tuple[Hold, ...], quarantine: tuple[Quarantined, ...]
) -> dict[str, Any]:
    """The same status after an operator held or released the device, and before its next pass."""
    kinds = {hold.kind for hold in holds}
    if HoldKind.SUSPENDED in kinds:
        standing = Phase.SUSPENDED
    elif HoldKind.ROLLBACK in kinds:
        standing = Phase.ROLLED_BACK
    else:
        before = Phase(document["phase"])
        standing = Phase.CONVERGED if before in (Phase.SUSPENDED, Phase.ROLLED_BACK) else before
    shown = {"holds": [hold.to_json() for hold in holds], "quarantine": [_quarantined_to_json(q) for q in quarantine]}
    return {**document, "phase": str(standing), **shown}


def health_to_json(findings: Iterable[Finding]) -> dict[str, Any]:
    found = list(findings)
    return {"status": str(worst(f.verdict.health for f in found)), "checks": [_finding_to_json(f) for f in found]}


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    verdict = finding.verdict
    return {
        "name": finding.check,
        "status": str(verdict.health),
        "message": verdict.message,
        "value": verdict.value,
        "since": rfc3339(finding.since),
        "app": finding.app,
    }


def _app_to_json(app: AppStatus) -> dict[str, Any]:
    return {"version": app.version, "previousGood": app.previous_good, "lastUpdate": app.update}


def with_health(document: Mapping[str, Any], health: tuple[Finding, ...], now: datetime) -> dict[str, Any]:
    """The same status after checks were asked again."""
    anew = _condition_to_json(healthy(health), now, document)
    conditions = [anew if one["type"] == "Healthy" else one for one in document["conditions"]]
    return {**document, "conditions": conditions, "health": health_to_json(health)}


def _condition_to_json(condition: Condition, now: datetime, before: Mapping[str, Any]) -> dict[str, Any]:
    same = (c for c in before.get("conditions", ()) if c["type"] == condition.type and c["status"] == condition.status)
    since = next((c["since"] for c in same), rfc3339(now))
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "hint": condition.hint,
        "since": since,
    }


def _head_to_json(head: Head | None) -> dict[str, Any] | None:
    if head is None:
        return None
    return {
        "commit": str(head.commit),
        "ref": head.ref,
        "signer": head.signer,
        "fetchedAt": rfc3339(head.fetched_at),
    }


def _applied_to_json(applied: Applied | None) -> dict[str, Any]:
    if applied is None:
        return {"commit": None, "generation": None, "at": None}
    return {"commit": str(applied.commit), "generation": applied.generation.number, "at": rfc3339(applied.at)}


def _quarantined_to_json(entry: Quarantined) -> dict[str, Any]:
    return {
        "commit": str(entry.commit),
        "specDigest": str(entry.digest),
        "reason": entry.fault.message,
        "at": rfc3339(entry.at),
    }
