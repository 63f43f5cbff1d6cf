"""A card that flips a bit, or a hand that deletes, costs what it took, and never the device's way forward."""

from pathlib import Path

import pytest

from reconciler.agent.converge import converge
from reconciler.agent.main import assemble
from reconciler.agent.settings import read
from reconciler.core.journal import Mark
from reconciler.core.plan import Step
from tests.agent.test_sync import MOTD
from tests.device import Device


def damage_desired(device: Device, marker: str) -> None:
    """The stored desired state that holds these words."""
    for path in device.path("/var/lib/reconciler/objects").iterdir():
        if b'"resources":[' in path.read_bytes() and marker.encode() in path.read_bytes():
            _flip(path)


class Killed(BaseException):
    """In the middle of a plan."""


def sync_until(device: Device, resource: str) -> None:
    def watch(step: Step, _mark: Mark) -> None:
        if str(step.resource) == resource:
            raise Killed

    parts = assemble(read(str(device.config), str(device.root), {}))
    try:
        converge(parts, watch)
    finally:
        parts.store.close()


def _flip(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def test_an_old_desired_state_is_damaged_and_new_ones_come_all_the_same(device: Device) -> None:
    for number in range(3):
        device.push(f'files: {{/etc/motd: {{content: ""}}, /srv/{number}: {{content: ""}}}}')
        assert device.sync().status == 0
    damage_desired(device, "/srv/1")
    device.push(MOTD)
    ran = device.sync()
    assert (ran.status, ran.err) == (0, "")
    assert ran.json["status"]["applied"]["generation"] == 4
    device.push(MOTD.replace("hello", "again"))
    assert device.sync().status == 0


def test_a_preimage_is_lost_while_a_plan_is_taken_back_and_the_device_goes_on(device: Device) -> None:
    device.path("/etc").mkdir()
    device.path("/etc/adopted").write_text("theirs")
    device.push(MOTD)
    device.sync()
    device.push(f'{MOTD[:-1]}, /etc/adopted: {{content: "ours"}}, /etc/dir/x: {{content: ""}}}}')
    with pytest.raises(Killed):
        sync_until(device, "file:/etc/adopted")
    for path in device.path("/var/lib/reconciler/objects").iterdir():
        if path.read_bytes() == b"theirs":
            path.unlink()
    device.path("/etc/dir").mkdir(exist_ok=True)
    device.path("/etc/dir/x").mkdir()
    device.sync()
    device.push(MOTD.replace("hello", "mended"))
    device.sync()
    assert device.sync().status == 0
    assert device.read("/etc/motd") == "mended\n"


def test_a_damaged_payload_is_stored_again_by_itself(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    for path in device.path("/var/lib/reconciler/objects").iterdir():
        if path.read_bytes() == b"hello\n":
            _flip(path)
    device.path("/etc/motd").write_text("drift")
    device.sync()
    ran = device.sync()
    assert (ran.status, ran.err) == (0, "")
    assert device.read("/etc/motd") == "hello\n"


def test_a_damaged_desired_state_is_stored_again_by_itself(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    damage_desired(device, "/etc/motd")
    for _ in range(2):
        ran = device.sync()
        assert (ran.status, ran.err) == (0, "")
    assert device.run("diff").status == 0
