"""A unix socket is well while somebody accepts connections on it: that its file is there says nothing."""

from dataclasses import dataclass

from reconciler.core.kind import Mistake
from reconciler.core.probe import Asked, Health, Probe, Verdict


@dataclass(frozen=True, slots=True)
class SocketEntry:
    """`path` is absolute, as in `/run/app.sock`."""

    path: str


def check(entry: SocketEntry) -> None:
    if not entry.path.startswith("/") or not entry.path.isprintable():
        raise Mistake(
            f"{entry.path!r} is not an absolute path", "path", hint="write it from the root, as in /run/app.sock"
        )


def ask(entry: SocketEntry, asked: Asked) -> Verdict:
    seconds = asked.view.net.connect_local(entry.path, asked.timeout)
    return Verdict(Health.OK, f"{entry.path} accepts connections", seconds)


PROBE = Probe(name="socket", entry=SocketEntry, ask=ask, check=check)
