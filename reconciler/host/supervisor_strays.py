"""What runs for a sandbox is known by a variable that each of its processes was given, whoever is its parent by now.

So what outlived its supervisord is found and ended before another one starts the same again: never two of one service.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from reconciler.core.errors import Transient
from reconciler.host.supervisor_config import MARK, UNIT

TERM_SECONDS, KILL_SECONDS = 5.0, 5.0
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """A number alone may be another's tomorrow; `start` is in ticks since boot (proc(5), field 22 of stat)."""

    pid: int
    start: int


def stat_of(pid: int) -> Process | None:
    """None where it ended, also where nobody has asked yet how."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return parse_stat(file.read())
    except (OSError, ValueError):
        return None


def parse_stat(text: str) -> Process | None:
    """Of a line of /proc/PID/stat, whose second field may hold anything. Raises ValueError for another text."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    if len(fields) < 20:
        raise ValueError("no line of /proc/PID/stat")
    return None if fields[0] in ("Z", "X") else Process(int(head.partition(" ")[0]), int(fields[19]))


def strays(root: str, unit: str | None = None) -> set[Process]:
    """All that runs for the sandbox, or for one unit of it."""
    wanted = {f"{MARK}={root}".encode(errors="surrogateescape")}
    if unit is not None:
        wanted.add(f"{UNIT}={unit}".encode())
    return {process for pid in _pids() if wanted <= _variables(pid) and (process := stat_of(pid))}


def end(processes: set[Process]) -> None:
    """Asks, waits, and makes sure. Raises Transient where one does not end whatever is done."""
    for sign, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        for process in _alive(processes):
            with suppress(ProcessLookupError):
                os.kill(process.pid, sign)
        if gone(processes, seconds):
            return
    left = ", ".join(str(process.pid) for process in sorted(_alive(processes), key=lambda process: process.pid))
    raise Transient(
        f"cannot end what runs in the sandbox: process {left} does not go", hint="look at what it waits for"
    )


def gone(processes: set[Process], seconds: float) -> bool:
    """Whether they ended within that time."""
    until = time.monotonic() + seconds
    while _alive(processes):
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True


def _alive(processes: set[Process]) -> set[Process]:
    return {process for process in processes if stat_of(process.pid) == process}


def _pids() -> Iterator[int]:
    ours = os.getpid()
    return (int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != ours)


def _variables(pid: int) -> set[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return set(file.read().split(b"\0"))
    except OSError:  # ended meanwhile, or another user's
        return set()
