"""Each entry of a map is checked by itself, so that one mistake hides no other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from reconciler.core.errors import Place, Problem
from reconciler.language.complaint import Skip, complaints
from reconciler.language.document import LATER_SPEC
from reconciler.language.node import Map, Node, find

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Valid(Generic[M]):
    """An entry that its model accepts. `place` is where its key stands."""

    name: str
    model: M
    node: Node
    place: Place


def each(spec: Map, path: tuple[str, ...], model: type[M], problems: list[Problem], skip: Skip) -> Iterator[Valid[M]]:
    """The valid entries of the map at a path; the others become problems, but for findings that are to be skipped."""
    entries = find(spec, path)
    if entries.missing or not isinstance(entries.node, Map):
        return
    for name, node in entries.node.present():
        place = entries.node.keys[name]
        try:
            valid = model.model_validate(node.plain())
        except ValidationError as error:
            problems.extend(complaints(error, model, node, place, lead=(*path, name), later=LATER_SPEC, skip=skip))
        else:
            yield Valid(name, valid, node, place)
