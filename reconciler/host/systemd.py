"""On a machine systemd has the word: what it says is what we see, and what it did is waited for, not hoped for.

Definitions are read anew only where they changed. A run is another one when systemd says so.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from reconciler.core.errors import Rejected
from reconciler.core.senses import UnitStat
from reconciler.durable import fsync_directory
from reconciler.host.journal import journal_of
from reconciler.host.refusal import cannot
from reconciler.host.systemd_bus import MANAGER, Refused, Systemd, Unknown, converse
from reconciler.host.systemd_job import Job, carry_out, check
from reconciler.host.systemd_run import (
    definitions,
    read_record,
    stamp_of_definition,
    stamp_of_process,
    write_record,
)

STARTS_WITH_THE_MACHINE = {"enabled", "alias"}
"""States of a unit file: what is enabled for this uptime only does not, nor does what others pull in (static)."""

RELOAD_SECONDS = 60.0
"""A Raspberry Pi Zero with two hundred units needs some of them."""

GLANCE_SECONDS = 0.3
"""How long to wait for a process to become the service."""

_PAUSE = 0.02
_RUNNING = {"active", "reloading", "refreshing", "activating"}


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
            hint = "give it one with WantedBy=multi-user.target, or do not say `enabled: true`"
            raise Rejected(f"cannot enable {name}: it has no [Install] section that says what starts it", hint=hint)
        _settle(changes)
        self.reload()

    def disable(self, name: str) -> None:
        changes: list[Any] = []
        with _deed(f"disable {name}"), suppress(Unknown):
            (changes,) = converse(lambda systemd: systemd.ask("DisableUnitFiles", "asb", [name], False))  # noqa: FBT003
        _settle(changes)
        self.reload()

    def start(self, name: str) -> None:
        self._run(Job.START, name)

    def stop(self, name: str) -> None:
        with _deed(f"stop {name}"), suppress(Unknown):
            check(converse(lambda systemd: carry_out(systemd, Job.STOP, name)), Job.STOP, name)

    def restart(self, name: str) -> None:
        self._run(Job.RESTART, name)

    def _run(self, job: Job, name: str) -> None:
        """What ran before keeps the record that it has."""
        with _deed(f"{job} {name}"):
            before, _ = converse(lambda systemd: _look(systemd, name))
            check(converse(lambda systemd: carry_out(systemd, job, name)), job, name)
            seen, _ = converse(lambda systemd: _look(systemd, name))
        is_new = seen is not None and (before is None or not before.runs or before.invocation != seen.invocation)
        if seen and seen.runs and is_new and name.endswith(".service"):
            write_record(name, seen.invocation, stamp_of_definition(seen.environment))


async def _look(systemd: Systemd, name: str) -> tuple[_Seen | None, bool]:
    """And whether it starts with the machine."""
    try:
        (path,) = await systemd.ask("LoadUnit", "s", name)
    except Unknown:  # a template, too
        return None, await _is_enabled(systemd, name)
    unit = ("ActiveState", "SubState", "InvocationID", "InactiveExitTimestampMonotonic")
    active, sub, invocation, began = await systemd.values(path, "Unit", *unit)
    pid, environment, read = 0, [], 0
    if name.endswith(".service"):
        pid, environment = await systemd.values(path, "Service", "MainPID", "Environment")
        (read,) = await systemd.values(MANAGER, "Manager", "UnitsLoadTimestampMonotonic")
    seen = _Seen(active, sub, bytes(invocation).hex(), pid, environment, began, read)
    return seen, await _is_enabled(systemd, name)


async def _is_enabled(systemd: Systemd, name: str) -> bool:
    """Of the files as they are now: the property of a unit is what was so when it was loaded."""
    try:
        (state,) = await systemd.ask("GetUnitFileState", "s", name)
    except Unknown:
        return False
    return state in STARTS_WITH_THE_MACHINE


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
