"""supervisord is asked by XML-RPC over a socket in its folder, a connection a question, and answers soon or never.

The folder is named by a descriptor: the path of a unix socket has 107 bytes (unix(7)), that of a sandbox may have more.
supervisord's own modules stay out of here: they are 10 MB that who only asks does without.
"""

import os
import socket
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Any
from xml.parsers.expat import ExpatError
from xmlrpc.client import Fault, dumps, loads

from reconciler.core.errors import Broken, Transient
from reconciler.host.supervisor_config import SOCKET

ANSWER_SECONDS = 5.0
TRIES, PAUSE_SECONDS = 4, 0.05
_ANSWER_MAX = 1 << 20
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC

SHUTTING_DOWN, UNKNOWN, NOT_RUNNING, ALREADY_ADDED = 6, 10, 70, 90
"""Codes of faults (supervisor.xmlrpc.Faults)."""


class Away(Exception):
    """Nobody listens there."""


class Refused(Exception):
    """supervisord's answer is no."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def ask(folder: str, method: str, *arguments: Any) -> Any:
    """Raises Away, Refused, or Transient where there is no answer in time.

    Who hangs up in the middle is ending: a moment later nobody will be there.
    """
    for _ in range(TRIES - 1):
        with suppress(ConnectionResetError, BrokenPipeError):
            return _ask(folder, method, arguments)
        time.sleep(PAUSE_SECONDS)
    try:
        return _ask(folder, method, arguments)
    except ConnectionError as error:
        raise Transient(f"cannot ask supervisord of {folder}: it hangs up") from error


def _ask(folder: str, method: str, arguments: tuple[Any, ...]) -> Any:
    connection = _Connection(folder)
    try:
        connection.request("POST", "/RPC2", dumps(arguments, f"supervisor.{method}"), {"Content-Type": "text/xml"})
        response = connection.getresponse()
        body = response.read(_ANSWER_MAX)
        if response.status != 200:
            raise Broken(f"cannot ask supervisord of {folder}: it answers {response.status}")
        return loads(body)[0][0]
    except Fault as fault:
        raise Refused(fault.faultCode, fault.faultString) from fault
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        raise Away(folder) from error
    except (ConnectionResetError, BrokenPipeError):
        raise
    except TimeoutError as error:
        raise Transient(f"cannot ask supervisord of {folder}: no answer in {ANSWER_SECONDS:g} s") from error
    except (OSError, HTTPException, ExpatError) as error:
        raise Transient(f"cannot ask supervisord of {folder}: {error or type(error).__name__}") from error
    finally:
        connection.close()


class _Connection(HTTPConnection):
    def __init__(self, folder: str) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._folder = folder

    def connect(self) -> None:
        fd = os.open(self._folder, _FOLDER)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(ANSWER_SECONDS)
            self.sock.connect(f"/proc/self/fd/{fd}/{SOCKET}")
        finally:
            os.close(fd)
