"""A plan is an immutable value: what would change on this device, in which order, and with what risk.

It is made by thinking alone, from what is desired, observed and owned; the same three give the same plan and digest
everywhere, so that what was previewed is what is carried out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.core.desired import Desired, Mode, Resource, canonical
from reconciler.core.drift import Drift
from reconciler.core.identity import DeviceName, Digest, ResourceId
from reconciler.core.inventory import Inventory, Origin, Owned
from reconciler.core.kind import Kinds
from reconciler.core.observed import Observed
from reconciler.core.order import waves
from reconciler.core.state import ABSENT, Absent, AnyState, Occupied, State, Unreadable
from reconciler.core.step import Action, Step, step_from_json, step_to_json

ACCESS = ("mode", "owner", "group")
"""Fields that say who may do what with a thing, not what is in it."""

Wave = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """A resource that cannot be brought: it cannot be seen, or something of ours or not ours stands in its way."""

    resource: ResourceId
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`withheld` is drift that a rule says only to report; `released` is let go untouched; `gone` went by itself."""

    device: DeviceName
    desired: Digest
    waves: tuple[Wave, ...]
    withheld: tuple[Drift, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    released: tuple[ResourceId, ...] = ()
    gone: tuple[ResourceId, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for wave in self.waves for step in wave)

    @property
    def is_empty(self) -> bool:
        return not self.waves

    @property
    def farewell(self) -> int:
        """From which wave on things only leave: by then all that is new is there, and can be looked at."""
        first = len(self.waves)
        while first and all(step.action is Action.PRUNE for step in self.waves[first - 1]):
            first -= 1
        return first

    @property
    def prunes(self) -> tuple[ResourceId, ...]:
        return tuple(step.resource for step in self.steps if step.action is Action.PRUNE)

    @property
    def digest(self) -> Digest:
        """Of all that would be done: device, desired state, and every step with both its states."""
        done = {
            "device": str(self.device),
            "desired": str(self.desired),
            "waves": [[step_to_json(step) for step in wave] for wave in self.waves],
            "released": [str(id) for id in self.released],
        }
        return Digest.of(canonical(done))

    def to_json(self) -> dict[str, Any]:
        """For the journal: what carrying out and taking back need, `withheld` and `blocked` not among it."""
        return {
            "device": str(self.device),
            "desired": str(self.desired),
            "waves": [[step_to_json(step) for step in wave] for wave in self.waves],
            "released": [str(id) for id in self.released],
            "gone": [str(id) for id in self.gone],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], kinds: Kinds) -> "Plan":
        """The inverse of `to_json`. Raises ValueError or KeyError for another shape or an unknown kind."""
        return cls(
            device=DeviceName(data["device"]),
            desired=Digest(data["desired"]),
            waves=tuple(tuple(step_from_json(step, kinds) for step in wave) for wave in data["waves"]),
            released=tuple(ResourceId.parse(id) for id in data["released"]),
            gone=tuple(ResourceId.parse(id) for id in data["gone"]),
        )


def make(desired: Desired, observed: Observed, inventory: Inventory, kinds: Kinds) -> Plan:
    """The plan that takes the device from observed to desired. Raises Cycle, OverLimit or Protected."""
    leaving = _Leaving(desired, observed, inventory, kinds)
    found = _Found()
    for resource in desired.resources.values():
        _consider(resource, observed, leaving, kinds, found)
    _block_what_needs_the_withheld(desired, observed, found)
    _stop_in_reverse(found, kinds)
    _start_anew(desired, observed, found, kinds)
    plan = Plan(
        device=desired.device,
        desired=desired.digest,
        waves=(*_waves_of(found, leaving), *_last_waves(leaving)),
        withheld=tuple(found.withheld),
        blocked=(*found.blocked, *leaving.blocked),
        released=leaving.released,
        gone=leaving.gone,
    )
    desired.limits.check(plan.prunes, inventory)
    return plan


