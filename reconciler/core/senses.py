"""What else of a host can be looked at or touched than its files: services, the network, the machine itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class UnitStat:
    """What the service manager tells of a unit.

    `invocation` names one run of it, another after each restart, empty where it does not run; `stamp` is what was
    written in its environment when it was started (STAMP), empty where there is none; `failed`: it was given up.
    """

    running: bool
    failed: bool
    enabled: bool
    invocation: str = ""
    stamp: str = ""
    pid: int = 0


STAMP = "RECONCILER_STARTED_WITH"
"""The variable that tells with which content, release and configuration a service was started."""


class UnitsView(Protocol):
    """Services, seen."""

    def look(self, name: str) -> UnitStat:
        """Of a unit that the manager does not know: not running, not failed, not enabled. Raises Failure."""

    def log(self, name: str, lines: int) -> tuple[str, ...]:
        """The last lines that it wrote, oldest first; nothing where there are none."""


class Units(UnitsView, Protocol):
    """Services, touched. Their files are files like others: `reload` after they changed, and settled."""

    def reload(self) -> None:
        """The manager reads all definitions anew; what runs goes on running."""

    def enable(self, name: str) -> None:
        """It starts with the machine."""

    def disable(self, name: str) -> None:
        """It does not."""

    def start(self, name: str) -> None:
        """Started when this returns, which is not to say well. What was given up is given another chance."""

    def stop(self, name: str) -> None:
        """Not running any more when this returns, whatever it wished."""

    def restart(self, name: str) -> None:
        """Another run of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of an HTTP server; the body is cut at a limit."""

    status: int
    body: bytes
    seconds: float


class Net(Protocol):
    """Whom one can reach. Nothing takes longer than its timeout, whatever the other side does. Raises Transient."""

    def connect(self, host: str, port: int, timeout: timedelta) -> float:
        """Seconds until a TCP connection stood."""

    def connect_local(self, path: str, timeout: timedelta) -> float:
        """Seconds until a connection to a unix socket stood."""

    def get(self, url: str, timeout: timedelta) -> Answer:
        """Redirects are not followed, no proxy is asked, and no more than 64 KiB are read."""

    def certificate_end(self, host: str, port: int, timeout: timedelta) -> datetime:
        """When the certificate that a server shows, which is verified, ends to be valid."""


@dataclass(frozen=True, slots=True)
class Room:
    """Of a file system or of memory, in bytes."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Load:
    """Of all processes of a unit: resident memory in bytes, and seconds of CPU used since they started."""

    memory: int
    cpu_seconds: float


class Vitals(Protocol):
    """How the machine does. Raises Failure where that cannot be told."""

    def disk(self, path: str) -> Room: ...

    def memory(self) -> Room: ...

    def temperature(self) -> float:
        """The hottest sensor, in degrees Celsius."""

    def load(self, pid: int) -> Load:
        """Of a process and all that it started."""

    def uptime(self) -> float:
        """Seconds since boot, asleep ones too: a clock that nobody sets."""

    def now(self) -> datetime:
        """What the machine takes for the time, in UTC."""

    def pause(self, span: timedelta) -> None:
        """Lets that much time go by, between two looks at something that moves."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: its exit status, negative for a signal, and the end of what it said."""

    status: int
    said: str


class Commands(Protocol):
    """Commands that only ask. They run without privileges, shell, input or our environment, and end in time."""

    def run(self, command: tuple[str, ...], timeout: timedelta) -> Ran:
        """Raises Overdue; raises NotFound where there is no such program."""
