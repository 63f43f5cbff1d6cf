"""What is to be brought: the new desired state, the one in force, or an earlier one to go back to."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.agent.follow import Followed
from reconciler.agent.parts import Parts
from reconciler.core.desired import Desired, Mode, canonical
from reconciler.core.errors import Broken, UnknownGeneration
from reconciler.core.identity import Digest, Generation, ResourceId, Revision
from reconciler.core.inventory import Limits
from reconciler.core.journal import Outcome, Purpose
from reconciler.core.pace import Due, Hold, HoldKind, pace
from reconciler.core.pace import in_force as in_force_now
from reconciler.core.status import Applied, Quarantined


@dataclass(frozen=True, slots=True)
class Target:
    """A desired state to be brought, as which generation, and why."""

    desired: Desired
    generation: Generation
    purpose: Purpose
    commit: Revision
    author: str = ""
    subject: str = ""


def new(parts: Parts, followed: Followed, holds: Iterable[Hold]) -> Target | None:
    """What the head asks for; None where that is in force, or a hold keeps it away."""
    desired, applied = followed.desired, parts.store.generations.applied()
    if not isinstance(pace(holds, parts.now()), Due) or (applied and applied.digest == desired.digest):
        return None
    newest = parts.store.generations.newest()
    number = newest.generation.number if newest else 0
    is_again = newest is not None and newest.digest == desired.digest
    generation = Generation(number if is_again else number + 1)
    return Target(desired, generation, Purpose.NEW, followed.head.commit, followed.author, followed.subject)


def in_force(parts: Parts, followed: Followed | None) -> Target | None:
    """The generation that was applied last, as it was then; None where none was and nothing is owned."""
    applied = parts.store.generations.applied()
    if applied is None:
        # A first generation that could not be wholly taken back leaves things behind: they go.
        leftovers = parts.store.inventory.load().owned
        return Target(_nothing(parts), Generation(1), Purpose.REPAIR, Revision("0" * 40)) if leftovers else None
    if followed and followed.desired.digest == applied.digest:
        return Target(followed.desired, applied.generation, Purpose.REPAIR, followed.head.commit)
    return Target(_as_applied(parts, applied), applied.generation, Purpose.REPAIR, applied.commit)


def leaving_alone(target: Target, flapping: Collection[ResourceId]) -> Target:
    """The same, but that drift of these is only reported."""
    resources = dict(target.desired.resources)
    for id in flapping:
        if id in resources:
            resources[id] = replace(resources[id], rule=Mode.OBSERVE)
    return replace(target, desired=replace(target.desired, resources=resources)) if flapping else target


def earlier(parts: Parts, number: int | None) -> Target:
    """A good generation by its number, or the newest before that in force. Raises UnknownGeneration."""
    hint = "`reconciler history` lists them"
    applied = parts.store.generations.applied()
    if applied is None:
        raise UnknownGeneration("cannot go back: nothing was applied here yet", hint=hint)
    good = [record for record in parts.store.generations.at_hand() if record.result == Outcome.CONVERGED]
    if number is None:
        record = next((record for record in good if record.generation < applied.generation), None)
        what = f"cannot go back: there is no good generation before {applied.generation}"
    else:
        record = next((record for record in good if record.generation.number == number), None)
        what = f"cannot go to generation {number}: it is not kept, or never was good"
    if record is None:
        raise UnknownGeneration(what, hint=hint)
    return Target(parts.store.load_desired(record.desired), record.generation, Purpose.ROLLBACK, record.commit)


def holds(parts: Parts, followed: Followed | None) -> tuple[Hold, ...]:
    """Those that an operator set, and the one that quarantine is."""
    barred = parts.store.quarantine.get(followed.desired.digest) if followed else None
    held = in_force_now(parts.store.holds.all(), parts.now())
    return (*held, *((_quarantine_hold(barred),) if barred else ()))


def observe_hold(parts: Parts) -> Hold:
    lift = "set `mode: enforce` in the desired state"
    return Hold(HoldKind.OBSERVE, "the desired state says `mode: observe`", parts.now(), lift)


def rollback_hold(parts: Parts, generation: Generation) -> Hold:
    reason = f"rolled back to generation {generation}"
    return Hold(HoldKind.ROLLBACK, reason, parts.now(), "`reconciler resume` follows the repo again")


def suspend_hold(parts: Parts, reason: str, until: datetime | None) -> Hold:
    return Hold(HoldKind.SUSPENDED, reason, parts.now(), "`reconciler resume`", until)


def confirm(parts: Parts, target: Target) -> None:
    """Another commit that asks for what is in force is now the one that does."""
    applied = parts.store.generations.applied()
    if applied and applied.digest == target.desired.digest and applied.commit != target.commit:
        with parts.store.transaction():
            parts.store.generations.apply(replace(applied, commit=target.commit))


def _as_applied(parts: Parts, applied: Applied) -> Desired:
    record = parts.store.generations.get(applied.generation)
    if record is None:
        raise Broken(f"cannot keep up generation {applied.generation}: history does not tell of it")
    return parts.store.load_desired(record.desired)


def _quarantine_hold(entry: Quarantined) -> Hold:
    lift = f"push a commit that mends it, or `reconciler quarantine clear {entry.digest}`"
    return Hold(HoldKind.QUARANTINE, f"this desired state failed here: {entry.fault.message}", entry.at, lift)


def _nothing(parts: Parts) -> Desired:
    unlimited = Limits(max_deletes=1 << 30, max_delete_percent=100)
    return Desired(parts.settings.device, Digest.of(canonical({})), Mode.ENFORCE, {}, unlimited)
