"""systemd is asked over the system bus: a connection a conversation, each answer awaited for so long and no longer.

Who asks may be inside an event loop of its own, so a conversation has another one, in a thread that ends with it. No
connection is kept: a bus or a manager that was started anew in between is noticed by nobody.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from dbus_fast import DBusError, Message, MessageType
from dbus_fast.aio import MessageBus

from reconciler.core.errors import Broken, Denied, Failure, NoRoom, NotFound, NotSupported, Rejected, Transient

ADDRESS = "unix:path=/run/dbus/system_bus_socket"
RUNS_HERE = "/run/systemd/system"
"""There where systemd is the manager (sd_booted(3))."""

ANSWER_SECONDS = 5.0
SYSTEMD, MANAGER = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"

_BUS = "org.freedesktop.DBus"
_JOBS = f"type='signal',sender='{SYSTEMD}',interface='{SYSTEMD}.Manager',member='JobRemoved',path='{MANAGER}'"

_SORTS: dict[str, tuple[type[Failure], str | None]] = {
    f"{SYSTEMD}.NoSuchUnit": (NotFound, None),
    f"{SYSTEMD}.NoSuchUnitFile": (NotFound, None),
    f"{_BUS}.Error.FileNotFound": (NotFound, None),
    f"{_BUS}.Error.InvalidArgs": (NotFound, None),
    f"{SYSTEMD}.UnitMasked": (Broken, "`systemctl unmask` it, or `systemctl unmask --runtime`"),
    f"{SYSTEMD}.BadUnitSetting": (Rejected, "`systemd-analyze verify` says what is wrong with it"),
    f"{SYSTEMD}.LoadFailed": (Rejected, "`systemd-analyze verify` says what is wrong with it"),
    f"{SYSTEMD}.TransactionIsDestructive": (Transient, "the machine seems to be going down"),
    f"{SYSTEMD}.ShuttingDown": (Transient, "the machine is going down"),
    f"{_BUS}.Error.AccessDenied": (Denied, "run the agent as root"),
    f"{_BUS}.Error.InteractiveAuthorizationRequired": (Denied, "run the agent as root"),
    f"{_BUS}.Error.NoReply": (Transient, None),
    f"{_BUS}.Error.Timeout": (Transient, None),
    f"{_BUS}.Error.ServiceUnknown": (Transient, None),
    f"{_BUS}.Error.NameHasNoOwner": (Transient, None),
    f"{_BUS}.Error.Disconnected": (Transient, None),
    f"{_BUS}.Error.LimitsExceeded": (Transient, None),
    "System.Error.ENOSPC": (NoRoom, "free some space in /run"),
    "System.Error.EROFS": (Broken, "the file system is mounted read-only; look at `dmesg` for why"),
}
"""What systemd and the bus refuse with, and who must act (org.freedesktop.systemd1(5))."""

_UNKNOWN = {name for name, (sort, _) in _SORTS.items() if sort is NotFound}

T = TypeVar("T")

_Line = list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]]
"""What a conversation is ended by from outside; empty before it began."""


class Refused(Exception):
    """The answer is no; `name` is that of the D-Bus error."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name

    def as_failure(self, deed: str) -> Failure:
        """`cannot start web.service: unit web.service is masked`."""
        sort, hint = _SORTS.get(self.name, (Broken, None))
        return sort(f"cannot {deed}: {_sentence(str(self))}", hint=hint)


class Unknown(Refused):
    """There is no such unit, or it has no file, or no unit can be called so."""


@dataclass(frozen=True, slots=True)
class _Whom:
    """Who is called on the bus: an interface of one object of one program."""

    name: str
    path: str
    interface: str


