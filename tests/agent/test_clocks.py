"""The wall clock may say anything and jump at any moment: spans are of one that nobody sets, windows wait for sense.

The command line and the agent run as processes, under libfaketime; what they measure spans by goes on as it does.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_run import has, until
from tests.agent.test_sync import MOTD
from tests.device import Device, Ran
from tests.source.servers import GitServer
from tests.source.servers import running as serving

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="not run: needs libfaketime")

SATURDAY = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOARD = datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)
"""What a board without a battery says as it boots."""

DAY, YEAR = timedelta(days=1), timedelta(days=365)
SUNDAYS = 'windows: {apply: [{days: [sun], start: "02:00", duration: 2h, timezone: UTC}]}\n'


class Clock:
    """The wall clock of all processes of one test: it goes on from where it is set."""

    def __init__(self, folder: Path) -> None:
        self._offset = folder / "clock"
        self.set(SATURDAY)

    def set(self, moment: datetime) -> None:
        ahead = (moment - datetime.now(UTC)).total_seconds()
        new = self._offset.with_suffix(".new")
        new.write_text(f"{ahead:+.3f}\n")
        new.replace(self._offset)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self._offset.read_text()))

    def jump(self, span: timedelta) -> None:
        self.set(self.now() + span)

    @property
    def environment(self) -> dict[str, str]:
        """For a process that is to believe it."""
        told = {"FAKETIME_TIMESTAMP_FILE": str(self._offset), "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}
        return {**os.environ, "LD_PRELOAD": str(LIBRARY), **told}


class Host:
    """A device whose processes all tell the time by one clock."""

    def __init__(self, device: Device, clock: Clock) -> None:
        self.device, self.clock = device, clock

    def _words(self, *arguments: str) -> list[str]:
        known = ("--config", str(self.device.config), "--root", str(self.device.root))
        return [sys.executable, "-m", "reconciler", *known, *arguments]

    @contextmanager
    def _started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """It has ended when this ends, and nothing of it is left."""
        words, pipe = self._words(*arguments), subprocess.PIPE
        process = subprocess.Popen(words, env=self.clock.environment, stdout=pipe, stderr=pipe, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()
            for name in ("faketime_shm", "sem.faketime_sem"):
                Path(f"/dev/shm/{name}_{process.pid}").unlink(missing_ok=True)

    def run(self, *arguments: str) -> Ran:
        with self._started(*arguments) as process:
            out, err = process.communicate()
            return Ran(process.returncode, out, err)

    def sync(self) -> Ran:
        return self.run("sync", "-o", "json")

    def status(self) -> Any:
        return self.run("status", "-o", "json").json

    def why(self) -> list[Any]:
        return self.run("why", "-o", "json").json

    @contextmanager
    def agent(self) -> Iterator[subprocess.Popen[str]]:
        with self._started("run") as process:
            until(lambda: self.device.path("/run/reconciler/control.sock").exists())
            yield process
            assert process.poll() is None, "the agent ended by itself"


@pytest.fixture
def host(device: Device, tmp_path: Path) -> Host:
    device.config.write_text(device.config.read_text().replace("60s", "1s"))
    return Host(device, Clock(tmp_path))


def motd(text: str, windows: str = SUNDAYS) -> str:
    return f'{windows}files: {{/etc/motd: {{content: "{text}"}}}}'


# A board that boots in 1970.


def test_without_windows_a_board_without_a_clock_converges(host: Host) -> None:
    host.clock.set(BOARD)
    host.device.push(MOTD)
    ran = host.sync()
    assert (ran.status, ran.json["status"]["applied"]["at"][:4]) == (0, "1970")
    host.device.push(MOTD.replace("hello", "second"))
    assert host.sync().status == 0
    assert host.device.read("/etc/motd") == "second\n"
    host.clock.set(SATURDAY)
    assert host.sync().json["changes"] == []


def test_with_windows_it_waits_for_its_clock_and_says_so(host: Host) -> None:
    host.device.push(motd("first"))
    assert host.sync().status == 0, "what is brought first waits for nothing"
    host.clock.set(BOARD)
    host.device.push(motd("second"))
    assert host.sync().status == 3
    (reason,) = host.why()
    assert (reason["rule"], reason["until"]) == ("clock", "2026-01-01T00:00:00Z")
    assert reason["message"].startswith("the clock says 1970-01-01T00:00:")
    assert "set-ntp" in reason["lift"]
    host.device.path("/etc/motd").write_text("drift")
    assert host.sync().status == 3
    assert host.device.read("/etc/motd") == "first", "what is in force is kept up at any time"


def test_the_agent_goes_on_when_its_clock_is_set(host: Host) -> None:
    host.clock.set(BOARD)
    host.device.push(motd("first"))
    with host.agent():
        until(has(host.device, "first"))
        host.device.push(motd("second"))
        until(lambda: [reason["rule"] for reason in host.why()] == ["clock"])
        host.clock.set(SATURDAY)
        until(lambda: [reason["rule"] for reason in host.why()] == ["window"])
        host.clock.set(SATURDAY + timedelta(hours=14, minutes=30))
        until(has(host.device, "second"))


# Windows, and a clock that jumps.


def test_a_clock_that_went_back_a_year_is_not_believed(host: Host) -> None:
    """Nor by the commit that came meanwhile, whose moment that clock told."""
    host.clock.set(SATURDAY + YEAR)
    host.device.push(motd("first"))
    host.sync()
    host.clock.set(SATURDAY + timedelta(hours=14, minutes=30))
    host.device.push(motd("second"))
    for _ in range(2):
        assert host.sync().status == 3
        (reason,) = host.why()
        assert (reason["rule"], "after it said 2027-11-21T" in reason["message"]) == ("clock", True)


def test_a_clock_that_was_far_ahead_bars_nothing_for_long(host: Host) -> None:
    host.clock.jump(50 * YEAR)
    host.device.push(motd("first"))
    host.sync()
    host.clock.set(SATURDAY)
    host.device.push(motd("second"))
    assert host.sync().status == 3
    (reason,) = host.why()
    assert (reason["rule"], reason["until"][:10]) == ("clock", "2026-11-22")
    host.clock.set(SATURDAY + 7 * DAY + timedelta(hours=14, minutes=30))
    assert host.sync().status == 0
    assert host.device.read("/etc/motd") == "second"


SUNDAY = SATURDAY + timedelta(hours=14, minutes=30)
"""In the window."""


@pytest.mark.parametrize(
    ("situation", "moment", "jump", "opens"),
    [
        ("before the window, back", SATURDAY, -DAY, "2026-11-22T02:00:00Z"),
        ("before the window, over it", SATURDAY, DAY, "2026-11-29T02:00:00Z"),
        ("before the window, into it", SATURDAY, SUNDAY - SATURDAY, None),
        ("in the window, back out of it", SUNDAY, -DAY, "2026-11-22T02:00:00Z"),
        ("in the window, out of it", SUNDAY, DAY, "2026-11-29T02:00:00Z"),
        ("after the window, back into it", SUNDAY + DAY, -DAY, None),
    ],
)
def test_a_jump_around_a_window(host: Host, situation: str, moment: datetime, jump: timedelta, opens: str) -> None:
    host.clock.set(moment)
    host.device.push(motd("first"))
    host.sync()
    host.clock.jump(jump)
    host.device.push(motd("second"))
    ran = host.sync()
    assert ran.status == (3 if opens else 0)
    assert [(hold["kind"], hold["until"]) for hold in ran.json["status"]["holds"]] == [("window", opens)] * bool(opens)
    assert host.device.read("/etc/motd") == ("first" if opens else "second")


def test_the_agent_notices_that_a_window_was_jumped_over(host: Host) -> None:
    host.device.push(motd("first"))
    with host.agent():
        until(has(host.device, "first"))
        host.device.push(motd("second"))
        until(lambda: [reason["until"] for reason in host.why()] == ["2026-11-22T02:00:00Z"])
        host.clock.jump(DAY)
        until(lambda: [reason["until"] for reason in host.why()] == ["2026-11-29T02:00:00Z"])
        assert host.device.read("/etc/motd") == "first"
        host.clock.set(SUNDAY + 7 * DAY)
        until(has(host.device, "second"))


BERLIN = 'windows: {apply: [{start: "02:30", duration: 1h, timezone: Europe/Berlin}]}\n'


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        ("2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"),  # 02:00 becomes 03:00: there is no half past two
        ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),  # 03:00 becomes 02:00: half past two comes twice
    ],
)
def test_the_days_on_which_clocks_change(host: Host, opens: str, closes: str) -> None:
    first, last = datetime.fromisoformat(opens), datetime.fromisoformat(closes)
    host.clock.set(first - timedelta(hours=1))
    host.device.push(motd("0", BERLIN))
    host.sync()
    host.device.push(motd("1", BERLIN))
    host.clock.set(first - timedelta(minutes=1))
    assert [hold["until"] for hold in host.sync().json["status"]["holds"]] == [opens]
    for number, (moment, is_open) in enumerate(((first, True), (last - timedelta(seconds=30), True), (last, False)), 1):
        host.device.push(motd(str(number), BERLIN))
        host.clock.set(moment)
        assert host.sync().status == (0 if is_open else 3)
        assert host.device.read("/etc/motd") == str(number if is_open else number - 1)


# Spans that no clock on a wall may stretch or cut.

SOAK_S = 3
APP = """\
apiVersion: reconciler/v1
kind: App
metadata: {{name: web}}
spec:
  source: {{files: {{path: files}}}}
  health: {{startTimeout: 5s, soak: {soak}s, checks: {{door: {{tcp: {{port: {port}}}, every: 1s}}}}}}
