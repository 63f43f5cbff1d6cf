"""On a machine systemd has the word: what it says is what we see, and what it did is waited for, not hoped for.

Definitions are read anew only where they changed. A run is another one when systemd says so.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from reconciler.core.errors import Broken, Failure, Overdue, Rejected, Transient
from reconciler.core.senses import UnitStat
from reconciler.durable import fsync_directory
from reconciler.host.journal import journal_of
from reconciler.host.refusal import cannot
from reconciler.host.systemd_bus import MANAGER, Refused, Systemd, Unknown, converse
from reconciler.host.systemd_run import (
    definitions,
    read_record,
    stamp_of_definition,
    stamp_of_process,
    write_record,
)

STARTS_WITH_THE_MACHINE = {"enabled", "alias"}
"""States of a unit file: what is enabled for this uptime only does not, nor does what others pull in (static)."""

JOB_SECONDS_MAX, JOB_GRACE_SECONDS = 100.0, 10.0
RELOAD_SECONDS = 60.0
"""A Raspberry Pi Zero with two hundred units needs some of them."""

GLANCE_SECONDS = 0.3
"""How long to wait for a process to become the service."""

SAID_LINES = 6

_PAUSE = 0.02
_RUNNING = {"active", "reloading", "refreshing", "activating"}

_REASONS = {
    "failed": "it failed",
    "timeout": "it was not up in time",
    "dependency": "a unit that it requires failed",
    "skipped": "a condition of it does not hold",
    "invalid": "systemd cannot do that with it",
    "assert": "an assertion of it does not hold",
    "unsupported": "this machine does not support it",
    "once": "it was run once and is not run again",
}
"""How a job can end badly (org.freedesktop.systemd1(5), JobRemoved)."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What systemd says at one moment; times in microseconds since boot, `environment` that of the definition."""

    active: str
    sub: str
    invocation: str
    pid: int
    environment: list[str]
    began: int
    definitions_read: int

    @property
    def runs(self) -> bool:
        return self.active in _RUNNING and not self.sub.startswith("auto-restart")


@contextmanager
def _deed(deed: str) -> Iterator[None]:
    """What systemd refuses inside is raised as what it means."""
    try:
        yield
    except Refused as refused:
        raise refused.as_failure(deed) from refused


class SystemdUnits:
    """Satisfies Units."""

    def __init__(self) -> None:
        self._read: frozenset[tuple[str, int, int, int]] | None = None

    def look(self, name: str) -> UnitStat:
        with _deed(f"look at {name}"):
            seen, enabled = converse(lambda systemd: _look(systemd, name))
        if seen is None or not seen.runs:
            failed = seen is not None and seen.active == "failed"
            return UnitStat(running=False, failed=failed, enabled=enabled)
        stamp = _stamp(name, seen) if name.endswith(".service") else ""
        return UnitStat(True, False, enabled, seen.invocation, stamp, seen.pid)  # noqa: FBT003  # in the order of the record

    def log(self, name: str, lines: int) -> tuple[str, ...]:
        return journal_of(name, lines)

    def reload(self) -> None:
        now = definitions()
        if now == self._read:
            return
        with _deed("have systemd read its units anew"):
            converse(lambda systemd: systemd.ask("Reload", seconds=RELOAD_SECONDS))
        self._read = now

    def enable(self, name: str) -> None:
        with _deed(f"enable {name}"):
            has_install, changes = converse(
                lambda systemd: systemd.ask("EnableUnitFiles", "asbb", [name], False, False)  # noqa: FBT003  # as D-Bus says it
            )
        if not has_install:
            hint = "give it an [Install] section with WantedBy=multi-user.target, or do not say `enabled: true`"
            raise Rejected(f"cannot enable {name}: its definition does not say what starts it", hint=hint)
        _settle(changes)
        self.reload()

    def disable(self, name: str) -> None:
        changes: list[Any] = []
        with _deed(f"disable {name}"), suppress(Unknown):
            (changes,) = converse(lambda systemd: systemd.ask("DisableUnitFiles", "asb", [name], False))  # noqa: FBT003
        _settle(changes)
        self.reload()

    def start(self, name: str) -> None:
        self._do("StartUnit", "start", name)

    def stop(self, name: str) -> None:
        with _deed(f"stop {name}"), suppress(Unknown):
            _check("stop", name, converse(lambda systemd: _carry_out(systemd, "StopUnit", name)))

    def restart(self, name: str) -> None:
        self._do("RestartUnit", "restart", name)

    def _do(self, member: str, verb: str, name: str) -> None:
        before = _invocation(name)
        with _deed(f"{verb} {name}"):
            _check(verb, name, converse(lambda systemd: _carry_out(systemd, member, name)))
            seen, _ = converse(lambda systemd: _look(systemd, name))
        if seen and seen.runs and name.endswith(".service") and seen.invocation != before:
            write_record(name, seen.invocation, stamp_of_definition(seen.environment))


