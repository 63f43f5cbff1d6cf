"""The whole desired state of one device, complete in itself: with its payloads, nothing else is needed to bring it.

Its digest covers what the device should be, not who asked for it: another commit that says the same has the same one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from reconciler.core.errors import Place
from reconciler.core.identity import DeviceName, Digest, ResourceId
from reconciler.core.inventory import Limits
from reconciler.core.kind import Kinds
from reconciler.core.probe import TERMS, Check, Probes, Terms, check_from_json, check_to_json
from reconciler.core.state import State, state_from_json, state_to_json
from reconciler.core.window import ALWAYS, Windows

FORMAT = 2
"""Of the JSON form; a stored desired state of a format that is not read is an error, never a guess."""

READABLE = (1, 2)

DRIFT_INTERVAL = timedelta(minutes=10)
"""How often everything is looked at, besides events, where nothing else is said."""


class Mode(StrEnum):
    ENFORCE = "enforce"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that should be so. `place` says where that is written; an implied one is there for `implied_by`.

    `app` is the app that it belongs to, if it does.
    """

    id: ResourceId
    state: State
    place: Place
    needs: tuple[ResourceId, ...] = ()
    rule: Mode = Mode.ENFORCE
    implied_by: ResourceId | None = None
    app: str | None = None


@dataclass(frozen=True, slots=True)
class App:
    """What is released as one. `release` is its resource, `services` its units in the order in which they start."""

    name: str
    version: str
    release: ResourceId
    services: tuple[str, ...] = ()
    terms: Terms = TERMS

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "release": str(self.release),
            "services": list(self.services),
            "start": self.terms.start.total_seconds(),
            "soak": self.terms.soak.total_seconds(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "App":
        terms = Terms(timedelta(seconds=data["start"]), timedelta(seconds=data["soak"]))
        release = ResourceId.parse(data["release"])
        return cls(data["name"], data["version"], release, tuple(data["services"]), terms)


@dataclass(frozen=True, slots=True)
class Desired:
    """A whole desired state. `payloads` is every digest that a state names.

    `remotes` says where those are found that neither the repo nor the store holds.
    """

    device: DeviceName
    digest: Digest
    mode: Mode
    resources: Mapping[ResourceId, Resource]
    limits: Limits
    payloads: frozenset[Digest] = frozenset()
    remotes: Mapping[Digest, str] = field(default_factory=dict)
    apps: Mapping[str, App] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    windows: Windows = ALWAYS
    drift_interval: timedelta = DRIFT_INTERVAL

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "device": str(self.device),
            "digest": str(self.digest),
            "mode": str(self.mode),
            "limits": self.limits.to_json(),
            "payloads": sorted(str(digest) for digest in self.payloads),
            "resources": [_resource_to_json(resource) for _, resource in sorted(self.resources.items())],
            "remotes": {str(digest): url for digest, url in sorted(self.remotes.items())},
            "apps": [app.to_json() for _, app in sorted(self.apps.items())],
            "checks": [check_to_json(check) for check in self.checks],
            "windows": self.windows.to_json(),
            "driftInterval": self.drift_interval.total_seconds(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], kinds: Kinds, probes: Probes) -> "Desired":
        """The inverse of `to_json`. Raises ValueError or KeyError where the format, a kind or a probe is unknown."""
        if data.get("format") not in READABLE:
            raise ValueError(f"desired state of format {data.get('format')!r}, this release reads up to {FORMAT}")
        data = {**_SINCE_2, **data}
        resources = (_resource_from_json(entry, kinds) for entry in data["resources"])
        return cls(
            device=DeviceName(data["device"]),
            digest=Digest(data["digest"]),
            mode=Mode(data["mode"]),
            resources={resource.id: resource for resource in resources},
            limits=Limits.from_json(data["limits"]),
            payloads=frozenset(Digest(text) for text in data["payloads"]),
            remotes={Digest(digest): url for digest, url in data["remotes"].items()},
            apps={entry["name"]: App.from_json(entry) for entry in data["apps"]},
            checks=tuple(check_from_json(entry, probes) for entry in data["checks"]),
            windows=Windows.from_json(data["windows"]),
            drift_interval=timedelta(seconds=data["driftInterval"]),
        )


_SINCE_2: dict[str, Any] = {
    "remotes": {},
    "apps": [],
    "checks": [],
    "windows": ALWAYS.to_json(),
    "driftInterval": DRIFT_INTERVAL.total_seconds(),
}
"""What a desired state says that was stored before these were known."""


def canonical(data: object) -> bytes:
    """JSON with sorted keys and no space (RFC 8785 but for its number rules): equal data, equal bytes.

    Half a surrogate stands for a byte of a name on the device that is no UTF-8 (PEP 383).
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")


def _resource_to_json(resource: Resource) -> dict[str, Any]:
    return {
        "id": str(resource.id),
        "state": state_to_json(resource.state),
        "place": [resource.place.file, resource.place.line, resource.place.column],
        "needs": [str(need) for need in resource.needs],
        "rule": str(resource.rule),
        "impliedBy": str(resource.implied_by) if resource.implied_by else None,
        "app": resource.app,
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
        app=data.get("app"),
    )
