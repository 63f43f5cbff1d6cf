"""What the kernel of this machine says."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.core.errors import Moved, NotFound, NotSupported
from reconciler.host.vitals import HostVitals

BUSY = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "while True: pass"])
print("up", flush=True)
input()
"""


def test_a_disk_has_room(tmp_path: Path) -> None:
    room = HostVitals().disk(str(tmp_path))
    seen = os.statvfs(tmp_path)
    assert 0 < room.free <= room.total <= seen.f_blocks * seen.f_frsize


def test_a_path_is_taken_under_the_root_and_links_do_not_lead_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to("/only-here")
    (tmp_path / "only-here").mkdir()
    assert HostVitals(str(tmp_path)).disk("/data").total > 0
    (tmp_path / "away").symlink_to("/proc")
    with pytest.raises(NotFound, match="full the disk is at /away: there is no such path"):
        HostVitals(str(tmp_path)).disk("/away")


def test_what_is_no_disk_has_no_room() -> None:
    with pytest.raises(NotSupported, match="how full /proc is"):
        HostVitals().disk("/proc")


def test_memory_is_partly_available() -> None:
    pytest.importorskip("psutil", reason="not run: needs psutil")
    room = HostVitals().memory()
    assert 0 < room.free < room.total


def test_the_temperature_is_one_or_is_not_known() -> None:
    pytest.importorskip("psutil", reason="not run: needs psutil")
    try:
        hottest = HostVitals().temperature()
    except NotSupported:
        return
    assert -50 < hottest < 200


def test_a_process_is_looked_at_with_all_that_it_started() -> None:
    pytest.importorskip("psutil", reason="not run: needs psutil")
    vitals = HostVitals()
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
    ) as group:
        try:
            assert group.stdout is not None
            group.stdout.readline()
            before = vitals.load(group.pid)
            time.sleep(0.5)
            after = vitals.load(group.pid)
        finally:
            os.killpg(group.pid, 9)
    assert after.memory > 2 << 20
    assert 0.05 < after.cpu_seconds - before.cpu_seconds < 1


def test_a_process_that_is_gone() -> None:
    pytest.importorskip("psutil", reason="not run: needs psutil")
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    with pytest.raises(Moved, match="it is gone"):
        HostVitals().load(gone.pid)


def test_the_clocks_go_on() -> None:
    vitals = HostVitals()
    before = vitals.uptime()
    vitals.pause(timedelta(milliseconds=20))
    assert vitals.uptime() - before >= 0.02
    assert abs(vitals.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert vitals.now().tzinfo is UTC