async def _look(systemd: Systemd, name: str) -> tuple[_Seen | None, bool]:
    """And whether it starts with the machine."""
    try:
        (path,) = await systemd.ask("LoadUnit", "s", name)
    except Unknown:  # a template, too
        return None, await _is_enabled(systemd, name)
    unit = await systemd.properties(path, "Unit")
    service = await systemd.properties(path, "Service") if name.endswith(".service") else {}
    manager = await systemd.properties(MANAGER, "Manager") if service else {}
    seen = _Seen(
        active=unit["ActiveState"],
        sub=unit["SubState"],
        invocation=bytes(unit["InvocationID"]).hex(),
        pid=service.get("MainPID", 0),
        environment=service.get("Environment", []),
        began=unit["InactiveExitTimestampMonotonic"],
        definitions_read=manager.get("UnitsLoadTimestampMonotonic", 0),
    )
    return seen, await _is_enabled(systemd, name)


async def _is_enabled(systemd: Systemd, name: str) -> bool:
    """Of the files as they are now: the property of a unit is what was so when it was loaded."""
    try:
        (state,) = await systemd.ask("GetUnitFileState", "s", name)
    except Unknown:
        return False
    return state in STARTS_WITH_THE_MACHINE


async def _carry_out(systemd: Systemd, member: str, name: str) -> str | None:
    """How its job ended; None where it goes on. What was given up gets another chance, and counts no more."""
    await systemd.listen()
    seconds = await _patience(systemd, member, name)
    if member != "StopUnit":
        await _forgive(systemd, name)
    (job,) = await systemd.ask(member, "ss", name, "replace")
    result = await systemd.end_of(job, seconds)
    if member == "StopUnit":
        await _forgive(systemd, name)
    return result


async def _patience(systemd: Systemd, member: str, name: str) -> float:
    """In seconds: what its definition allows, and some."""
    if not name.endswith(".service"):
        return JOB_SECONDS_MAX
    (path,) = await systemd.ask("LoadUnit", "s", name)
    service = await systemd.properties(path, "Service")
    keys = {"StartUnit": ("Start",), "StopUnit": ("Stop",), "RestartUnit": ("Stop", "Start")}[member]
    allowed: float = sum(service.get(f"Timeout{key}USec", 0) for key in keys) / 1e6
    return min(JOB_SECONDS_MAX, allowed + JOB_GRACE_SECONDS)


async def _forgive(systemd: Systemd, name: str) -> None:
    with suppress(Refused):
        await systemd.ask("ResetFailedUnit", "s", name)


def _check(verb: str, name: str, result: str | None) -> None:
    """Raises Overdue, Transient, Broken."""
    if result == "done":
        return
    if result is None:
        raise Overdue(f"cannot wait longer for systemd to {verb} {name}", hint=f"look at `systemctl status {name}`")
    if result in {"canceled", "collected"}:
        raise Transient(f"cannot {verb} {name}: somebody asked systemd for something else meanwhile")
    reason = _REASONS.get(result, f"systemd says {result}")
    raise Broken(f"cannot {verb} {name}: {reason}{_said(name)}", hint=f"look at `journalctl -u {name}`")


def _said(name: str) -> str:
    try:
        lines = journal_of(name, SAID_LINES)
    except Failure:
        return ""
    return f"; the last of its log: {' | '.join(lines)}" if lines else ""


def _invocation(name: str) -> str:
    with _deed(f"look at {name}"):
        seen, _ = converse(lambda systemd: _look(systemd, name))
    return seen.invocation if seen and seen.runs else ""


def _stamp(name: str, seen: _Seen) -> str:
    noted = read_record(name, seen.invocation)
    if noted is None and seen.pid:
        noted = _told(name, seen)
    if noted is None and seen.began >= seen.definitions_read:
        noted = stamp_of_definition(seen.environment)
    return noted or ""


def _told(name: str, seen: _Seen) -> str | None:
    """Between its fork and its exec a process has nothing of the service yet."""
    until = time.monotonic() + GLANCE_SECONDS
    while (said := stamp_of_process(name, seen.pid, seen.invocation)) is None and time.monotonic() < until:
        time.sleep(_PAUSE)
    return said


def _settle(changes: list[Any]) -> None:
    """The links that systemd made or took away are so after a power cut, too."""
    for folder in {_standing(os.path.dirname(path)) for _, path, _ in changes}:
        with cannot("settle", folder):
            fsync_directory(folder)


def _standing(folder: str) -> str:
    """It, or what held it: with its last link systemd takes a folder away."""
    return folder if os.path.isdir(folder) else _standing(os.path.dirname(folder))
