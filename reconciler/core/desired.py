"""The whole desired state of one device, complete in itself: with its payloads, nothing else is needed to bring it.

Its digest covers what the device should be, not who asked for it: another commit that says the same has the same one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.core.errors import Place
from reconciler.core.identity import DeviceName, Digest, ResourceId
from reconciler.core.inventory import Limits
from reconciler.core.kind import Kinds
from reconciler.core.state import State, state_from_json, state_to_json

FORMAT = 1
"""Of the JSON form; a stored desired state of another format is an error, never a guess."""


class Mode(StrEnum):
    ENFORCE = "enforce"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that should be so. `place` says where that is written; an implied one is there for `implied_by`."""

    id: ResourceId
    state: State
    place: Place
    needs: tuple[ResourceId, ...] = ()
    rule: Mode = Mode.ENFORCE
    implied_by: ResourceId | None = None


@dataclass(frozen=True, slots=True)
class Desired:
    """A whole desired state. `spec` is the effective spec as plain data, `payloads` every digest that a state names."""

    device: DeviceName
    digest: Digest
    mode: Mode
    resources: Mapping[ResourceId, Resource]
    limits: Limits
    payloads: frozenset[Digest] = frozenset()

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "device": str(self.device),
            "digest": str(self.digest),
            "mode": str(self.mode),
            "limits": self.limits.to_json(),
            "payloads": sorted(str(digest) for digest in self.payloads),
            "resources": [_resource_to_json(resource) for _, resource in sorted(self.resources.items())],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], kinds: Kinds) -> "Desired":
        """The inverse of `to_json`. Raises ValueError or KeyError where the format or a kind is unknown."""
        if data.get("format") != FORMAT:
            raise ValueError(f"desired state of format {data.get('format')!r}, this release reads {FORMAT}")
        resources = (_resource_from_json(entry, kinds) for entry in data["resources"])
        return cls(
            device=DeviceName(data["device"]),
            digest=Digest(data["digest"]),
            mode=Mode(data["mode"]),
            resources={resource.id: resource for resource in resources},
            limits=Limits.from_json(data["limits"]),
            payloads=frozenset(Digest(text) for text in data["payloads"]),
        )


def canonical(data: object) -> bytes:
    """JSON with sorted keys and no space (RFC 8785 but for its number rules): equal data, equal bytes."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _resource_to_json(resource: Resource) -> dict[str, Any]:
    return {
        "id": str(resource.id),
        "state": state_to_json(resource.state),
        "place": [resource.place.file, resource.place.line, resource.place.column],
        "needs": [str(need) for need in resource.needs],
        "rule": str(resource.rule),
        "impliedBy": str(resource.implied_by) if resource.implied_by else None,
    }


def _resource_from_json(data: dict[str, Any], kinds: Kinds) -> Resource:
    id = ResourceId.parse(data["id"])
    state = state_from_json(data["state"], kinds[id.kind].state)
    if not isinstance(state, State):
        raise ValueError(f"{id} is desired in no state")
    return Resource(
        id=id,
        state=state,
        place=Place(*data["place"]),
        needs=tuple(ResourceId.parse(need) for need in data["needs"]),
        rule=Mode(data["rule"]),
        implied_by=ResourceId.parse(data["impliedBy"]) if data["impliedBy"] else None,
    )