def taken_on(desired: Desired, observed: Observed, inventory: Inventory, plan: Plan) -> Iterator[Owned]:
    """What we answer for from now on: desired, not owned yet. An implied folder that was there is not.

    What takes the place of something of ours is made by us, although something was there.
    """
    made = {step.resource for step in plan.steps if step.action is Action.CREATE}
    for id, resource in desired.resources.items():
        if id in inventory or resource.rule is Mode.OBSERVE:
            continue
        created = id in made or isinstance(observed[id], (Absent, Occupied))
        implied = resource.implied_by is not None
        if created or not implied:
            yield Owned(id, Origin.CREATED if created else Origin.ADOPTED, implied)


class _Found:
    """What a look at each desired resource yields."""

    def __init__(self) -> None:
        self.steps: dict[ResourceId, Step] = {}
        self.needs: dict[ResourceId, list[ResourceId]] = {}
        self.withheld: list[Drift] = []
        self.blocked: list[Blocked] = []


class _Leaving:
    """What we own and is no longer desired: pruned if we made it, else let go."""

    def __init__(self, desired: Desired, observed: Observed, inventory: Inventory, kinds: Kinds) -> None:
        undesired = [entry for id, entry in sorted(inventory.owned.items()) if id not in desired.resources]
        ours = [entry.resource for entry in undesired if entry.origin is Origin.CREATED]
        self.released = tuple(entry.resource for entry in undesired if entry.origin is Origin.ADOPTED)
        self.gone = tuple(id for id in ours if isinstance(observed[id], (Absent, Occupied)))
        self.blocked = [Blocked(id, str(observed[id])) for id in ours if isinstance(observed[id], Unreadable)]
        stuck = {*self.gone, *(blocked.resource for blocked in self.blocked)}
        self.needs = _reversed_needs([id for id in ours if id not in stuck], observed, kinds)
        self.steps = {id: _prune(id, observed[id], self.needs[id], kinds) for id in self.needs}
        self.first: set[ResourceId] = set()
        self._places = {place: id for id in self.steps if (place := kinds[id.kind].place(id.name))}

    def from_under(self, id: ResourceId, kinds: Kinds) -> ResourceId | None:
        """The leaving resource that takes the place of `id`, or of a folder above it."""
        place = kinds[id.kind].place(id.name)
        if place is None or not self._places:
            return None
        return next((self._places[above] for above in _upwards(place) if above in self._places), None)

    def stop_first(self) -> list[ResourceId]:
        """What runs and leaves makes room for what runs and comes: of a port or a device there is one."""
        ids = [id for id, step in self.steps.items() if step.runs]
        for id in ids:
            self.go_first(id)
        return ids

    def go_first(self, id: ResourceId) -> None:
        """`id` and all that must go before it are in the way, so they go before anything takes their place."""
        if id not in self.first:
            self.first.add(id)
            for before in self.needs[id]:
                self.go_first(before)


def _consider(resource: Resource, observed: Observed, leaving: _Leaving, kinds: Kinds, found: _Found) -> None:
    id, kind = resource.id, kinds[resource.id.kind]
    before = observed[id]
    in_the_way = leaving.from_under(id, kinds)
    if in_the_way:
        before = ABSENT
    if isinstance(before, (Unreadable, Occupied)):
        found.blocked.append(Blocked(id, str(before)))
        return
    drift = kind.diff(resource.state, before)
    if not drift:
        return
    if resource.rule is Mode.OBSERVE:
        found.withheld.append(Drift(id, drift))
        return
    action = Action.CREATE if isinstance(before, Absent) else Action.UPDATE
    runs = kind.still is not None
    found.steps[id] = Step(id, action, before, resource.state, drift, resource.needs, resource.implied_by, runs)
    found.needs[id] = list(resource.needs)
    if in_the_way:
        leaving.go_first(in_the_way)
        found.needs[id].append(in_the_way)
    if runs:
        found.needs[id].extend(leaving.stop_first())


