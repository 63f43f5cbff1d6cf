"""What a command does on a device: it holds the one lock while it writes, and publishes where the device stands."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from reconciler import durable
from reconciler.agent.carry_out import Watch
from reconciler.agent.converge import converge, roll_back
from reconciler.agent.main import prepare
from reconciler.agent.parts import Parts
from reconciler.agent.report import Report, facts
from reconciler.agent.target import suspend_hold
from reconciler.core.errors import Broken, Denied, Locked, NotFound
from reconciler.core.pace import Hold
from reconciler.core.status import Facts, Head, Quarantined, project, with_holds
from reconciler.core.why import Reason, why


@contextmanager
def alone(parts: Parts, command: str) -> Iterator[None]:
    """Raises Locked, naming who holds the lock."""
    prepare(parts.settings)
    path = os.path.join(parts.settings.runtime, "lock")
    try:
        with durable.lock(path, f"reconciler {command}"):
            yield
    except durable.Held as held:
        holder = held.holder or "another process"
        hint = "wait until it has ended; the kernel frees the lock however that is"
        raise Locked(f"cannot start `{command}`: {holder} holds the lock", hint=hint) from held
    except PermissionError as error:
        raise Denied(f"cannot take the lock: {error.strerror}", where=path, hint="run this as root") from error


def sync(parts: Parts, watch: Watch) -> tuple[Report, dict[str, Any]]:
    """One whole pass, and the status after it."""
    with alone(parts, "sync"):
        report = converge(parts, watch)
        return report, publish(parts, facts(parts, report))


def rollback(parts: Parts, number: int | None, watch: Watch) -> tuple[Report, dict[str, Any]]:
    with alone(parts, "rollback"):
        report = roll_back(parts, number, watch)
        return report, publish(parts, facts(parts, report))


def suspend(parts: Parts, reason: str, duration: timedelta | None) -> Hold:
    """Nothing is changed until it ends or is resumed; drift is still reported."""
    with alone(parts, "suspend"):
        hold = suspend_hold(parts, reason, parts.now() + duration if duration else None)
        with parts.store.transaction():
            parts.store.holds.set(hold)
        _republish(parts)
        return hold


def resume(parts: Parts) -> tuple[Hold, ...]:
    """What was lifted. The next sync follows the repo again."""
    with alone(parts, "resume"):
        lifted = parts.store.holds.all()
        if lifted:
            with parts.store.transaction():
                for hold in lifted:
                    parts.store.holds.lift(hold.kind)
            _republish(parts)
        return lifted


def clear_quarantine(parts: Parts, digest: str) -> Quarantined:
    """The next sync may try that desired state again."""
    with alone(parts, "quarantine clear"):
        entry = quarantined(parts, digest)
        with parts.store.transaction():
            parts.store.quarantine.clear(entry.digest)
        _republish(parts)
        return entry


def quarantined(parts: Parts, digest: str) -> Quarantined:
    """By its digest or the beginning of one, with `sha256:` or without. Raises NotFound."""
    wanted = digest.removeprefix("sha256:")
    found = [entry for entry in parts.store.quarantine.all() if wanted and entry.digest.hex.startswith(wanted)]
    if len(found) != 1:
        how = "more than one begins so" if found else "there is none"
        raise NotFound(f"cannot tell which desired state {digest} is: {how}", hint="`reconciler quarantine list`")
    return found[0]


def status(parts: Parts) -> dict[str, Any]:
    """As published last; where that is gone (a reboot), as the records tell, with nothing observed."""
    return published(parts) or project(recorded(parts))


def reasons(parts: Parts) -> tuple[Reason, ...]:
    """Why it is not changing, or not well: who works on it now, and all that the status tells."""
    holder = durable.held_by(os.path.join(parts.settings.runtime, "lock"))
    busy = Reason("lock", f"{holder.command} works on it (pid {holder.pid})", holder.since) if holder else None
    return (*((busy,) if busy else ()), *why(status(parts)))


def recorded(parts: Parts) -> Facts:
    """What is known without a look at the device or the repo."""
    floor = parts.store.floor.get()
    head = Head(floor.commit, floor.ref, floor.at) if floor else None
    return facts(parts, Report(head=head, holds=parts.store.holds.all()))


def publish(parts: Parts, known: Facts) -> dict[str, Any]:
    return _write(parts, project(known, published(parts)))


def _republish(parts: Parts) -> None:
    """What an operator changed shows at once, not with the next pass."""
    _write(parts, with_holds(status(parts), parts.store.holds.all(), parts.store.quarantine.all()))


def _write(parts: Parts, document: dict[str, Any]) -> dict[str, Any]:
    path = _path(parts)
    try:
        durable.publish(path, json.dumps(document, indent=2).encode() + b"\n")
    except OSError as error:
        raise Broken(f"cannot publish the status: {error.strerror}", where=path) from error
    return document


def published(parts: Parts) -> dict[str, Any] | None:
    """None where there is none, or what is there is no status of ours."""
    try:
        with open(_path(parts), "rb") as file:
            document = json.load(file)
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and document.get("schema") == 1 else None


def _path(parts: Parts) -> str:
    return os.path.join(parts.settings.runtime, "status.json")
