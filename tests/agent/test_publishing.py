"""What readers are told lies in files that anyone may spoil: the next pass puts it right, and else leaves it alone."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.test_run import running, until
from tests.agent.test_sync import MOTD
from tests.device import Device


def tells_of_the_file(path: Path) -> Callable[[], bool]:
    def holds() -> bool:
        try:
            told = json.loads(path.read_text())
        except (OSError, ValueError):
            return False
        return "file:/etc/motd" in [one["id"] for one in told.get("resources", ())]

    return holds


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("{}")], ids=["removed", "overwritten"])
def test_an_observation_that_somebody_spoiled_is_published_anew(device: Device, harm: Callable[[Path], object]) -> None:
    device.push(MOTD)
    path = device.path("/run/reconciler/observation.json")
    with running(device) as agent:
        until(tells_of_the_file(path))
        looked_again(device, agent)
        harm(path)
        agent.send_signal(signal.SIGHUP)
        until(tells_of_the_file(path))


def test_an_observation_is_not_written_again_where_nothing_changed(device: Device) -> None:
    device.push(MOTD)
    path = device.path("/run/reconciler/observation.json")
    with running(device) as agent:
        until(tells_of_the_file(path))
        until(lambda: is_left_alone(device, agent))
        before = path.stat().st_ino
        device.push(MOTD.replace("hello", "second"))
        until(lambda: path.stat().st_ino != before)


def is_left_alone(device: Device, agent: subprocess.Popen[str]) -> bool:
    """By a whole pass: when the next one has published its status, that of the one before is all there."""
    path = device.path("/run/reconciler/observation.json")
    before = path.stat().st_ino
    looked_again(device, agent)
    looked_again(device, agent)
    return path.stat().st_ino == before


def looked_again(device: Device, agent: subprocess.Popen[str]) -> None:
    """A pass later: its status is a new file."""
    path = device.path("/run/reconciler/status.json")
    before = path.stat().st_ino, path.stat().st_mtime_ns
    agent.send_signal(signal.SIGHUP)
    until(lambda: (path.stat().st_ino, path.stat().st_mtime_ns) != before)
