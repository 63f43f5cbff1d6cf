"""What systemd is asked to do is a job: it is waited for to its end, and how it ended is said in words.

Who asks has a reason to, so what was given up for failing too often gets another chance.
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.errors import Broken, Failure, Overdue, Transient
from reconciler.host.journal import journal_of
from reconciler.host.systemd_bus import Refused, Systemd

SECONDS_MAX, GRACE_SECONDS = 100.0, 10.0
"""How long to wait at most, and for how long beyond what the unit's own definition allows."""

SAID_LINES = 6

_REASONS = {
    "failed": "it failed",
    "timeout": "its job was not done in time",
    "dependency": "a unit that it requires failed",
    "skipped": "a condition of it does not hold",
    "invalid": "systemd cannot do that with it",
    "assert": "an assertion of it does not hold",
    "unsupported": "this machine does not support it",
    "once": "it was run once and is not run again",
}
"""How a job can end badly (org.freedesktop.systemd1(5), JobRemoved)."""


class Job(StrEnum):
    """As it is said of a unit."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"

    @property
    def member(self) -> str:
        return f"{self.capitalize()}Unit"

    @property
    def timeouts(self) -> tuple[str, ...]:
        """Of a service, what bounds it: a restart is both."""
        start, stop = "TimeoutStartUSec", "TimeoutStopUSec"
        return {Job.START: (start,), Job.STOP: (stop,), Job.RESTART: (stop, start)}[self]


@dataclass(frozen=True, slots=True)
class End:
    """`result` of the job, empty where it still goes on; `cause` is what systemd says of a service that failed."""

    result: str
    cause: str = ""


async def carry_out(systemd: Systemd, job: Job, name: str) -> End:
    """Raises Refused."""
    (path,) = await systemd.ask("LoadUnit", "s", name)
    await systemd.listen()
    seconds = await _patience(systemd, job, name, path)
    if job is not Job.STOP:
        await _forgive(systemd, name)
    (number,) = await systemd.ask(job.member, "ss", name, "replace")
    result = await systemd.end_of(number, seconds)
    if job is Job.STOP:
        await _forgive(systemd, name)
    if result == "failed" and name.endswith(".service"):
        (cause,) = await systemd.values(path, "Service", "Result")
        return End(result, cause)
    return End(result or "")


def check(end: End, job: Job, name: str) -> None:
    """Raises Overdue, Transient, or Broken with the last lines of its log."""
    if end.result == "done":
        return
    hint = f"look at `systemctl status {name}`"
    if not end.result:
        raise Overdue(f"cannot wait longer for systemd to {job} {name}", hint=hint)
    if end.result in {"canceled", "collected"}:
        raise Transient(f"cannot {job} {name}: somebody asked systemd for something else meanwhile", hint=hint)
    reason = _REASONS.get(end.result, f"systemd says {end.result}") + (f" ({end.cause})" if end.cause else "")
    raise Broken(f"cannot {job} {name}: {reason}{_said(name)}", hint=f"look at `journalctl -u {name}`")


async def _patience(systemd: Systemd, job: Job, name: str, path: str) -> float:
    """In seconds: what its definition allows, and some."""
    if not name.endswith(".service"):
        return SECONDS_MAX
    allowed = sum(await systemd.values(path, "Service", *job.timeouts)) / 1e6
    return float(min(SECONDS_MAX, allowed + GRACE_SECONDS))


async def _forgive(systemd: Systemd, name: str) -> None:
    with suppress(Refused):
        await systemd.ask("ResetFailedUnit", "s", name)


def _said(name: str) -> str:
    try:
        lines = journal_of(name, SAID_LINES)
    except Failure:
        return ""
    return f"; the last of its log: {' | '.join(lines)}" if lines else ""
