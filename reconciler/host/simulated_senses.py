"""Whom a device in memory can reach, how it does, and what commands answer there: what it was told, and nothing else.

What nobody set is as on a bare machine: nobody listens, no sensor is there, no program is found. An answer that is a
Failure is raised.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from reconciler.core.errors import Failure, Moved, NotFound, NotSupported, Overdue, Transient
from reconciler.core.senses import Answer, Load, Ran, Room

_GIB = 1 << 30
_START = datetime(2026, 1, 1, tzinfo=UTC)

_ROOM = Room(4 * _GIB, 3 * _GIB)

T = TypeVar("T")


@dataclass(slots=True)
class SimulatedSenses:
    """Satisfies Net, Vitals and Commands. Its clocks go on by `pause` only; `busy` is how many cores a process uses.

    `programs` are by their command, or by its first word.
    """

    ports: dict[tuple[str, int], float | Failure] = field(default_factory=dict)
    sockets: dict[str, float | Failure] = field(default_factory=dict)
    answers: dict[str, Answer | Failure] = field(default_factory=dict)
    certificates: dict[tuple[str, int], datetime | Failure] = field(default_factory=dict)
    programs: dict[tuple[str, ...], Ran | Failure] = field(default_factory=dict)
    disks: dict[str, Room | Failure] = field(default_factory=lambda: {"/": Room(32 * _GIB, 16 * _GIB)})
    room: Room | Failure = _ROOM
    celsius: float | Failure | None = None
    loads: dict[int, Load] = field(default_factory=dict)
    busy: dict[int, float] = field(default_factory=dict)
    seconds: float = 60.0
    time: datetime = _START

    def connect(self, host: str, port: int, timeout: timedelta) -> float:
        refused = Transient(f"cannot connect to {host}:{port}: connection refused")
        return _in_time(_told(self.ports.get((host, port), refused)), timeout)

    def connect_local(self, path: str, timeout: timedelta) -> float:
        missing = Transient(f"cannot connect to {path}: no such file or directory")
        return _in_time(_told(self.sockets.get(path, missing)), timeout)

    def get(self, url: str, timeout: timedelta) -> Answer:
        answer = _told(self.answers.get(url, Transient("cannot get a URL: connection refused")))
        _in_time(answer.seconds, timeout)
        return answer

    def certificate_end(self, host: str, port: int, _timeout: timedelta) -> datetime:
        refused = Transient(f"cannot see the certificate of {host}:{port}: connection refused")
        return _told(self.certificates.get((host, port), refused))

    def run(self, command: tuple[str, ...], _timeout: timedelta) -> Ran:
        missing = NotFound(f"cannot run {command[0]}: there is no such program")
        return _told(self.programs.get(command, self.programs.get(command[:1], missing)))

    def disk(self, path: str) -> Room:
        missing = NotFound(f"cannot tell how full the disk is at {path}: there is no such path")
        return _told(self.disks.get(path, missing))

    def memory(self) -> Room:
        return _told(self.room)

    def temperature(self) -> float:
        missing = NotSupported("cannot tell the temperature: this machine has no sensor that the kernel knows")
        return _told(missing if self.celsius is None else self.celsius)

    def load(self, pid: int) -> Load:
        return _told(self.loads.get(pid, Moved(f"cannot look at process {pid}: it is gone")))

    def uptime(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.time

    def pause(self, span: timedelta) -> None:
        self.seconds += span.total_seconds()
        self.time += span
        for pid, cores in self.busy.items():
            load = self.loads[pid]
            self.loads[pid] = Load(load.memory, load.cpu_seconds + cores * span.total_seconds())


def _told(answer: T | Failure) -> T:
    if isinstance(answer, Failure):
        raise answer
    return answer


def _in_time(seconds: float, timeout: timedelta) -> float:
    if seconds >= timeout.total_seconds():
        raise Overdue(f"cannot wait longer: no answer within {timeout.total_seconds():g} s")
    return seconds
