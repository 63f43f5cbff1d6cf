"""A command that changes something asks the running agent; with none it takes the one lock itself."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from reconciler import durable
from reconciler.agent.ask import AT_ONCE
from reconciler.agent.deed import DEEDS, VERIFYING, Arguments, Result, go_on, look_again
from reconciler.agent.main import prepare
from reconciler.agent.parts import Parts
from reconciler.agent.publish import status
from reconciler.core.errors import Denied, InputOutput, Locked
from reconciler.core.journal import Mark
from reconciler.core.step import Step
from reconciler.core.why import Reason, why

CONTROL = "control.sock"

SETTLING_S = 10.0
"""How long a command waits for what it changed to become well."""

Tell = Callable[[dict[str, Any]], None]
"""Told of each step as it comes along (`resource`, `action`, `mark`), and of a `trial` in words."""


@contextmanager
def alone(parts: Parts, command: str) -> Iterator[None]:
    """Raises Locked, naming who holds the lock."""
    prepare(parts.settings)
    path = os.path.join(parts.settings.runtime, "lock")
    with ExitStack() as held:
        try:
            held.enter_context(durable.lock(path, f"reconciler {command}"))
        except durable.Held as other:
            holder = other.holder or "another process"
            hint = "wait until it has ended; the kernel frees the lock however that is"
            raise Locked(f"cannot start `{command}`: {holder} holds the lock", hint=hint) from other
        except PermissionError as error:
            raise Denied(f"cannot take the lock: {error.strerror}", where=path, hint="run this as root") from error
        except OSError as error:
            raise InputOutput(f"cannot take the lock: {error.strerror}", where=path) from error
        yield


def do(parts: Parts, verb: str, arguments: Arguments, tell: Tell) -> Result:
    """One of DEEDS, by the agent where one runs."""
    from reconciler.agent import ipc  # noqa: PLC0415  # 4 MB that a device without an agent does without

    answer = ipc.ask(parts.settings.runtime, CONTROL, verb, arguments, tell)
    if answer is not None:
        return answer
    with alone(parts, verb):
        return _to_the_end(replace(parts, say=lambda line: tell({"trial": line})), verb, arguments, tell)


def _to_the_end(parts: Parts, verb: str, arguments: Arguments, tell: Tell) -> Result:
    """What is on trial is waited for, and then, for a little while, what it has to become well again."""

    def watch(step: Step, mark: Mark) -> None:
        tell(told(step, mark))

    done = DEEDS[verb](parts, arguments, watch)
    while done.get("result") == VERIFYING:
        time.sleep(done["wait"])
        done = joined(done, go_on(parts, {}, watch))
    end = time.monotonic() + SETTLING_S
    while parts.checkup.is_settling(parts.look()) and time.monotonic() < end:
        time.sleep(AT_ONCE.total_seconds())
        done = {**done, "status": look_again(parts)}
    return done


def joined(before: Result, after: Result) -> Result:
    """Of two passes of one command: all that was changed, and how it ended."""
    return {**after, "changes": [*before["changes"], *(c for c in after["changes"] if c not in before["changes"])]}


def told(step: Step, mark: Mark) -> dict[str, Any]:
    return {"resource": str(step.resource), "action": str(step.action), "mark": mark.name.lower()}


def reasons(parts: Parts) -> tuple[Reason, ...]:
    """Why it is not changing, or not well: who works on it now, and all that the status tells."""
    holder = durable.held_by(os.path.join(parts.settings.runtime, "lock"))
    is_busy = holder is not None and holder.command != "reconciler run"
    busy = (
        Reason("lock", f"{holder.command} works on it (pid {holder.pid})", holder.since.replace("+00:00", "Z"))
        if holder
        else None
    )
    return (*((busy,) if busy and is_busy else ()), *why(status(parts)))
