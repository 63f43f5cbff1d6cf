"""A child does the work, and never outlives who waits for it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.agent.aside import aside
from reconciler.core.errors import Broken, NoRoom


class Stop(BaseException):
    """As the agent's."""


@pytest.fixture
def stopped_soon() -> Iterator[None]:
    def stop(_signal: int, _frame: object) -> None:
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_it_gives_what_the_work_gives() -> None:
    assert aside(lambda: "done") == "done"


def test_it_raises_what_the_work_raises() -> None:
    def fail() -> None:
        raise NoRoom("cannot", where="there", hint="this")

    with pytest.raises(NoRoom, match="cannot: there") as raised:
        aside(fail)
    assert raised.value.hint == "this"


def test_a_child_that_is_killed_is_told() -> None:
    with pytest.raises(Broken, match="ended with -9"):
        aside(lambda: os.kill(os.getpid(), signal.SIGKILL))


@pytest.mark.usefixtures("stopped_soon")
def test_who_is_stopped_leaves_no_child_at_work(tmp_path: Path) -> None:
    def work() -> None:
        time.sleep(1)  # an effect that comes late
        (tmp_path / "written").write_text("although the lock is free")

    with pytest.raises(Stop):
        aside(work)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert not (tmp_path / "written").exists()


def test_a_fork_that_fails_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:  # no other way to be out of processes for one call alone
        raise BlockingIOError

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(NoRoom, match="cannot read the desired state"):
        aside(lambda: None)
    assert len(os.listdir("/proc/self/fd")) == before
