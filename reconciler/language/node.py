"""Every value knows where it stands, and, once merged, what it took the place of.

Nodes are shared, never copied: an alias is the node that its anchor names, so no tree is larger than its text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.errors import Place

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """`over` is what it took the place of, in a merged tree."""

    value: Value
    place: Place
    over: "Node | None" = None

    def plain(self) -> Any:
        return self.value


@dataclass(frozen=True, slots=True, eq=False)
class List:
    items: "tuple[Node, ...]"
    place: Place
    over: "Node | None" = None

    def plain(self) -> Any:
        return [item.plain() for item in self.items]


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """`keys` says where each key stands. In a merged tree `values` also holds what is Gone."""

    values: "dict[str, Node]"
    keys: dict[str, Place]
    place: Place
    over: "Node | None" = None

    def plain(self) -> dict[str, Any]:
        return {key: value.plain() for key, value in self.values.items() if not isinstance(value, Gone)}

    def present(self) -> "Iterator[tuple[str, Node]]":
        return ((key, value) for key, value in self.values.items() if not isinstance(value, Gone))


@dataclass(frozen=True, slots=True, eq=False)
class Gone:
    """A null that removed what was there, if anything was."""

    place: Place
    over: "Node | None" = None

    def plain(self) -> Any:
        return None


Node = Scalar | List | Map | Gone


@dataclass(frozen=True, slots=True)
class Found:
    """How far a path leads into a tree: the last node on it, the place of the last key, and the names that it lacks."""

    node: Node
    key: Place
    missing: tuple[str | int, ...] = field(default=())


def find(root: Node, path: Iterable[str | int], at: Place | None = None) -> Found:
    """`at` is where the key of the root itself stands. Names that no node has are skipped: some are not of the tree."""
    node: Node = root
    key, missing = at or root.place, []
    for name in path:
        if isinstance(node, Map) and isinstance(name, str) and name in node.values:
            key, node = node.keys[name], node.values[name]
        elif isinstance(node, List) and isinstance(name, int) and name < len(node.items):
            node = node.items[name]
            key = node.place
        else:
            missing.append(name)
    return Found(node, key, tuple(missing))


def nothing(place: Place) -> Map:
    return Map({}, {}, place)
