"""The agent as others see it: the lock it holds, the socket it answers, the status it leaves."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta

from reconciler import __version__, durable
from reconciler.agent import ipc
from reconciler.agent.command import CONTROL
from reconciler.agent.deadline import deadline
from reconciler.agent.doctor.finding import Finding, fault, ok, warning
from reconciler.agent.doctor.installation import Installation
from reconciler.agent.publish import published
from reconciler.core.errors import Overdue

RUN = "reconciler run"
PATIENCE = timedelta(seconds=5)
SILENCE = timedelta(minutes=30)
"""Besides the interval of the repo: an agent that is well looks at its device more often, unless told otherwise."""

WATCHES = "/proc/sys/fs/inotify/max_user_watches"
_RESTART = "end it and start it again: it goes on from where it was"


def agent(installation: Installation) -> Iterator[Finding]:
    if os.path.exists(installation.lock) and not os.access(installation.lock, os.R_OK):
        yield warning(
            "agent", f"whether it runs cannot be told: {installation.lock} is closed to us", "ask as its owner"
        )
        return
    holder = installation.holder()
    if holder is None or holder.command != RUN:
        busy = f"; {holder} works on the device" if holder else ""
        yield _absent(f"none runs: nothing follows the repo by itself{busy}", installation)
        return
    yield ok("agent", str(holder))
    yield _asked(installation)


def status(installation: Installation) -> Iterator[Finding]:
    """Each pass leaves one."""
    path, document = os.path.join(installation.settings.runtime, "status.json"), published(installation.parts)
    if document is None and os.path.exists(path):
        yield warning("status", f"{path} is no status of ours, or not readable", "`reconciler sync` writes it anew")
    elif document is None:
        yield ok("status", "none is published: there was no sync since the last boot", "`reconciler sync`")
    elif _is_stale(installation, document["lastSync"]):
        seen = f"the agent runs, but left no word since {document['lastSync']}"
        yield warning("status", seen, f"if it was not told to look as seldom, {_RESTART}")
    elif document["agentVersion"] != __version__:
        seen = f"release {document['agentVersion']} published it, and this is {__version__}"
        yield warning("status", seen, f"if an agent runs, {_RESTART}")
    else:
        yield ok("status", f"{document['phase']}, as of {document['lastSync']}")


def watches(installation: Installation) -> Iterator[Finding]:
    """A folder is watched once, whatever is in it. Without watches drift is found at the interval only."""
    if not (installation.has_records and os.path.exists(WATCHES)):
        return
    kinds = installation.parts.kinds
    owned = installation.parts.store.inventory.load().owned
    places = (kinds[id.kind].place(id.name) for id in owned if id.kind in kinds)
    needed = len({os.path.dirname(place) for place in places if place})
    with open(WATCHES, encoding="ascii") as file:
        most = int(file.read())
    seen = f"needed for folders: {needed}, allowed to a user: {most}"
    if needed * 2 > most:
        yield warning("watches", seen, f"`sysctl fs.inotify.max_user_watches={max(needed * 4, 8192)}`")
    else:
        yield ok("watches", seen)


def _absent(seen: str, installation: Installation) -> Finding:
    """A sandbox has none unless somebody wants one."""
    mend = "`reconciler run`, from a unit of your own"
    return ok("agent", seen, mend) if installation.settings.is_sandbox else warning("agent", seen, mend)


def _asked(installation: Installation) -> Finding:
    """Whatever it answers, it answers."""
    try:
        with deadline(PATIENCE, "asking the agent"):
            answer = ipc.ask(installation.settings.runtime, CONTROL, "version", {}, lambda _: None)
    except ipc.Refused:
        answer = {}
    except Overdue:
        seen = f"the agent does not answer within {PATIENCE.seconds} s: it is at work on the device, or hangs"
        return warning("control", seen, f"if this lasts, {_RESTART}")
    if answer is None:
        return fault("control", f"the agent runs, but nobody listens at {CONTROL}", _RESTART)
    return ok("control", f"the agent answers at {CONTROL}")


def _is_stale(installation: Installation, last: str) -> bool:
    holder: durable.Holder | None = installation.holder()
    if holder is None or holder.command != RUN:
        return False
    age = installation.parts.now() - datetime.fromisoformat(last)
    return age > SILENCE + 2 * installation.settings.interval
