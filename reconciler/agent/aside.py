"""Work that takes much memory and is seldom done is done by a child, so that the memory goes with it.

What the language needs is more than half of what a resident agent would weigh, and most passes read nothing.
"""

import os
import pickle
import signal
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from reconciler.core.errors import Broken, Failure, NoRoom

T = TypeVar("T")

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""


def aside(work: Callable[[], T]) -> T:
    """What `work` gives, or the Failure it raises; both travel by pickle, between two of the same process's minds.

    Nothing that the child opens or changes in memory is seen here; what it writes to disk is. One thread only.
    """
    reading, writing = os.pipe()
    with open(reading, "rb") as answers:
        child = _start(work, reading, writing)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            answer = answers.read()
        except BaseException:  # whoever stops us has the lock next: the child must not go on
            os.kill(child, signal.SIGTERM)
            raise
        finally:
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


def _start(work: Callable[[], T], reading: int, writing: int) -> int:
    """Signals wait until each of the two has its own answer to them; in the parent, still when this returns."""
    parent = os.getpid()
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        child = os.fork()
        if child == 0:
            os.close(reading)
            _die_with(parent)
            _work(work, writing)
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        raise NoRoom(f"cannot read the desired state: {error.strerror}", hint="free some memory") from error
    finally:
        os.close(writing)
    return child


def _work(work: Callable[[], T], writing: int) -> None:
    """In the child; does not return, and runs none of its parent's clean-up, but its own: no git is left behind."""
    status = 1
    try:
        for number in _SIGNALS:
            signal.signal(number, _end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
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


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(number)
