"""How a command and the running agent talk: one JSON object a line, both ways, over a socket that the kernel guards.

The versions are shaken first, so that two releases that differ refuse in words. Whoever asks is who the kernel says
it is. A message is small, and one that is not understood is answered, not obeyed.
"""

import asyncio
import json
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from reconciler import __version__
from reconciler.core.errors import Broken, Denied, Failure, NotSupported

MAX_BYTES = 1 << 20
CLIENT_TIMEOUT_S = 900.0

_OUR_OWN_CLEANUP: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
"""Since 3.13 asyncio takes a socket away by the path it was bound to, which is a descriptor's and gone by then."""

Say = Callable[[dict[str, Any]], None]
Verb = Callable[[Mapping[str, Any], Say], Awaitable[dict[str, Any]]]
"""Takes the arguments and a way to tell of progress, gives the result. Raises Failure."""


class Refused(Failure):
    """The agent did not do what it was asked; its own code, message and hint."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message")), where=error.get("where"), hint=error.get("hint"))


@dataclass(frozen=True, slots=True)
class Door:
    """A socket, who may knock, and what may be asked there."""

    folder: str
    name: str
    mode: int
    verbs: Mapping[str, Verb]
    is_owner_only: bool

    async def open(self) -> asyncio.Server:
        """A socket that an ended agent left is taken away: who opens doors holds the lock."""
        self.close()
        before = os.umask(0o777 & ~self.mode)
        try:
            with _short(self.folder, self.name) as path:
                return await asyncio.start_unix_server(self._serve, path, limit=MAX_BYTES, **_OUR_OWN_CLEANUP)
        finally:
            os.umask(before)

    def close(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, self.name))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(message: dict[str, Any]) -> None:
            writer.write(json.dumps(message).encode() + b"\n")

        try:
            say(await self._answer(reader, writer, say))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # who asked went away; what was asked for is done all the same
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, say: Say) -> dict[str, Any]:
        try:
            self._check_peer(writer)
            verb, arguments = _request(await reader.readline())
            if verb not in self.verbs:
                raise NotSupported(f"cannot do {verb!r} here", hint=f"known are {', '.join(sorted(self.verbs))}")
            return {"ok": True, "result": await self.verbs[verb](arguments, say)}
        except Failure as failure:
            error = {"code": failure.code, "message": failure.message, "where": failure.where, "hint": failure.hint}
            return {"ok": False, "error": error}
        except (ValueError, KeyError, TypeError) as error:
            return {"ok": False, "error": {"code": "bad-message", "message": f"cannot understand this: {error}"}}

    def _check_peer(self, writer: asyncio.StreamWriter) -> None:
        peer: socket.socket = writer.get_extra_info("socket")
        _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        if self.is_owner_only and uid not in (0, os.geteuid()):
            raise Denied(f"cannot let user {uid} do this", hint="ask as the owner of the agent")


@contextmanager
def _short(folder: str, name: str) -> Iterator[str]:
    """A socket's path has 107 bytes at most (unix(7)), a folder's has not: so it is named by a descriptor."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{name}"
    finally:
        os.close(fd)


def ask(folder: str, name: str, verb: str, arguments: Mapping[str, Any], say: Say) -> dict[str, Any] | None:
    """The agent's answer; None where no agent listens. Raises Refused, Denied or Broken."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CLIENT_TIMEOUT_S)
        try:
            with _short(folder, name) as path:
                connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            hint = "run this as the owner of the agent"
            raise Denied(f"cannot ask the agent: {error.strerror}", where=f"{folder}/{name}", hint=hint) from error
        message = {"version": __version__, "verb": verb, "arguments": arguments}
        with _heard():
            connection.sendall(json.dumps(message).encode() + b"\n")
        with connection.makefile("rb") as answers:
            return _last(answers.readline, say)


@contextmanager
def _heard() -> Iterator[None]:
    """An agent that ends, or works for too long, is told in words. Raises Broken."""
    hint = "`reconciler status`, or its log"
    try:
        yield
    except TimeoutError as error:
        raise Broken("cannot tell how it ended: the agent is still at work", hint=hint) from error
    except OSError as error:
        raise Broken("cannot tell how it ended: the agent went away", hint=hint) from error


def _last(read: Callable[[], bytes], say: Say) -> dict[str, Any]:
    """An answer may be longer than a request: it names each resource that was changed."""
    while line := _line(read):
        answer = json.loads(line)
        if "ok" not in answer:
            say(answer)
        elif answer["ok"]:
            return dict(answer["result"])
        else:
            raise Refused(answer["error"])
    raise Broken("cannot tell how it ended: the agent went away", hint="`reconciler status`, or its log")


def _line(read: Callable[[], bytes]) -> bytes:
    with _heard():
        return read()


def _request(line: bytes) -> tuple[str, Mapping[str, Any]]:
    """Raises ValueError for what is no request, NotSupported for one of another release."""
    if not line.endswith(b"\n"):
        raise ValueError("the line is not whole")
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("verb"), str):
        raise ValueError("a request is a map with a verb")
    if _minor(str(message.get("version"))) != _minor(__version__):
        raise NotSupported(
            f"cannot talk to reconciler {message.get('version')}: this agent is {__version__}",
            hint="use the command of the same release as the agent",
        )
    arguments = message.get("arguments", {})
    if not isinstance(arguments, dict):
        raise ValueError("arguments are a map")
    return message["verb"], arguments


def _minor(version: str) -> str:
    return version.rpartition(".")[0]
