"""What a model finds wrong, said to an operator: at its place in the file, in the file's own words, with a way out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from reconciler.core.errors import Place, Problem
from reconciler.language.model import inside, keys_of
from reconciler.language.nearest import did_you_mean
from reconciler.language.node import Map, Node, find
from reconciler.language.say import say, shown
from reconciler.language.yaml import MAX_PROBLEMS

LATER = "this release does not know it yet: take it out"
"""A promise that is not kept would be worse than none."""

NOT_SUPPORTED = "not-supported"

_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
}
_OF_1_1 = frozenset({"yes", "no", "on", "off", "y", "n"})

Path = tuple[str | int, ...]

Skip = Callable[[Mapping[str, Any]], bool]
"""Which findings of a model are none."""


def keep_all(_found: Mapping[str, Any]) -> bool:
    return False


def is_open(found: Mapping[str, Any]) -> bool:
    """Whether what is amiss may be mended by a variable's value."""
    given = found["input"]
    return isinstance(given, str) and "${" in given


def complaints(
    error: ValidationError,
    model: type[BaseModel],
    root: Node,
    key: Place | None = None,
    *,
    lead: Path = (),
    later: frozenset[str] = frozenset(),
    skip: Skip = keep_all,
) -> Iterator[Problem]:
    """`key` is where the key of the root stands, to which `lead` leads.

    `later` are the dotted keys that a later release will know, with `*` for any name.
    """
    errors = (found for found in error.errors(include_url=False) if not skip(found))
    for found in islice(errors, MAX_PROBLEMS):
        at = find(root, found["loc"], key)
        if found["type"] == "extra_forbidden":
            known = keys_of(inside(model, found["loc"][:-1]))
            yield unknown((*lead, *found["loc"]), at.key, known, later)
        elif found["type"] == "missing":
            yield _missing(found["loc"], at.key, inside(model, found["loc"]))
        else:
            value_place = key if key and at.node is root and isinstance(root, Map) else at.node.place
            yield _wrong(found, value_place)


def _missing(loc: Path, place: Place, hint: Any) -> Problem:
    dotted = ".".join(str(name) for name in loc)
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    way_out = f"write `{loc[-1]}: {' | '.join(choices)}`" if choices else None
    return Problem(place, f"`{dotted}` is missing", way_out)


def unknown(loc: Path, place: Place, known: Any, later: frozenset[str]) -> Problem:
    """A key that no model has."""
    dotted = ".".join(str(name) for name in loc)
    if any(_fits(pattern.split("."), loc) for pattern in later):
        return Problem(place, f"`{dotted}` is not supported", LATER, NOT_SUPPORTED)
    name = str(loc[-1])
    hint = did_you_mean(name, known) or (f"known here: {', '.join(sorted(known))}" if known else None)
    return Problem(place, f"unknown key {shown(name)}", hint, "unknown-key")


def _fits(pattern: Sequence[str], loc: Path) -> bool:
    same = (part in ("*", str(name)) for part, name in zip(pattern, loc, strict=False))
    return len(pattern) == len(loc) and all(same)


def _wrong(found: Any, place: Place) -> Problem:
    type, value = found["type"], found["input"]
    if type in _EXPECTED:
        return Problem(place, f"expected {_EXPECTED[type]}, got {say(value)}", _way_out(type, value))
    if type == "literal_error" and value == "adopt":
        return Problem(place, "the rule adopt is not supported", "enforce and observe are known so far", NOT_SUPPORTED)
    if type == "literal_error":
        return _no_such(found, place)
    if type == "value_error":
        return Problem(place, str(found["ctx"]["error"]))
    message = found["msg"][:1].lower() + found["msg"][1:]
    return Problem(place, f"{message.replace('input should be', 'expected a value')}, got {say(value)}")


def _no_such(found: Any, place: Place) -> Problem:
    expected = found["ctx"]["expected"]
    options = [option.strip("'") for option in expected.replace(" or ", ", ").split(", ")]
    hint = did_you_mean(str(found["input"]), options)
    return Problem(place, f"expected {expected.replace(chr(39), '')}, got {say(found['input'])}", hint)


def _way_out(type: str, value: object) -> str | None:
    if type == "string_type" and isinstance(value, (int, float)):
        return "put it in quotes"
    if type == "bool_type" and isinstance(value, str):
        return "yes, on and the like are strings in YAML 1.2" if value.lower() in _OF_1_1 else "without quotes"
    if type in ("int_type", "float_type") and isinstance(value, str):
        return "without quotes" if value.lstrip("-").isdigit() else None
    return None
