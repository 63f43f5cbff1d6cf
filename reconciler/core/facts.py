"""All that is known of a device at one moment, from which everything that is said of it follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.core.errors import Failure
from reconciler.core.identity import DeviceName, Digest, Generation, Revision
from reconciler.core.journal import Fault, Outcome
from reconciler.core.pace import Hold
from reconciler.core.probe import Finding


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
class AppStatus:
    """What the device says of an app: `update` is its last one, with `status` and `timestamp`."""

    version: str | None
    previous_good: str | None
    update: Mapping[str, Any] | None


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
    on_trial: bool = False
    health: tuple[Finding, ...] = ()
    apps: Mapping[str, AppStatus] = field(default_factory=dict)
    next_sync: datetime | None = None
