"""A command that only asks is well when it ends as it should: it runs without privileges, and in time."""

from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.kind import Mistake
from reconciler.core.probe import Asked, Health, Probe, Verdict

SAID_MAX = 200
"""Characters of the last line of its output, in a message."""


@dataclass(frozen=True, slots=True)
class ExecEntry:
    """`command` is a program and its arguments, without a shell; `timeout` is no longer than that of the check."""

    command: tuple[str, ...]
    expect_status: int = 0
    timeout: timedelta | None = None


def check(entry: ExecEntry) -> None:
    if not entry.command or not entry.command[0] or any("\0" in part for part in entry.command):
        raise Mistake("a command names a program", "command", hint='as in ["/bin/true"]')
    if not 0 <= entry.expect_status <= 255:
        raise Mistake("an exit status lies between 0 and 255", "expectStatus")
    if entry.timeout is not None and entry.timeout <= timedelta(0):
        raise Mistake("a command needs some time", "timeout", hint="as in 5s")


def ask(entry: ExecEntry, asked: Asked) -> Verdict:
    """Of the command only the program is told: an argument may be a secret."""
    timeout = asked.timeout if entry.timeout is None else min(entry.timeout, asked.timeout)
    ran = asked.view.commands.run(entry.command, timeout)
    program = entry.command[0]
    if ran.status == entry.expect_status:
        return Verdict(Health.OK, f"{program} ended with {ran.status}")
    how = f"was ended by signal {-ran.status}" if ran.status < 0 else f"ended with {ran.status}"
    return Verdict(Health.CRITICAL, f"{program} {how}, not with {entry.expect_status}{_last_line(ran.said)}")


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    shown = "".join(letter if letter.isprintable() else "?" for letter in lines[-1]) if lines else ""
    return f": {shown[:SAID_MAX]}" if shown else ""


PROBE = Probe(name="exec", entry=ExecEntry, ask=ask, check=check)