"""


@contextmanager
def app(host: Host) -> Iterator[socket.socket]:
    """Version 1 of an app is in force, and well while its door is open."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        text = APP.format(soak=SOAK_S, port=door.getsockname()[1])
        host.device.push("apps: {web: {version: '1'}}", **{"apps/web/app.yaml": text, "apps/web/files/x": ""})
        yield door


def is_in(host: Host, phase: str) -> Callable[[], bool]:
    path = host.device.path("/run/reconciler/status.json")
    return lambda: path.exists() and json.loads(path.read_text())["phase"] == phase


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=str)
def test_a_soak_is_as_long_as_it_is(host: Host, jump: timedelta) -> None:
    with app(host) as door, host.agent():
        until(is_in(host, "converged"))
        begun = time.monotonic()
        host.device.push("apps: {web: {version: '2'}}")
        until(is_in(host, "verifying"))
        host.clock.jump(jump)
        until(is_in(host, "converged"))
        assert time.monotonic() - begun >= SOAK_S
        assert host.status()["apps"]["web"]["version"] == "2"

        host.device.push("apps: {web: {version: '3'}}")
        until(is_in(host, "verifying"))
        door.close()
        host.clock.jump(-jump)
        until(is_in(host, "held"))
        status = host.status()
        assert (status["apps"]["web"]["version"], status["holds"][0]["kind"]) == ("2", "quarantine")


