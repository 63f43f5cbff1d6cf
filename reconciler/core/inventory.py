"""We delete only what we made, and never more than the limits allow.

What was there before us is adopted: when the desired state no longer names it, it is let go untouched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from reconciler.core.errors import OverLimit, Protected
from reconciler.core.identity import ResourceId

PERCENT_COUNTS_FROM = 10
"""Owned resources: below that, one deletion is always a large percentage."""


class Origin(StrEnum):
    CREATED = "created"
    ADOPTED = "adopted"


@dataclass(frozen=True, slots=True)
class Owned:
    """A resource that we answer for. An implied one is a folder that a resource needed and nobody declared."""

    resource: ResourceId
    origin: Origin
    implied: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    owned: Mapping[ResourceId, Owned]

    @classmethod
    def of(cls, owned: Iterable[Owned]) -> Self:
        return cls({entry.resource: entry for entry in owned})

    def __contains__(self, id: ResourceId) -> bool:
        return id in self.owned

    def without(self, gone: Iterable[ResourceId]) -> Self:
        left = set(gone)
        return replace(self, owned={id: entry for id, entry in self.owned.items() if id not in left})

    def with_(self, more: Iterable[Owned]) -> Self:
        return replace(self, owned={**self.owned, **{entry.resource: entry for entry in more}})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one plan may delete. `protected` holds patterns of paths (`/etc/ssh/**`), ids or kinds."""

    max_deletes: int = 10
    max_delete_percent: int = 20
    protected: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "maxDeletes": self.max_deletes,
            "maxDeletePercent": self.max_delete_percent,
            "protected": list(self.protected),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(data["maxDeletes"], data["maxDeletePercent"], tuple(data["protected"]))

    def protects(self, id: ResourceId) -> str | None:
        """The first pattern that protects the resource."""
        return next((pattern for pattern in self.protected if covers(pattern, id)), None)

    def check(self, deletes: Iterable[ResourceId], inventory: Inventory) -> None:
        """Raises OverLimit or Protected. Implied folders go with what needed them and do not count."""
        ids = sorted(deletes)
        for id in ids:
            if pattern := self.protects(id):
                raise Protected(
                    f"cannot delete {id}: policy protects {pattern}",
                    hint="name it in the desired state again, or take the pattern off `protected` in its own commit",
                )
        counted = [id for id in ids if not inventory.owned[id].implied]
        owned = sum(1 for entry in inventory.owned.values() if not entry.implied)
        hint = "delete in smaller commits, or raise the limit in policy.yaml in its own commit"
        if len(counted) > self.max_deletes:
            message = f"cannot delete {len(counted)} resources at once: limits.maxDeletes is {self.max_deletes}"
            raise OverLimit(message, where=_some(counted), hint=hint)
        if owned >= PERCENT_COUNTS_FROM and len(counted) * 100 > self.max_delete_percent * owned:
            message = (
                f"cannot delete {len(counted)} of {owned} owned resources at once: "
                f"limits.maxDeletePercent is {self.max_delete_percent}"
            )
            raise OverLimit(message, where=_some(counted), hint=hint)


def covers(pattern: str, id: ResourceId) -> bool:
    """A pattern is a path, a path that ends in `/**` (everything below), a resource id or the name of a kind."""
    if pattern in (str(id), id.kind, id.name):
        return True
    below = pattern.removesuffix("/**")
    if below == pattern:
        return False
    return id.name.startswith(f"{below}/") or str(id).startswith(f"{below}/")


def _some(ids: list[ResourceId]) -> str:
    shown = ", ".join(str(id) for id in ids[:3])
    return f"{shown}, …" if len(ids) > 3 else shown
