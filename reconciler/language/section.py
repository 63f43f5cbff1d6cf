"""A Device spec is a frame, and in it the sections of the kinds, each entry of which is checked by itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, Field, ValidationError, create_model

from reconciler.core.errors import Place, Problem
from reconciler.core.kind import Kind, Kinds, Section
from reconciler.language.app import AppUse
from reconciler.language.check import CHECKS, CheckSpec, check_model, with_checks
from reconciler.language.complaint import Skip, complaints, is_open, keep_all, unknown
from reconciler.language.document import LATER_SPEC, Frame, HealthSpec
from reconciler.language.entry import each
from reconciler.language.model import inside, keys_of, model_of, revive
from reconciler.language.node import Gone, Map, Node
from reconciler.language.say import say, shown
from reconciler.language.vocabulary import Vocabulary

_ELSEWHERE = {
    "selector": "the selector of a layer stands next to its spec",
    "labels": "labels stand in metadata",
    "annotations": "annotations stand in metadata",
    "layers": "the order of layers stands in fleet.yaml",
    "limits": "limits stand in policy.yaml",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a section declares, valid as far as its model knows. `place` is where its key stands."""

    kind: Kind
    section: Section
    name: str
    value: Any
    node: Node
    place: Place


def sections(kinds: Kinds) -> dict[str, tuple[Kind, Section]]:
    """By their key."""
    return {kind.section.key: (kind, kind.section) for _, kind in sorted(kinds.items()) if kind.section}


def check_frame(spec: Map, vocabulary: Vocabulary, problems: list[Problem], skip: Skip = keep_all) -> Frame:
    """What a Device spec says besides its sections; the defaults where it cannot be used."""
    known = sections(vocabulary.kinds)
    parts: dict[str, Any] = {}
    for key, value in spec.present():
        if key in Frame.model_fields:
            parts[key] = value.plain()
        elif key not in known:
            problems.append(_unknown(key, spec.keys[key], known))
    try:
        return Frame.model_validate(parts)
    except ValidationError as error:
        problems.extend(complaints(error, Frame, spec, later=LATER_SPEC, skip=skip))
        return Frame()


def check_entries(spec: Map, kinds: Kinds, problems: list[Problem]) -> Iterator[Entry]:
    """Every entry that is valid; the others become problems."""
    for key, (kind, section) in sections(kinds).items():
        _check_map(key, spec, problems)
        for valid in each(spec, (key,), model_of(section.entry), problems, keep_all):
            yield Entry(kind, section, valid.name, revive(section.entry, valid.model), valid.node, valid.place)


def check_patch(spec: Map, vocabulary: Vocabulary, problems: list[Problem]) -> None:
    """A part of a spec: what is missing may come from elsewhere, and what holds a variable is not known yet."""
    check_frame(spec, vocabulary, problems, _may_be_mended)
    check_removals(spec, vocabulary, problems)
    models: dict[tuple[str, ...], type[BaseModel]] = {("apps",): AppUse, CHECKS: check_model(vocabulary.probes)}
    for key, (_, section) in sections(vocabulary.kinds).items():
        _check_map(key, spec, problems)
        models[key,] = model_of(section.entry)
    for path, model in models.items():
        for _ in each(spec, path, model, problems, _may_be_mended):
            pass


def check_removals(spec: Map, vocabulary: Vocabulary, problems: list[Problem]) -> None:
    """A null for a key that no model knows would be a mistype that nobody is told of."""
    model = spec_model(vocabulary)
    for path, place in _removals(spec, ()):
        around = inside(model, path[:-1])
        if around is not None and inside(model, path) is None:
            problems.append(unknown(path, place, keys_of(around), LATER_SPEC))


def _removals(node: Map, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Place]]:
    for key, value in node.values.items():
        if isinstance(value, Gone):
            yield (*path, key), node.keys[key]
        elif isinstance(value, Map):
            yield from _removals(value, (*path, key))


def _may_be_mended(found: Mapping[str, Any]) -> bool:
    """By another layer, or by a variable's value."""
    return found["type"] == "missing" or is_open(found)


def spec_model(vocabulary: Vocabulary) -> type[BaseModel]:
    """A whole Device spec as one model: for the schema, and for who asks what a key's default is."""
    parts = tuple(section for _, section in sections(vocabulary.kinds).values())
    return _spec_model(parts, check_model(vocabulary.probes))


@cache
def _spec_model(parts: tuple[Section, ...], check: type[CheckSpec]) -> type[BaseModel]:
    health = with_checks(HealthSpec, check)
    fields: dict[str, Any] = {
        f"f_{section.key}": (
            dict[str, model_of(section.entry)],  # type: ignore[misc]  # a type made at run time
            Field(default={}, alias=section.key, description=section.about),
        )
        for section in parts
    }
    fields["apps"] = (dict[str, AppUse], Frame.model_fields["apps"])
    fields["health"] = (health, health())
    return create_model("DeviceSpec", __base__=Frame, __doc__="What a device should be.", **fields)


def _check_map(key: str, spec: Map, problems: list[Problem]) -> None:
    node = spec.values.get(key)
    if node is not None and not isinstance(node, Map) and (said := node.plain()) is not None:
        hint = "a section maps names to entries"
        problems.append(Problem(node.place, f"expected a map, got {say(said)}", hint))


def _unknown(key: str, place: Place, known: Mapping[str, object]) -> Problem:
    if key in _ELSEWHERE:
        return Problem(place, f"unknown key {shown(key)}", _ELSEWHERE[key], "unknown-key")
    return unknown((key,), place, {**keys_of(Frame), **known}, LATER_SPEC)
