"""Work that takes much memory and is seldom done is done by a child, so that the memory goes with it.

What the language needs is more than half of what a resident agent would weigh, and most passes read nothing.
"""

import os
import pickle
import signal
from collections.abc import Callable
from typing import TypeVar

from reconciler.core.errors import Broken, Failure

T = TypeVar("T")

PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""


def aside(work: Callable[[], T]) -> T:
    """What `work` gives, or the Failure it raises; both travel by pickle, between two of the same process's minds.

    Nothing that the child opens or changes in memory is seen here; what it writes to disk is. One thread only.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _die_with(parent)
        _work(work, writing)
    os.close(writing)
    with open(reading, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(child, 0)
    if not answer:
        raise Broken(f"cannot read the desired state: the reader ended with {os.waitstatus_to_exitcode(status)}")
    done: T | Failure = pickle.loads(answer)  # noqa: S301  # our own child's
    if isinstance(done, Failure):
        raise done
    return done


def _die_with(parent: int) -> None:
    """The lock that the parent holds is the child's too: nobody else gets it while a child works on for the dead."""
    import ctypes  # noqa: PLC0415  # the parent does without

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _work(work: Callable[[], T], writing: int) -> None:
    """In the child; does not return, and runs none of its parent's clean-up."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    status = 1
    try:
        done: T | Failure
        try:
            done = work()
        except Failure as failure:
            done = failure.with_traceback(None)
            done.__cause__ = done.__context__ = None
        with open(writing, "wb") as answers:
            answers.write(pickle.dumps(done))
        status = 0
    finally:
        os._exit(status)
