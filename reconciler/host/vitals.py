"""How the machine does is what its kernel says at this moment; what it does not say is not guessed."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

from reconciler.core.errors import Broken, Denied, Moved, NotFound, NotSupported
from reconciler.core.senses import Load, Room
from reconciler.host.places import reached
from reconciler.host.refusal import cannot


class HostVitals:
    """Satisfies Vitals. Only paths are taken under the root: it has no memory and no processor of its own."""

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def disk(self, path: str) -> Room:
        """As df(1) counts it: blocks that are kept for root count neither as used nor as free."""
        with cannot("tell how full the disk is at", path):
            try:
                seen = os.statvfs(reached(self._root, path))
            except FileNotFoundError as error:
                raise NotFound(f"cannot tell how full the disk is at {path}: there is no such path") from error
        total = (seen.f_blocks - seen.f_bfree + seen.f_bavail) * seen.f_frsize
        if total <= 0:
            raise NotSupported(f"cannot tell how full {path} is: no file system with blocks lies there")
        return Room(total, seen.f_bavail * seen.f_frsize)

    def memory(self) -> Room:
        """What is available is free: the kernel gives back caches when they are needed."""
        seen = _psutil().virtual_memory()
        return Room(seen.total, seen.available)

    def temperature(self) -> float:
        with cannot("read", "the sensors of temperature"):
            found = _psutil().sensors_temperatures()
        known = [sensor.current for sensors in found.values() for sensor in sensors if sensor.current is not None]
        if not known:
            raise NotSupported("cannot tell the temperature: this machine has no sensor that the kernel knows")
        return float(max(known))

    def load(self, pid: int) -> Load:
        """With what they waited for: a child that ended takes none of its time away. Shared memory counts for each."""
        psutil = _psutil()
        with _looking_at(psutil, pid):
            first = psutil.Process(pid)
            memory, seconds = _use(first)
            for child in first.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    more = _use(child)
                    memory, seconds = memory + more[0], seconds + more[1]
        return Load(memory, seconds)

    def uptime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def pause(self, span: timedelta) -> None:
        time.sleep(span.total_seconds())


def _psutil() -> ModuleType:
    """Only devices whose checks ask for it pay for it."""
    try:
        import psutil  # noqa: PLC0415
    except ImportError as error:
        hint = "install the agent anew, or: pip install psutil"
        raise Broken("cannot look at memory, sensors and processes: psutil is not there", hint=hint) from error
    return psutil


@contextmanager
def _looking_at(psutil: ModuleType, pid: int) -> Iterator[None]:
    try:
        yield
    except psutil.NoSuchProcess as error:
        raise Moved(f"cannot look at process {pid}: it is gone") from error
    except psutil.AccessDenied as error:
        raise Denied(f"cannot look at process {pid}: not permitted", hint="run the agent as root") from error


def _use(process: Any) -> tuple[int, float]:
    """Resident bytes, and seconds of CPU."""
    with process.oneshot():
        return process.memory_info().rss, sum(process.cpu_times()[:4])
