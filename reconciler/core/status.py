"""What a device says of itself is computed from what it knows, never remembered beside it.

The one exception is since when a condition holds: that is carried over from the status published before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.core.errors import Broken, Failure, Rejected, Transient
from reconciler.core.identity import DeviceName, Digest, Generation, Revision
from reconciler.core.journal import Fault, Outcome
from reconciler.core.pace import Hold, HoldKind, rfc3339

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


@dataclass(frozen=True, slots=True)
class Applied:
    """The generation in force; `at` is when it was."""

    generation: Generation
    commit: Revision
    digest: Digest
    at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """The newest accepted revision, and when the source last confirmed it."""

    commit: Revision
    ref: str
    fetched_at: datetime
    signer: str | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A desired state that failed here and is not tried again until an operator clears it."""

    digest: Digest
    commit: Revision
    fault: Fault
    at: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """Resources that are declared, counted. Implied folders are not."""

    total: int = 0
    converged: int = 0
    drifted: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a status is projected from. `failure` is why the last pass fell short, `outcome` how its plan ended."""

    device: DeviceName
    agent_version: str
    now: datetime
    head: Head | None = None
    applied: Applied | None = None
    applying: bool = False
    outcome: Outcome | None = None
    failure: Failure | None = None
    blocked: int = 0
    tally: Tally = field(default_factory=Tally)
    holds: tuple[Hold, ...] = ()
    quarantine: tuple[Quarantined, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: str
    reason: str
    message: str
    hint: str | None = None


_PHASE_OF = {
    HoldKind.SUSPENDED: Phase.SUSPENDED,
    HoldKind.ROLLBACK: Phase.ROLLED_BACK,
    HoldKind.FLAPPING: Phase.DEGRADED,
    HoldKind.QUARANTINE: Phase.HELD,
    HoldKind.OBSERVE: Phase.HELD,
}
"""The first of these holds that there is."""


def phase(facts: Facts) -> Phase:
    """The first that fits: what happens now, what went wrong, what it waits for, where it is."""
    if facts.applying:
        return Phase.APPLYING
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


def conditions(facts: Facts) -> tuple[Condition, ...]:
    return (_synced(facts), _healthy(), _trusted(), _fresh(facts), _drift_free(facts))


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
        "apps": {},
        "health": {"status": "UNKNOWN", "checks": []},
        "holds": [hold.to_json() for hold in facts.holds],
        "quarantine": [_quarantined_to_json(entry) for entry in facts.quarantine],
        "lastSync": rfc3339(facts.now),
        "nextSync": None,
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


def _synced(facts: Facts) -> Condition:
    if facts.failure is not None:
        return Condition("Synced", "False", _camel(facts.failure.code), str(facts.failure), facts.failure.hint)
    if facts.outcome not in (None, Outcome.CONVERGED):
        return Condition("Synced", "False", "ApplyFailed", f"the last plan ended {facts.outcome}")
    if facts.holds:
        return Condition("Synced", "False", "Held", facts.holds[0].reason)
    if facts.applied is None:
        return Condition("Synced", "Unknown", "NeverSynced", "nothing was applied here yet")
    return Condition("Synced", "True", "Applied", f"generation {facts.applied.generation} is in force")


def _healthy() -> Condition:
    return Condition("Healthy", "Unknown", "NoChecks", "no health checks are declared")


def _trusted() -> Condition:
    return Condition("Trusted", "False", "Unsigned", "signatures are not verified: any commit of the repo is accepted")


def _fresh(facts: Facts) -> Condition:
    if facts.head is None:
        return Condition("Fresh", "Unknown", "NeverFetched", "the desired-state repo was not reached yet")
    if isinstance(facts.failure, Transient) and facts.failure.code == "source-unreachable":
        return Condition("Fresh", "False", "SourceUnreachable", str(facts.failure), facts.failure.hint)
    return Condition("Fresh", "True", "Confirmed", f"{facts.head.ref} is at {facts.head.commit.short}")


def _drift_free(facts: Facts) -> Condition:
    amiss = facts.tally.drifted + facts.tally.failed
    if not facts.tally.total:
        return Condition("DriftFree", "Unknown", "NothingDeclared", "no resources are declared")
    if amiss:
        return Condition("DriftFree", "False", "Drifted", f"{amiss} of {facts.tally.total} not as desired")
    return Condition("DriftFree", "True", "AsDesired", f"all {facts.tally.total} as desired")


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


def _camel(code: str) -> str:
    return "".join(word.capitalize() for word in code.split("-"))
