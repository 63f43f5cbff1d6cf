"""Apps and the windows of changes: a new release waits for its window, what is in force is kept up at any time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.apps import App, left_clean, status, units
from tests.device import Device

SHUT = 'windows: {apply: [{dates: ["2026-01-01/2026-01-02"], timezone: UTC}]}'
DENIED = 'windows: {deny: [{dates: ["2026-01-01/2099-12-31"], timezone: UTC}]}'
OPEN = "windows: {apply: [{start: '00:00', duration: 24h, timezone: UTC}]}"
"""Whatever this machine's clock says: it is after 2026 began, as no clock may deny."""


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with left_clean(Device(tmp_path)) as device:
        yield device


@pytest.fixture
def web(device: Device) -> App:
    web = App(device)
    web.push("1.0", spec=SHUT)
    assert device.sync().status == 0, "the first one waits for nothing"
    return web


@pytest.mark.parametrize(
    ("windows", "reason"), [(SHUT, "changes wait for their window"), (DENIED, "changes are denied at this time")]
)
def test_a_release_waits_for_its_window(device: Device, web: App, windows: str, reason: str) -> None:
    run = web.seen()
    web.push("2.0", spec=windows)
    ran = device.sync()
    assert (ran.status, ran.json["result"], status(ran)["phase"]) == (3, "held", "held")
    (hold,) = status(ran)["holds"]
    assert (hold["kind"], hold["reason"]) == ("window", reason)
    assert reason in device.run("why").out
    assert web.seen() == run
    assert web.releases == ["1.0"]
    web.push("2.0", spec=OPEN)
    assert device.sync().status == 0
    assert web.runs() == ("2.0", "hello")


def test_what_is_in_force_is_kept_up_at_any_time(device: Device, web: App) -> None:
    web.push("2.0", spec=SHUT)
    units(device).stop("web.service")
    assert device.sync().status == 3
    assert web.runs() == ("1.0", "hello")


def test_an_operator_goes_back_at_any_time(device: Device, web: App) -> None:
    web.push("2.0", spec=OPEN)
    assert device.sync().status == 0
    web.push("3.0", spec=DENIED)
    assert device.sync().status == 3
    assert device.run("rollback").status == 3
    assert web.runs() == ("1.0", "hello")
    assert {hold["kind"] for hold in status(device.sync())["holds"]} == {"rollback", "window"}