class Systemd:
    """One conversation with the manager."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._ended: dict[str, str] = {}
        self._news = asyncio.Event()

    async def ask(self, member: str, signature: str = "", *body: Any, seconds: float = ANSWER_SECONDS) -> list[Any]:
        """Of the manager. Raises Refused, or Transient where there is no answer in time."""
        async with asyncio.timeout(seconds):
            return await self._call(_Whom(SYSTEMD, MANAGER, f"{SYSTEMD}.Manager"), member, signature, body)

    async def values(self, path: str, interface: str, *names: str) -> list[Any]:
        """Of some properties of an object: all of them would be hundreds, and some are read from the kernel."""
        whom = _Whom(SYSTEMD, path, f"{_BUS}.Properties")
        asked = [self._call(whom, "Get", "ss", (f"{SYSTEMD}.{interface}", name)) for name in names]
        async with asyncio.timeout(ANSWER_SECONDS):
            return [reply[0].value for reply in await asyncio.gather(*asked)]

    async def listen(self) -> None:
        """From here on no end of a job is missed."""
        self._bus.add_message_handler(self._hear)
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._call(_Whom(_BUS, "/org/freedesktop/DBus", _BUS), "AddMatch", "s", (_JOBS,))
        await self.ask("Subscribe")

    async def end_of(self, job: str, seconds: float) -> str | None:
        """Its result; None where it goes on for longer. Who asks listens."""
        try:
            async with asyncio.timeout(seconds):
                while job not in self._ended:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None
        return self._ended[job]

    def _hear(self, message: Message) -> None:
        if (
            message.message_type is MessageType.SIGNAL
            and message.member == "JobRemoved"
            and message.signature == "uoss"
        ):
            _, job, _, result = message.body
            self._ended[job] = result
            self._news.set()

    async def _call(self, whom: _Whom, member: str, signature: str, body: tuple[Any, ...]) -> list[Any]:
        message = Message(whom.name, whom.path, whom.interface, member, signature=signature, body=list(body))
        reply = await self._bus.call(message)
        if reply is None:
            raise EOFError
        if reply.message_type is MessageType.ERROR:
            raise _refused(reply.error_name or "", str(reply.body[0]) if reply.body else "")
        return list(reply.body)


def _refused(name: str, reason: str) -> Refused:
    return (Unknown if name in _UNKNOWN else Refused)(name, reason)


def converse(talk: Callable[[Systemd], Awaitable[T]]) -> T:
    """What comes of it. Raises Refused; NotSupported where there is no systemd; Transient where it does not answer."""
    if not os.path.isdir(RUNS_HERE):
        hint = "services need a host that systemd runs, or a sandbox (--root DIR)"
        raise NotSupported("cannot manage services on this machine: systemd does not run it", hint=hint)
    line: _Line = []
    with ThreadPoolExecutor(max_workers=1) as apart:
        talking = apart.submit(lambda: asyncio.run(_conversation(talk, line)))
        try:
            return talking.result()
        except BaseException:  # a deadline's alarm too: who waits no longer hangs up
            _hang_up(line)
            raise


def _hang_up(line: _Line) -> None:
    for loop, task in line:
        with suppress(RuntimeError):  # it is over already
            loop.call_soon_threadsafe(task.cancel)


async def _conversation(talk: Callable[[Systemd], Awaitable[T]], line: _Line) -> T:
    if task := asyncio.current_task():
        line.append((asyncio.get_running_loop(), task))
    bus = MessageBus(ADDRESS)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await bus.connect()
        return await talk(Systemd(bus))
    except TimeoutError as error:
        hint = "look at `systemctl status dbus` and `journalctl -b`"
        raise Transient("cannot ask systemd: no answer in time", hint=hint) from error
    except (OSError, EOFError, DBusError) as error:
        hint = "look at `systemctl status dbus`: it answers where the package dbus is installed"
        raise Transient(f"cannot ask systemd: the system bus is gone ({error or 'hung up'})", hint=hint) from error
    finally:
        bus.disconnect()


def _sentence(text: str) -> str:
    """As the end of one."""
    text = " ".join(text.split()).rstrip(".")
    return text[:1].lower() + text[1:]
