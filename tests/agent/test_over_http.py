"""A repo over http, whatever becomes of its server: the last good stays in force, `why` says what is going on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.test_run import has, running, until
from tests.agent.test_sync import MOTD
from tests.device import Device
from tests.source.servers import GitServer
from tests.source.servers import running as serving


@pytest.fixture
def server(device: Device, tmp_path: Path) -> Iterator[GitServer]:
    server = GitServer(tmp_path)
    with serving(server):
        device.config.write_text(f"device: pi\nrepo: {{url: '{server.url('repo/.git')}', interval: 1s}}\n")
        yield server


@pytest.mark.parametrize("mode", ["status 401", "status 500", "portal", "short"])
def test_a_server_in_trouble_loses_nothing(device: Device, server: GitServer, mode: str) -> None:
    device.push(MOTD)
    assert device.sync().status == 0
    device.push(MOTD.replace("hello", "second"))
    server.mode = mode
    device.path("/etc/motd").write_text("drift")
    ran = device.sync()
    assert ran.status == 1
    assert device.read("/etc/motd") == "hello\n", "the last good is kept up"
    assert ran.json["status"]["applied"]["generation"] == 1
    (reason,) = device.run("why", "-o", "json").json
    assert (reason["rule"], bool(reason["lift"])) == ("SourceUnreachable", True)
    assert device.run("quarantine", "list", "-o", "json").json == []
    server.mode = "ok"
    assert device.sync().status == 0
    assert device.read("/etc/motd") == "second\n"
    assert device.run("why", "-o", "json").json == []


def test_the_agent_follows_a_server_that_goes_and_comes(device: Device, server: GitServer) -> None:
    device.push(MOTD)
    with running(device):
        until(has(device, "hello\n"))
        server.stop()
        until(lambda: device.run("status", "-o", "json").json["conditions"][3]["status"] == "False")
        device.push(MOTD.replace("hello", "second"))
        device.path("/etc/motd").write_text("drift")
        until(has(device, "hello\n"))
        server.start()
        until(has(device, "second\n"))


def test_a_mirror_stands_in(device: Device, server: GitServer) -> None:
    device.push(MOTD)
    text = f"device: pi\nrepo: {{url: 'http://127.0.0.1:1/gone.git', mirrors: ['{server.url('repo/.git')}']}}\n"
    device.config.write_text(text)
    assert device.sync().status == 0
    assert device.read("/etc/motd") == "hello\n"
