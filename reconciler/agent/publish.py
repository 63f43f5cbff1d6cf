"""Where the device stands, for anyone to read, the agent dead or alive; replaced whole, and only where it changed."""

import json
import os
from dataclasses import replace
from typing import Any

from reconciler import __version__, durable
from reconciler.agent.parts import Parts
from reconciler.agent.report import Report, facts
from reconciler.agent.target import holds
from reconciler.core.errors import Broken, Failure
from reconciler.core.facts import Facts, Head
from reconciler.core.probe import Finding
from reconciler.core.status import project, with_health, with_holds

_MOMENTS = ("lastSync", "nextSync")


def publish(parts: Parts, known: Facts) -> dict[str, Any]:
    """After a pass. Raises Broken where the runtime directory cannot be written."""
    return _write(parts, project(known, published(parts)))


def publish_failure(parts: Parts, failure: Failure) -> None:
    """For a pass that left nothing to report on, not even what is remembered."""
    before = published(parts)
    blank = Facts(parts.settings.device, __version__, parts.now())
    now = project(replace(blank, failure=failure), before)
    kept = {key: before[key] for key in ("desired", "applied", "resources")} if before else {}
    _write(parts, {**now, **kept})


def republish(parts: Parts) -> None:
    """What an operator changed shows at once, not with the next pass."""
    _write(parts, with_holds(status(parts), holds(parts, None), parts.store.quarantine.all()))


def republish_health(parts: Parts, health: tuple[Finding, ...]) -> dict[str, Any]:
    """What was asked between two passes."""
    return _write(parts, with_health(status(parts), health, parts.now()))


def status(parts: Parts) -> dict[str, Any]:
    """As published last; where that is gone (a reboot), as the records tell, with nothing observed."""
    return published(parts) or project(_recorded(parts))


def published(parts: Parts) -> dict[str, Any] | None:
    """None where there is none, or what is there is no status of ours."""
    try:
        with open(_path(parts), "rb") as file:
            document = json.load(file)
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and document.get("schema") == 1 else None


def says_the_same(one: dict[str, Any], other: dict[str, Any] | None) -> bool:
    """But for the moments at which it was said."""
    return other is not None and _lasting(one) == _lasting(other)


def _lasting(document: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in document.items() if key not in _MOMENTS}
    desired = document["desired"]
    return {**kept, "desired": desired and {**desired, "fetchedAt": None}}


def _recorded(parts: Parts) -> Facts:
    """What is known without a look at the device or the repo."""
    floor = parts.store.floor.get()
    head = Head(floor.commit, floor.ref, floor.at) if floor else None
    return facts(parts, Report(head=head, holds=holds(parts, None)))


def _write(parts: Parts, document: dict[str, Any]) -> dict[str, Any]:
    path = _path(parts)
    try:
        durable.publish(path, json.dumps(document, indent=2).encode() + b"\n")
    except OSError as error:
        raise Broken(f"cannot publish the status: {error.strerror}", where=path) from error
    return document


def _path(parts: Parts) -> str:
    return os.path.join(parts.settings.runtime, "status.json")
