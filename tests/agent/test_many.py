"""What a pass costs grows with what there is to do, and no faster."""

import errno
import sys

import pytest

from reconciler.core.identity import Digest
from reconciler.core.journal import Purpose
from reconciler.kinds.file import FileState
from tests.agent.world import World, desired

EMPTY = Digest.of(b"")


def cost(count: int, *, fails: bool) -> int:
    """Of as many steps that wait for one folder alone, in calls of a function: the same on every machine."""
    world, calls = World(), 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    try:
        world.bring(desired({}), {})
        if fails:
            world.files.fail_next(errno.EACCES, nth=20)
        wanted = desired({f"file:/srv/{n}": FileState(EMPTY) for n in range(count)})
        sys.setprofile(counted)
        world.bring(wanted, {EMPTY: b""}, Purpose.REPAIR)
    finally:
        sys.setprofile(None)
        world.close()
    return calls


@pytest.mark.parametrize("fails", [False, True])
def test_eight_times_as_many_files_take_about_eight_times_as_long(*, fails: bool) -> None:
    cost(10, fails=fails)  # what is imported once
    assert cost(1600, fails=fails) < 1.5 * 8 * cost(200, fails=fails)
