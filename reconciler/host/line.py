"""One deadline for all of a conversation: each wait is for what is left of it, so no drip of bytes stretches it."""

import socket
import time
from datetime import timedelta
from io import BufferedReader, RawIOBase

from reconciler.core.errors import Overdue, Transient

HEARD_MAX = 1 << 20
"""Bytes that one conversation may bring, with all that is around a body."""


class Deadline:
    """`who` is whom one waits for."""

    def __init__(self, timeout: timedelta, who: str) -> None:
        self._began = time.monotonic()
        self._timeout = timeout
        self._who = who

    def spent(self) -> float:
        return time.monotonic() - self._began

    def left(self) -> float:
        """More than no seconds. Raises Overdue."""
        left = self._timeout.total_seconds() - self.spent()
        if left <= 0:
            raise self.overdue()
        return left

    def overdue(self) -> Overdue:
        return Overdue(
            f"cannot wait longer for {self._who}: no whole answer within {self._timeout.total_seconds():g} s"
        )


class Line(RawIOBase):
    """A connection as http.client speaks on one, and reads from one: `sendall`, `makefile`, `close`."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline
        self._heard = 0

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._connection.settimeout(self._deadline.left())
            rest = rest[self._connection.send(rest) :]

    def makefile(self, _mode: str) -> BufferedReader:
        return BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io calls it with nothing else
        if self._heard >= HEARD_MAX:
            raise Transient("cannot listen longer to a server that says so much")
        self._connection.settimeout(self._deadline.left())
        count = self._connection.recv_into(buffer)
        self._heard += count
        return count

    def close(self) -> None:
        """Both http.client and its reader close it, at different times; the connection is its opener's to close."""
