"""What is to be brought: the new desired state, the one in force, or an earlier one to go back to."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from reconciler.agent.follow import Followed
from reconciler.agent.parts import Parts
from reconciler.core.desired import Desired, Mode, canonical
from reconciler.core.errors import Broken, UnknownGeneration
from reconciler.core.facts import Applied, Quarantined
from reconciler.core.identity import Digest, Generation, ResourceId, Revision
from reconciler.core.inventory import Limits
from reconciler.core.journal import Outcome, Purpose
from reconciler.core.pace import Due, Hold, HoldKind, pace, rfc3339
from reconciler.core.pace import in_force as in_force_now
from reconciler.core.state import State
from reconciler.core.window import PAST, SET_BACK, is_plausible, shut
from reconciler.store.floor import Floor

_UNLIMITED = Limits(max_deletes=1 << 30, max_delete_percent=100)


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
    if applied and applied.digest == desired.digest:
        return None
    if is_held(parts, desired, holds):
        return None
    newest = parts.store.generations.newest()
    number = newest.generation.number if newest else 0
    is_again = newest is not None and newest.digest == desired.digest
    generation = Generation(number if is_again else number + 1)
    return Target(desired, generation, Purpose.NEW, followed.head.commit, followed.author, followed.subject)


def is_held(parts: Parts, desired: Desired, holds: Iterable[Hold]) -> bool:
    """Whether something keeps this desired state away; an app that is held keeps away only what changes it."""
    against = [hold for hold in holds if hold.kind is not HoldKind.APP or _touches(parts, desired, hold.subject)]
    return not isinstance(pace(against, parts.now()), Due)


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


def leaving_alone(target: Target, flapping: Collection[ResourceId], holds: Iterable[Hold] = ()) -> Target:
    """The same, but that drift of these, and of apps that are held, is only reported."""
    apps = {hold.subject for hold in holds if hold.kind is HoldKind.APP}
    if not flapping and not apps:
        return target
    resources = {
        id: replace(resource, rule=Mode.OBSERVE) if id in flapping or resource.app in apps else resource
        for id, resource in target.desired.resources.items()
    }
    return replace(target, desired=replace(target.desired, resources=resources))


def earlier(parts: Parts, number: int | None, *, from_trial: bool) -> Target:
    """A good generation by its number, or the newest before that in force; before one on trial, that in force.

    Raises UnknownGeneration.
    What came since goes, however much it is: an operator says so, and no commit could raise the limits of back then.
    """
    hint = "`reconciler history` lists them"
    applied = parts.store.generations.applied()
    if applied is None:
        raise UnknownGeneration("cannot go back: nothing was applied here yet", hint=hint)
    good = [record for record in parts.store.generations.at_hand() if record.result == Outcome.CONVERGED]
    if number is None:
        last = applied.generation.number - (0 if from_trial else 1)
        record = next((record for record in good if record.generation.number <= last), None)
        what = f"cannot go back: there is no good generation before {applied.generation}"
    else:
        record = next((record for record in good if record.generation.number == number), None)
        what = f"cannot go to generation {number}: it is not kept, or never was good"
    if record is None:
        raise UnknownGeneration(what, hint=hint)
    desired = parts.store.load_desired(record.desired)
    desired = replace(desired, limits=replace(_UNLIMITED, protected=desired.limits.protected))
    return Target(desired, record.generation, Purpose.ROLLBACK, record.commit)


def holds(parts: Parts, followed: Followed | None) -> tuple[Hold, ...]:
    """Those that an operator set, and what keeps the head of the repo away: quarantine, a window, a clock."""
    held = in_force_now(parts.store.holds.all(), parts.now())
    if followed is None:
        return held
    barred = parts.store.quarantine.get(followed.desired.digest)
    if barred:
        return (*held, _quarantine_hold(barred))
    waits = _window_hold(parts, followed)
    return (*held, *((waits,) if waits else ()))


def _window_hold(parts: Parts, followed: Followed) -> Hold | None:
    """Of a change that is asked for; what is in force is kept up at any time, and the first one waits for nothing."""
    windows, applied, now = followed.desired.windows, parts.store.generations.applied(), parts.now()
    if not windows or applied is None or applied.digest == followed.desired.digest:
        return None
    floor = parts.store.floor.get()
    if (disbelieved := _clock_hold(applied, floor, now)) is not None:
        return disbelieved
    closed = shut(windows, {zone: ZoneInfo(zone) for zone in windows.zones}, now)
    if closed is None:
        return None
    since = floor.at if floor else now
    return Hold(HoldKind.WINDOW, closed.reason, since, "wait, or change `windows` in the desired state", closed.until)


def _clock_hold(applied: Applied, floor: Floor | None, now: datetime) -> Hold | None:
    """Set back far, a clock was wrong before or is now: one that goes on so for a day after a push was wrong before.

    That push alone proves nothing: its moment was told by the clock in question.
    """
    last = max(applied.at, floor.at) if floor else applied.at
    if is_plausible(now, last):
        return None
    ends = [last - SET_BACK, *([floor.at + SET_BACK] if floor and floor.at <= now else [])]
    until = max(PAST, min(ends))
    if until <= now:
        return None
    why = "which cannot be" if now < PAST else f"after it said {rfc3339(last)}"
    reason = f"the clock says {rfc3339(now)}, {why}: no window can be told by it"
    return Hold(HoldKind.CLOCK, reason, now, "set the clock (`timedatectl set-ntp true`)", until)


def _touches(parts: Parts, desired: Desired, app: str) -> bool:
    """Whether it asks for something else of the app than what is in force."""
    applied = parts.store.generations.applied()
    before = _of_app(_as_applied(parts, applied), app) if applied else {}
    return before != _of_app(desired, app)


def _of_app(desired: Desired, app: str) -> dict[ResourceId, State]:
    return {id: resource.state for id, resource in desired.resources.items() if resource.app == app}


def app_hold(parts: Parts, app: str, reason: str, until: datetime | None) -> Hold:
    return Hold(HoldKind.APP, f"{app}: {reason}", parts.now(), f"`reconciler resume --app {app}`", until, app)


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
    return Desired(parts.settings.device, Digest.of(canonical({})), Mode.ENFORCE, {}, _UNLIMITED)