@pytest.mark.parametrize("jump", [YEAR, -YEAR], ids=str)
def test_a_suspension_outlives_a_clock_that_goes_back_and_no_other(host: Host, jump: timedelta) -> None:
    host.device.push(MOTD)
    with host.agent():
        until(has(host.device, "hello\n"))
        host.run("suspend", "--for", "1h")
        (hold,) = host.status()["holds"]
        assert datetime.fromisoformat(hold["until"]) - datetime.fromisoformat(hold["since"]) == timedelta(hours=1)
        host.clock.jump(jump)
        host.device.push(MOTD.replace("hello", "second"))
        if jump < timedelta(0):
            until(lambda: host.status()["desired"]["commit"] == host.device.git("rev-parse", "HEAD"))
            assert host.device.read("/etc/motd") == "hello\n"
            host.run("resume")
        until(has(host.device, "second\n"))


def test_flapping_ends_with_a_clock_that_goes_back(host: Host) -> None:
    host.device.push(MOTD)
    motd, is_left_alone = host.device.path("/etc/motd"), is_in(host, "degraded")

    def is_fought_over() -> bool:
        if motd.read_text() == "hello\n":
            motd.write_text("theirs")
        return is_left_alone() and motd.read_text() == "theirs"

    with host.agent():
        until(has(host.device, "hello\n"))
        until(is_fought_over)
        host.clock.jump(-YEAR)
        motd.write_text("theirs again")
        until(has(host.device, "hello\n"))
        until(is_fought_over)
        host.clock.jump(2 * YEAR)
        until(has(host.device, "hello\n"))


def test_a_clock_that_goes_back_stills_neither_watch_nor_poll_nor_retry(host: Host, tmp_path: Path) -> None:
    """The repo is far away: nothing tells of a push."""
    server = GitServer(tmp_path)
    host.device.push(MOTD)
    with serving(server):
        host.device.config.write_text(f"device: pi\nrepo: {{url: '{server.url('repo/.git')}', interval: 1s}}\n")
        with host.agent():
            until(has(host.device, "hello\n"))
            for jump in (-DAY, -YEAR, timedelta(days=-20000)):
                host.clock.jump(jump)
                host.device.path("/etc/motd").write_text("drift")
                until(has(host.device, "hello\n"))
            host.device.push(MOTD.replace("hello", "second"))
            until(has(host.device, "second\n"))
            server.stop()
            until(lambda: [reason["rule"] for reason in host.why()] == ["SourceUnreachable"])
            host.clock.jump(-DAY)
            host.device.push(MOTD.replace("hello", "third"))
            server.start()
            until(has(host.device, "third\n"))
