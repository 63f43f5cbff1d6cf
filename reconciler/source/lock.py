"""One user of the clone at a time, by a lock of the kernel's: it cannot be left behind.

Git children inherit the descriptor, so that one who outlives a killed agent still keeps the next agent out.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from reconciler.core.errors import Denied, Overdue

_PAUSE = 0.02


@contextmanager
def hold(path: str, deadline: timedelta) -> Iterator[int]:
    """Yield the descriptor of the lock at `path`. Raises Overdue where somebody else holds it all the time."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Denied(f"cannot open the lock of the clone: {error.strerror}", where=path) from error
    try:
        _take(descriptor, path, deadline)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: str, deadline: timedelta) -> None:
    end = time.monotonic() + deadline.total_seconds()
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= end:
                hint = f"`fuser {path}` shows who has it: another command, or a git that was left behind"
                raise Overdue("cannot use the clone: somebody else does", where=path, hint=hint) from error
        time.sleep(_PAUSE)
