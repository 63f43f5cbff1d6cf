"""One look at all that is asked for or owned. What cannot be seen is a value, so that the rest is seen all the same."""

from collections.abc import Iterable
from contextlib import suppress

from reconciler.core.desired import Desired
from reconciler.core.errors import Broken, Failure, Moved
from reconciler.core.host import HostView
from reconciler.core.identity import ResourceId
from reconciler.core.inventory import Inventory
from reconciler.core.kind import Kinds
from reconciler.core.observed import Observed
from reconciler.core.state import AnyState, Unreadable

TRIES = 3
"""Of one look at a resource that changes while it is looked at."""


def observe(desired: Desired, inventory: Inventory, kinds: Kinds, view: HostView) -> Observed:
    return look(desired.resources.keys() | inventory.owned.keys(), kinds, view)


def look(ids: Iterable[ResourceId], kinds: Kinds, view: HostView) -> Observed:
    return Observed({id: look_at(id, kinds, view) for id in sorted(ids)})


def look_at(id: ResourceId, kinds: Kinds, view: HostView) -> AnyState:
    try:
        return see(id, kinds, view)
    except Failure as failure:
        return Unreadable(str(failure))


def see(id: ResourceId, kinds: Kinds, view: HostView) -> AnyState:
    """Raises Failure where it cannot be seen: who just changed it must know whether the world is at fault."""
    for _ in range(TRIES - 1):
        with suppress(Moved):
            return _observe(id, kinds, view)
    return _observe(id, kinds, view)


def _observe(id: ResourceId, kinds: Kinds, view: HostView) -> AnyState:
    """A kind that is at fault itself spoils its own resource, and no other."""
    try:
        return kinds[id.kind].observe(id.name, view)
    except Failure:
        raise
    except Exception as error:
        raise Broken(f"cannot look at {id}: reconciler itself failed: {type(error).__name__}: {error}") from error
