"""Desired and observed are one type, so that they can be compared and swapped.

A field that is None says nothing: on the desired side it is not managed, on the observed side it could not be
seen here (owners under `--root`), and either way it is not compared.
"""

from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import Any, NewType, Self, get_args, get_type_hints

from reconciler.core.identity import Digest

Mode = NewType("Mode", int)
"""Permission bits of a file, 0 to 0o7777."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """One resource's fields. Fields are str, int, bool, Digest, a tuple of str, or None."""

    def to_json(self) -> Json:
        shown = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {name: _plain(value) for name, value in shown if value is not None}

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """The inverse of `to_json`. Raises TypeError or ValueError where `data` is not of this shape."""
        readers = _readers(cls)  # type: ignore[arg-type]  # a class is hashable; typeshed cannot say so of Self
        return cls(**{name: readers[name](value) for name, value in data.items() if name in readers})


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such thing."""

    def __str__(self) -> str:
        return "absent"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """There may be such a thing, but it cannot be seen. A value, not an error: the rest is still looked at."""

    reason: str

    def __str__(self) -> str:
        return f"unreadable ({self.reason})"


@dataclass(frozen=True, slots=True)
class Occupied:
    """Something of another sort stands in its place: a directory where a file should be."""

    by: str

    def __str__(self) -> str:
        return f"occupied by a {self.by}"


ABSENT = Absent()
AnyState = State | Absent | Unreadable | Occupied


def state_to_json(state: AnyState) -> Json:
    """One key that names the sort, so that `state_from_json` needs no guess."""
    match state:
        case State():
            return {"present": state.to_json()}
        case Absent():
            return {"absent": True}
        case Unreadable(reason):
            return {"unreadable": reason}
        case Occupied(by):
            return {"occupied": by}


def state_from_json(data: Json, sort: type[State]) -> AnyState:
    """The inverse of `state_to_json` for a state of class `sort`; raises ValueError for any other shape."""
    match data:
        case {"present": dict(present)}:
            return sort.from_json(present)
        case {"absent": True}:
            return ABSENT
        case {"unreadable": str(reason)}:
            return Unreadable(reason)
        case {"occupied": str(by)}:
            return Occupied(by)
    raise ValueError(f"no state has the shape {data!r}")


def _plain(value: object) -> object:
    if isinstance(value, Digest):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


@cache
def _readers(sort: type[State]) -> MappingProxyType[str, Any]:
    hints = get_type_hints(sort)
    return MappingProxyType({field.name: _reader(hints[field.name]) for field in fields(sort)})


def _reader(hint: object) -> Any:
    choices = get_args(hint) or (hint,)
    if Digest in choices:
        return Digest
    if any(getattr(choice, "__origin__", None) is tuple for choice in choices):
        return tuple
    return lambda value: value
