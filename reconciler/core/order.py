"""What is needed comes first; what does not need one another shares a wave; a cycle is an error that shows its path."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from reconciler.core.errors import Cycle

T = TypeVar("T")


def waves(needs: Mapping[T, Iterable[T]]) -> tuple[tuple[T, ...], ...]:
    """Every key of `needs` once, each wave in the order of the keys; needs that are no keys are met already.

    Raises Cycle with the path.
    """
    rank = {item: index for index, item in enumerate(needs)}
    sorter = TopologicalSorter({item: [need for need in wanted if need in rank] for item, wanted in needs.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        path = " → ".join(str(item) for item in reversed(error.args[1]))
        raise Cycle(f"cannot order what needs itself: {path}", hint="take one of these needs away") from error
    found = []
    while sorter.is_active():
        ready = sorter.get_ready()
        sorter.done(*ready)
        found.append(tuple(sorted(ready, key=rank.__getitem__)))
    return tuple(found)
