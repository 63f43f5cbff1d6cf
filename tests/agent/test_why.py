"""For everything that keeps a device from changing, `why` has a sentence: the rule, since when, and what lifts it."""

import os

import pytest

from reconciler import durable
from tests.agent.test_sync import MOTD
from tests.device import Device


def why(device: Device) -> list[dict[str, str]]:
    return device.run("why", "-o", "json").json


def test_nothing_holds_it_back(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    assert device.run("why").out == "nothing holds it back\n"


def suspended(device: Device) -> None:
    device.run("suspend", "--reason", "a visit")


def rolled_back(device: Device) -> None:
    device.push(MOTD.replace("hello", "second"))
    device.sync()
    device.run("rollback")


def observed(device: Device) -> None:
    device.push(f"mode: observe\n{MOTD}")


def invalid(device: Device) -> None:
    device.push("filez: {}")


def unreachable(device: Device) -> None:
    device.repo.rename(device.repo.with_name("away"))


def rewritten(device: Device) -> None:
    device.push(MOTD.replace("hello", "second"))
    device.sync()
    device.git("commit", "-q", "--amend", "-m", "another")


def too_much(device: Device) -> None:
    files = ", ".join(f'/srv/{n}: {{content: ""}}' for n in range(12))
    device.push(f"files: {{{files}}}")
    device.sync()
    device.push("files: {}")


def in_the_way(device: Device) -> None:
    device.path("/srv/x").mkdir(parents=True)
    device.push('files: {/srv/x: {content: ""}}')


def out_of_hours(device: Device) -> None:
    device.push(
        MOTD.replace("hello", "second") + '\nwindows: {deny: [{dates: ["2020-01-01/2099-12-31"], timezone: UTC}]}'
    )


@pytest.mark.parametrize(
    ("situation", "rule", "message", "lift"),
    [
        (suspended, "suspended", "a visit", "reconciler resume"),
        (rolled_back, "rollback", "rolled back to generation 1", "reconciler resume"),
        (observed, "observe", "`mode: observe`", "mode: enforce"),
        (invalid, "InvalidDocuments", "devices/pi.yaml:5:3", "reconciler validate"),
        (unreachable, "SourceUnreachable", "cannot", ""),
        (rewritten, "NotADescendant", "descend", "git"),
        (too_much, "OverLimit", "maxDeletes", "smaller commits"),
        (out_of_hours, "window", "changes are denied at this time", "`windows`"),
        (in_the_way, "InTheWay", "file:/srv/x", "move away"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_situation(device: Device, situation: object, rule: str, message: str, lift: str) -> None:
    device.push(MOTD)
    device.sync()
    situation(device)
    device.sync()
    (reason,) = [reason for reason in why(device) if reason["rule"] != "Drifted"]
    assert (reason["rule"], reason["since"][-1]) == (rule, "Z")
    assert message in reason["message"]
    assert lift in reason["lift"]


def test_somebody_works_on_it(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    with durable.lock(str(device.path("/run/reconciler/lock")), "reconciler sync"):
        (reason,) = why(device)
    assert (reason["rule"], reason["message"]) == ("lock", f"reconciler sync works on it (pid {os.getpid()})")
    assert why(device) == []
