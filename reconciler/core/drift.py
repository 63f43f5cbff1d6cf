"""Drift is desired ≠ observed, field by field; a field left out is not managed, hence never drift."""

from dataclasses import dataclass, fields

from reconciler.core.identity import Digest, ResourceId
from reconciler.core.state import Absent, AnyState, State

PRESENCE = "presence"


@dataclass(frozen=True, slots=True)
class FieldDrift:
    """One field, what it should be and what it is. The field `presence` stands for the whole resource."""

    field: str
    desired: object
    observed: object

    def __str__(self) -> str:
        if isinstance(self.desired, Digest) and isinstance(self.observed, Digest):
            return f"other {self.field}"
        return f"{self.field}: {show(self.field, self.observed)} → {show(self.field, self.desired)}"


@dataclass(frozen=True, slots=True)
class Drift:
    """A resource and the fields in which it drifted: never empty."""

    resource: ResourceId
    fields: tuple[FieldDrift, ...]


def compare(desired: AnyState, observed: AnyState) -> tuple[FieldDrift, ...]:
    """Every field that is said on both sides and differs; `presence` where the sorts of state differ."""
    if not (isinstance(desired, State) and isinstance(observed, State)):
        return () if desired == observed else (FieldDrift(PRESENCE, _sort(desired), _sort(observed)),)
    pairs = ((f.name, getattr(desired, f.name), getattr(observed, f.name)) for f in fields(desired))
    return tuple(FieldDrift(n, d, o) for n, d, o in pairs if d is not None and o is not None and d != o)


def show(field: str, value: object) -> str:
    """A value as an operator writes it: a mode is octal."""
    if field == "mode" and isinstance(value, int):
        return f"{value:04o}"
    return str(value) if value != "" else "none"


def _sort(state: AnyState) -> str:
    if isinstance(state, State):
        return "present"
    return "absent" if isinstance(state, Absent) else str(state)
