"""A desired state is complete: whatever a resource needs is there, and no two resources take up one place."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.core.desired import Mode, Resource
from reconciler.core.errors import Cycle, Place, Problem
from reconciler.core.identity import ResourceId
from reconciler.core.kind import Kinds
from reconciler.core.order import waves
from reconciler.core.state import State
from reconciler.language.rule import Rules

MAX_RESOURCES = 50_000
"""With those that are implied."""

_LEADS_ON = frozenset({"directory", "link"})
"""Kinds in which other paths can lie; whether a link leads to a directory is seen on the device."""


@dataclass(frozen=True, slots=True)
class Declared:
    """`source` is who asked for it, where nobody wrote it down; `app` whose it is. Its own `rule` beats all others."""

    id: ResourceId
    state: State
    place: Place
    source: ResourceId | None = None
    app: str | None = None
    rule: Mode | None = None


def complete(
    declared: Iterable[Declared], kinds: Kinds, rules: Rules, problems: list[Problem]
) -> dict[ResourceId, Resource]:
    """All resources by id, in order, with what they need and what they imply."""
    given = sorted(declared, key=lambda one: (one.place, one.id))
    written = {one.id for one in given}
    taken = _taken(given, kinds, problems)
    done: dict[ResourceId, Resource] = {}
    waiting = deque(given)
    while waiting:
        one = waiting.popleft()
        if one.id in done:
            continue
        if len(done) >= MAX_RESOURCES:
            problems.append(Problem(one.place, f"the device has more than {MAX_RESOURCES} resources", code="too-many"))
            break
        needs = []
        for need in kinds[one.id.kind].needs(one.id.name, one.state):
            met = need if need in written or need in done else _stand_in(need, one, kinds, taken, problems)
            if met is not None:
                needs.append(met)
                if met not in written and met not in done:
                    waiting.append(_implied(met, one, kinds))
        rule = one.rule or rules.rule(one.id, kinds[one.id.kind].place(one.id.name))
        done[one.id] = Resource(one.id, one.state, one.place, tuple(needs), rule, one.source, one.app)
    return _bound(dict(sorted(done.items())), kinds, problems)


def _bound(resources: dict[ResourceId, Resource], kinds: Kinds, problems: list[Problem]) -> dict[ResourceId, Resource]:
    """What has something from the states of what it needs is given it, what it needs first."""
    if all(kinds[id.kind].bind is None for id in resources):
        return resources
    try:
        order = waves({id: resource.needs for id, resource in resources.items()})
    except Cycle as error:
        path = error.message.rpartition(": ")[2]
        place = resources[ResourceId.parse(path.partition(" ")[0])].place
        problems.append(Problem(place, f"these need one another in a circle: {path}", error.hint, "cycle"))
        return resources
    for id in (id for wave in order for id in wave):
        if (bind := kinds[id.kind].bind) is not None:
            needed = {need: resources[need].state for need in resources[id].needs}
            resources[id] = replace(resources[id], state=bind(resources[id].state, needed))
    return resources


def _taken(given: Iterable[Declared], kinds: Kinds, problems: list[Problem]) -> dict[str, ResourceId]:
    """Who takes up each path."""
    taken: dict[str, Declared] = {}
    for one in given:
        path = kinds[one.id.kind].place(one.id.name)
        if path is None:
            continue
        first = taken.setdefault(path, one)
        if first is not one:
            hint = "one path is one thing: take one out, in a later layer with null"
            problems.append(Problem(one.place, f"{path} is already {first.id} at {first.place}", hint, "conflict"))
    return {path: one.id for path, one in taken.items()}


def _stand_in(
    need: ResourceId, one: Declared, kinds: Kinds, taken: Mapping[str, ResourceId], problems: list[Problem]
) -> ResourceId | None:
    """What takes the place of a need that nobody wrote down."""
    kind = kinds.get(need.kind)
    path = kind.place(need.name) if kind else None
    other = taken.get(path) if path else None
    if other is not None and other.kind in _LEADS_ON:
        return other
    if other is None and kind is not None and kind.implied is not None:
        return need
    who = one.source or one.id
    message = f"{who.name} lies inside {path}, which is a {other.kind}" if other else f"{who} needs {need}"
    hint = None if other else "declare it"
    problems.append(Problem(one.place, message, hint, "unmet-need"))
    return None


def _implied(id: ResourceId, one: Declared, kinds: Kinds) -> Declared:
    state = kinds[id.kind].implied
    if state is None:
        raise TypeError(f"{id} cannot be implied")
    return Declared(id, state, one.place, one.source or one.id)
