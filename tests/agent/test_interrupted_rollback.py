"""An operator's rollback holds, and what fails when it is come back to is barred, whatever interrupts them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from reconciler.agent.converge import converge, roll_back
from reconciler.agent.main import assemble
from reconciler.agent.parts import Parts
from reconciler.agent.settings import read
from reconciler.core.host import Payloads
from reconciler.core.journal import Mark
from reconciler.core.plan import Step
from reconciler.host.real import RealHost
from tests.agent.test_sync import MOTD
from tests.device import Device


class Killed(BaseException):
    """In the middle of a plan."""


@contextmanager
def parts_of(device: Device) -> Iterator[Parts]:
    parts = assemble(read(str(device.config), str(device.root), {}))
    try:
        yield parts
    finally:
        parts.store.close()


def two_generations(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.push(MOTD.replace("hello", "second"))
    device.sync()


def killed(*_: object) -> None:
    raise Killed


def test_a_rollback_that_was_interrupted_still_holds(device: Device) -> None:
    two_generations(device)
    with parts_of(device) as parts, pytest.raises(Killed):
        roll_back(parts, None, killed)
    for _ in range(2):
        ran = device.sync()
        assert (ran.status, ran.json["status"]["phase"]) == (3, "rolledBack")
        assert device.read("/etc/motd") == "hello\n"


def test_what_fails_when_it_is_come_back_to_is_barred(device: Device) -> None:
    device.push(MOTD)
    device.sync()
    device.push('files: {/etc/motd: {content: "second"}, /srv/a: {content: ""}}')
    device.sync()
    device.run("rollback")
    device.run("resume")

    def in_the_way(step: Step, mark: Mark) -> None:
        if str(step.resource) == "directory:/srv" and mark is Mark.DONE:
            device.path("/srv/a").mkdir()

    with parts_of(device) as parts:
        assert converge(parts, in_the_way).failure is not None
        assert [str(entry.commit) for entry in parts.store.quarantine.all()] == [device.git("rev-parse", "HEAD")]
    device.path("/srv/a").rmdir()
    assert device.sync().status == 3, "it is not tried again"


class DyingHost(RealHost):
    """Its process dies when effects are brought to the disk."""

    def __init__(self, root: str, payloads: Payloads) -> None:
        super().__init__(root, payloads)
        self.files.settle = killed  # type: ignore[method-assign,assignment]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a link somebody else's")
def test_nobody_can_get_any_more_to_where_a_plan_was_interrupted(device: Device) -> None:
    device.path("/home/pi").mkdir(parents=True)
    device.push(MOTD)
    device.sync()
    device.push('files: {/etc/motd: {content: "second"}, /home/pi/a: {content: ""}}')
    with parts_of(device) as parts, pytest.raises(Killed):
        dying = replace(parts, touch=lambda: DyingHost(str(device.root), parts.store.objects))
        converge(dying, lambda _step, _mark: None)
    shutil.rmtree(device.path("/home/pi"))
    device.path("/home/pi").symlink_to("/etc")
    os.lchown(device.path("/home/pi"), 1000, 1000)
    device.sync()
    device.push(MOTD.replace("hello", "mended"))
    assert device.sync().status == 0
    assert device.read("/etc/motd") == "mended\n"
