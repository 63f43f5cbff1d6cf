"""What anyone who may read can have the agent do: look at the device, look for a new commit, say which release it is.

Nothing here changes a device, and no verb ever will: there is another door for that, which only its owner may open.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from reconciler import __version__
from reconciler.agent.ipc import Door, Say, Verb
from reconciler.agent.observation import shown
from reconciler.agent.observe import look
from reconciler.agent.parts import Parts
from reconciler.core.errors import NotFound, Transient
from reconciler.core.identity import ResourceId
from reconciler.core.pace import rfc3339

NAME = "agent.sock"
MODE = 0o660
RATE, SPAN_S = 20, 1.0
"""Requests in so many seconds, of all who ask together."""


def looking(parts: Parts, fetch: Callable[[], None]) -> Door:
    """`fetch` has the repo looked at soon."""
    recent: deque[float] = deque(maxlen=RATE)

    def limited(verb: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Verb:
        async def answer(arguments: Mapping[str, Any], _say: Say) -> dict[str, Any]:
            now = time.monotonic()
            if len(recent) == RATE and now - recent[0] < SPAN_S:
                raise Transient(f"cannot answer more than {RATE} requests a second", hint="ask less often")
            recent.append(now)
            await asyncio.sleep(0)
            return verb(arguments)

        return answer

    def version(_arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {"version": __version__, "device": str(parts.settings.device)}

    def look_for_commit(_arguments: Mapping[str, Any]) -> dict[str, Any]:
        fetch()
        return {"asked": True}

    def observe(arguments: Mapping[str, Any]) -> dict[str, Any]:
        return observed(parts, arguments.get("resources"))

    verbs = {"version": limited(version), "fetch": limited(look_for_commit), "observe": limited(observe)}
    return Door(parts.settings.runtime, NAME, MODE, verbs, is_owner_only=False)


def observed(parts: Parts, wanted: object) -> dict[str, Any]:
    """What is managed, or some of it by id, as it is at this moment. Raises NotFound for what is not managed."""
    desired = parts.sight.desired
    known = desired.resources if desired else {}
    ids = known.keys() if wanted is None else [_id(text, known) for text in _texts(wanted)]
    seen = look(ids, parts.kinds, parts.look())
    return {
        "at": rfc3339(parts.now()),
        "resources": [{"id": str(id), "state": shown(state)} for id, state in sorted(seen.states.items())],
    }


def _texts(wanted: object) -> list[str]:
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise ValueError("`resources` is a list of resource ids")
    return wanted


def _id(text: str, known: Mapping[ResourceId, object]) -> ResourceId:
    id = ResourceId.parse(text)
    if id not in known:
        raise NotFound(f"cannot look at {text}: the desired state does not name it")
    return id
