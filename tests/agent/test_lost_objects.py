"""A card that flips a bit, or a hand that deletes, costs what it took, and never the device's way forward."""

from pathlib import Path

from tests.agent.test_sync import MOTD
from tests.device import Device


def damage_desired(device: Device, marker: str) -> None:
    """The stored desired state that holds these words."""
    for path in device.path("/var/lib/reconciler/objects").iterdir():
        if path.read_bytes().startswith(b'{"device"') and marker.encode() in path.read_bytes():
            _flip(path)


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
