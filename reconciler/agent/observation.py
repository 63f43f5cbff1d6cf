"""What was seen last, what happened, and what was in force before: for whoever may read, the agent dead or alive.

Texts, values and environments are left out: a reader may know that something is so, not what is in it. Each file is
replaced whole and only where it changed, but for the events, which are added to and cut to their newest half.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from reconciler import durable
from reconciler.agent.parts import Parts
from reconciler.agent.sight import Stamp
from reconciler.core.errors import Broken
from reconciler.core.pace import rfc3339
from reconciler.core.state import AnyState, state_to_json
from reconciler.store.generations import Record, duration_of

OBSERVATION = "observation.json"
SCHEMA = 1
HISTORY = 50
"""Generations of which `history.json` tells."""

MAX_EVENTS_BYTES = 256 * 1024

_WITHHELD = frozenset({"text", "values", "dropin", "env"})
"""Fields of states in which a secret could stand."""


def publish_observation(parts: Parts) -> None:
    """Raises Broken where the runtime directory cannot be written."""
    sight, stamp = parts.sight, _stamp(parts, OBSERVATION)
    if sight.desired is None:
        return
    if stamp is not None and sight.published == (sight.desired.digest, stamp, sight.states):
        return  # the same device, and nobody touched the file: at rest nothing is composed only to be compared
    resources = sight.desired.resources
    document = {
        "schema": SCHEMA,
        "device": str(parts.settings.device),
        "at": rfc3339(sight.at or parts.now()),
        "specDigest": str(sight.desired.digest),
        "resources": [
            {"id": str(id), "app": resources[id].app if id in resources else None, "state": shown(state)}
            for id, state in sorted(sight.states.items())
        ],
    }
    _replace(parts, OBSERVATION, document, but_for="at")
    stamp = _stamp(parts, OBSERVATION)
    sight.published = (sight.desired.digest, stamp, sight.states) if stamp is not None else None


def publish_history(parts: Parts) -> None:
    records = parts.store.generations.all()[:HISTORY]
    _replace(parts, "history.json", {"schema": SCHEMA, "generations": [record_to_json(one) for one in records]})


def tell(parts: Parts, event: str, **facts: object) -> None:
    """One line more in `events.jsonl`."""
    line = json.dumps({"at": rfc3339(parts.now()), "event": event, **facts}).encode() + b"\n"
    path = os.path.join(parts.settings.runtime, "events.jsonl")
    try:
        with open(path, "ab", opener=_own) as file:
            file.write(line)
            size = file.tell()
        if size > MAX_EVENTS_BYTES:
            with open(path, "rb") as file:
                file.seek(size - MAX_EVENTS_BYTES // 2)
                durable.publish(path, file.read().partition(b"\n")[2])
    except OSError as error:
        raise Broken(f"cannot publish an event: {error.strerror}", where=path) from error


def shown(state: AnyState) -> dict[str, Any]:
    """As anyone may see it."""
    data = state_to_json(state)
    if "present" in data:
        data["present"] = {name: value for name, value in data["present"].items() if name not in _WITHHELD}
    return data


def record_to_json(record: Record) -> dict[str, Any]:
    """A line of history as scripts read it."""
    took = duration_of(record)
    return {
        "generation": record.generation.number,
        "commit": str(record.commit),
        "author": record.author,
        "signer": None,
        "subject": record.subject,
        "plan": str(record.plan),
        "specDigest": str(record.digest),
        "result": record.result,
        "reason": record.reason,
        "started": rfc3339(record.started),
        "ended": rfc3339(record.ended) if record.ended else None,
        "durationSeconds": took.total_seconds() if took is not None else None,
    }


def _stamp(parts: Parts, name: str) -> Stamp | None:
    try:
        seen = os.stat(os.path.join(parts.settings.runtime, name))
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size


def _own(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def _replace(parts: Parts, name: str, document: Mapping[str, Any], but_for: str = "") -> None:
    path = os.path.join(parts.settings.runtime, name)
    with suppress(OSError):
        os.unlink(durable.beside(path))  # what a process left that was killed while it wrote
    with suppress(OSError, ValueError), open(path, "rb") as file:
        before = json.load(file)
        if isinstance(before, dict) and {**before, but_for: None} == {**document, but_for: None}:
            return
    try:
        durable.publish(path, json.dumps(document).encode() + b"\n")
    except OSError as error:
        raise Broken(f"cannot publish {name}: {error.strerror}", where=path) from error
