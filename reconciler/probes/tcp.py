"""A port is well while somebody accepts connections on it; what they would say is not asked."""

from dataclasses import dataclass

from reconciler.core.kind import Mistake
from reconciler.core.probe import Asked, Health, Probe, Verdict


@dataclass(frozen=True, slots=True)
class TcpEntry:
    """`host` is a name or an address, this machine where it is left out."""

    port: int
    host: str = "127.0.0.1"


def check(entry: TcpEntry) -> None:
    if not 1 <= entry.port <= 65535:
        raise Mistake("a port lies between 1 and 65535", "port")
    if not entry.host or not entry.host.isascii() or not entry.host.isprintable() or set(entry.host) & set(" /@[]"):
        raise Mistake(f"{entry.host!r} is no host", "host", hint="as in 192.168.1.7, ::1 or broker.example.org")


def ask(entry: TcpEntry, asked: Asked) -> Verdict:
    seconds = asked.view.net.connect(entry.host, entry.port, asked.timeout)
    host = f"[{entry.host}]" if ":" in entry.host else entry.host
    return Verdict(Health.OK, f"{host}:{entry.port} accepts connections", seconds)


PROBE = Probe(name="tcp", entry=TcpEntry, ask=ask, check=check)
