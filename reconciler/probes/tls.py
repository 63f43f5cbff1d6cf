"""A certificate is well while it is trusted, and will be for some time: that it ends soon shows nowhere else."""

from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.kind import Mistake
from reconciler.core.probe import Asked, Figure, Probe, Verdict, check_bounds

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TlsEntry:
    """The certificate that `host` shows, and how long before its end that is amiss."""

    host: str
    port: int = 443
    warn_before: timedelta = timedelta(days=21)
    critical_before: timedelta = timedelta(days=3)


def check(entry: TlsEntry) -> None:
    if not 1 <= entry.port <= 65535:
        raise Mistake("a port lies between 1 and 65535", "port")
    if not entry.host or not entry.host.isascii() or not entry.host.isprintable() or set(entry.host) & set(" /@[]"):
        raise Mistake(f"{entry.host!r} is no host", "host", hint="as in mcp.example.org")
    check_bounds(entry.warn_before / DAY, entry.critical_before / DAY, "warnBefore", falls=True)


def ask(entry: TlsEntry, asked: Asked) -> Verdict:
    end = asked.view.net.certificate_end(entry.host, entry.port, asked.timeout)
    left = (end - asked.view.vitals.now()) / DAY
    said = f"the certificate of {entry.host} ends in {_span(left)}, on {end.date().isoformat()}"
    return Figure(said, left, _span, entry.warn_before / DAY, entry.critical_before / DAY, falls=True).judge()


def _span(days: float) -> str:
    count, unit = (days, "day") if abs(days) >= 2 else (days * 24, "hour")
    return f"{int(count)} {unit}{'' if int(count) == 1 else 's'}"


PROBE = Probe(name="tls", entry=TlsEntry, ask=ask, check=check)
