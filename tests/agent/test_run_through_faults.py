"""What goes wrong around the agent does not end it: it says so, and goes on when it can."""

import os
import shutil
import subprocess
import time

from tests.agent.test_run import has, running, until
from tests.agent.test_sync import MOTD
from tests.device import Device


def goes_on(device: Device, agent: subprocess.Popen[str]) -> None:
    device.push(MOTD.replace("hello", "later"))
    until(has(device, "later\n"))
    assert agent.poll() is None


def test_the_status_cannot_be_written_for_a_while(device: Device) -> None:
    device.push(MOTD)
    with running(device) as agent:
        until(has(device, "hello\n"))
        until(lambda: device.path("/run/reconciler/status.json").exists())
        in_the_way = device.path("/run/reconciler/.reconciler-new.status.json")
        in_the_way.mkdir()  # as a full disk does: it cannot be made ready there
        device.path("/etc/motd").write_text("drift")
        until(has(device, "hello\n"))
        device.push(MOTD.replace("hello", "second"))
        until(has(device, "second\n"))
        in_the_way.rmdir()
        goes_on(device, agent)
        until(lambda: device.run("status", "-o", "json").json["phase"] == "converged")


def test_the_database_is_truncated_under_its_feet(device: Device) -> None:
    device.push(MOTD)
    with running(device) as agent:
        until(has(device, "hello\n"))
        until(lambda: device.path("/run/reconciler/status.json").exists())
        os.truncate(device.path("/var/lib/reconciler/state.db"), 0)
        device.path("/etc/motd").write_text("drift")
        until(has(device, "hello\n"))
        goes_on(device, agent)


def test_another_database_is_put_in_its_place(device: Device) -> None:
    device.push(MOTD)
    with running(device) as agent:
        until(has(device, "hello\n"))
        until(lambda: device.path("/run/reconciler/status.json").exists())
        database = device.path("/var/lib/reconciler/state.db")
        shutil.copy(database, device.path("/backup.db"))
        device.push(MOTD.replace("hello", "second"))
        until(has(device, "second\n"))
        device.path("/backup.db").rename(database)
        goes_on(device, agent)


def test_its_lock_goes_with_its_folder(device: Device) -> None:
    """Then it ends, and whoever supervises it starts a new one: two would be at work."""
    device.push(MOTD)
    with running(device) as agent:
        until(has(device, "hello\n"))
        until(lambda: device.path("/run/reconciler/status.json").exists())
        shutil.rmtree(device.path("/run/reconciler"))
        device.path("/etc/motd").write_text("drift")
        assert agent.wait(timeout=10) == 1


def test_it_stops_at_once_while_the_repo_does_not_answer(device: Device) -> None:
    device.config.write_text(device.config.read_text().replace("60s", "1s"))
    device.push(MOTD)
    with running(device) as agent:
        until(has(device, "hello\n"))
        time.sleep(1)  # what its own writes woke it for is over
        os.mkfifo(device.repo / ".git/refs/heads/hangs")  # which git waits to be written to
        time.sleep(2)  # over an interval: it asks for the head
        agent.terminate()
        assert agent.wait(timeout=5) == 0