def _block_what_needs_the_withheld(desired: Desired, observed: Observed, found: _Found) -> None:
    missing = {drift.resource for drift in found.withheld if isinstance(observed[drift.resource], Absent)}
    missing |= {blocked.resource for blocked in found.blocked}
    pending = [id for id in found.steps if any(need in missing for need in found.needs[id])]
    while pending:
        for id in pending:
            need = next(need for need in found.needs[id] if need in missing)
            found.blocked.append(Blocked(id, f"needs {need}, which is not there"))
            del found.steps[id]
        missing.update(pending)
        pending = [id for id in found.steps if any(need in missing for need in desired.resources[id].needs)]


def _stop_in_reverse(found: _Found, kinds: Kinds) -> None:
    """What is only to stop waits for what needs it, and for nothing else that runs."""
    runs = {id for id, step in found.steps.items() if step.runs}
    stops = {id for id in runs if kinds[id.kind].rests(found.steps[id].after)}
    needs = {id: [need for need in found.needs[id] if need in stops] for id in stops}
    for id in stops:
        found.needs[id] = [need for need in found.needs[id] if need not in runs]
    for id, before in needs.items():
        for need in before:
            found.needs[need].append(id)


def _start_anew(desired: Desired, observed: Observed, found: _Found, kinds: Kinds) -> None:
    """What runs, and reads what is mended now, may have been started while that was something else."""
    changed = {id for id, step in found.steps.items() if _is_read(step, kinds)}
    for id, resource in desired.resources.items() if changed else ():
        kind, before = kinds[id.kind], observed[id]
        is_at_rest = kind.still is None or not isinstance(before, State) or kind.rests(before)
        if is_at_rest or id in found.steps or resource.rule is Mode.OBSERVE or not changed.intersection(resource.needs):
            continue
        found.steps[id] = Step(id, Action.UPDATE, before, resource.state, (), resource.needs, runs=True, anew=True)
        found.needs[id] = list(resource.needs)


def _is_read(step: Step, kinds: Kinds) -> bool:
    """Folders, which come by themselves, hold nothing of their own."""
    is_folder = kinds[step.resource.kind].implied is not None
    return not (step.runs or is_folder) and any(field.field not in ACCESS for field in step.drift)


def _waves_of(found: _Found, leaving: _Leaving) -> tuple[Wave, ...]:
    """Everything that comes or changes, and before it what is in its way."""
    steps = {**{id: leaving.steps[id] for id in leaving.steps if id in leaving.first}, **found.steps}
    needs = {id: found.needs.get(id) or leaving.needs.get(id, []) for id in steps}
    return tuple(tuple(steps[id] for id in wave) for wave in waves(needs))


def _last_waves(leaving: _Leaving) -> tuple[Wave, ...]:
    """What else leaves, leaves last, when all that is new is there: until then taking back costs nothing."""
    rest = {id: leaving.needs[id] for id in leaving.steps if id not in leaving.first}
    return tuple(tuple(leaving.steps[id] for id in wave) for wave in waves(rest))


def _prune(id: ResourceId, observed: AnyState, first: Iterable[ResourceId], kinds: Kinds) -> Step:
    """After what must go `first`."""
    kind = kinds[id.kind]
    drift = kind.diff(ABSENT, observed)
    return Step(id, Action.PRUNE, observed, ABSENT, drift, tuple(first), runs=kind.still is not None)


def _reversed_needs(
    leaving: Iterable[ResourceId], observed: Observed, kinds: Kinds
) -> dict[ResourceId, list[ResourceId]]:
    """A folder leaves after what is in it: the other way round than it came."""
    needs: dict[ResourceId, list[ResourceId]] = {id: [] for id in leaving}
    for id in needs:
        for need in kinds[id.kind].needs(id.name, observed[id]):
            if need in needs:
                needs[need].append(id)
    return needs


def _upwards(place: str) -> Iterator[str]:
    while place and place != "/":
        yield place
        place = place.rpartition("/")[0]
