"""While a release has to prove itself the agent is killed, stopped, asked and overtaken: what was never proven is not
good, and what is in force is what runs."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.apps import App, left_clean, units
from tests.agent.test_run import start, until
from tests.device import Device


class Agent:
    """The real one, as a process that may be ended and started again."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.device.path("/run/reconciler/control.sock").unlink(missing_ok=True)
        self.process = start(self.device)
        until(lambda: self.device.path("/run/reconciler/control.sock").exists())

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()

    def stop(self) -> list[dict[str, Any]]:
        """What it logged. It ends well, and at once."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=5)
        assert self.process.returncode == 0
        return [json.loads(line) for line in said.splitlines()]


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with left_clean(Device(tmp_path)) as device:
        yield device


@pytest.fixture
def agent(device: Device) -> Iterator[Agent]:
    agent = Agent(device)
    yield agent
    agent.kill()


@pytest.fixture
def web(device: Device, agent: Agent) -> App:
    """In force, well, and followed by an agent; what comes next soaks for two seconds."""
    web = App(device, soak="0s", start="1s")
    web.push("1.0")
    assert device.sync().status == 0
    agent.start()
    web.soak = "2s"
    return web


def status(device: Device) -> dict[str, Any]:
    """As published, which asks nobody."""
    place = device.path("/run/reconciler/status.json")
    return dict(json.loads(place.read_text())) if place.exists() else {"phase": None, "quarantine": []}


def is_at(device: Device, generation: int) -> Callable[[], bool]:
    """Converged there."""

    def holds() -> bool:
        said = status(device)
        return bool(said["phase"] == "converged" and said["applied"]["generation"] == generation)

    return holds


def soaks(app: App, version: str) -> Callable[[], bool]:
    """It answers, and its trial is not over."""
    return lambda: app.answer().get("version") == version and status(app.device)["phase"] == "verifying"


def results(device: Device) -> list[tuple[int, str]]:
    return [(told["generation"], told["result"]) for told in device.run("history", "-o", "json").json]


def good(version: str, before: str | None = "1.0") -> dict[str, Any]:
    return {"current_version": version, "previous_good_version": before, "last_update": "succeeded"}


def gone_back(version: str = "1.0", before: str | None = None) -> dict[str, Any]:
    return {"current_version": version, "previous_good_version": before, "last_update": "rolled_back"}


def test_killed_in_the_soak_it_begins_anew_and_disturbs_nothing(device: Device, agent: Agent, web: App) -> None:
    web.push("2.0")
    until(soaks(web, "2.0"))
    pid = web.seen().pid
    assert web.account["last_update"] == "in_progress"
    agent.kill()
    agent.start()
    until(is_at(device, 2))
    assert web.seen().pid == pid
    assert (web.runs(), web.account) == (("2.0", "hello"), good("2.0"))
    assert results(device) == [(2, "converged"), (1, "converged")]


def test_what_is_bad_is_found_out_also_by_the_next_process(device: Device, agent: Agent, web: App) -> None:
    web.push("2.0", "wrong")
    until(lambda: web.answer().get("status") == "sick")
    agent.kill()
    agent.start()
    until(lambda: status(device)["phase"] in ("failed", "held"))
    until(lambda: web.runs() == ("1.0", "hello"))
    assert web.account == gone_back()
    assert len(status(device)["quarantine"]) == 1


def test_what_dies_while_nobody_looks_is_taken_back(device: Device, agent: Agent, web: App) -> None:
    web.push("2.0", "dies 1")
    until(soaks(web, "2.0"))
    agent.kill()
    until(lambda: "web dies" in web.history)
    agent.start()
    until(lambda: status(device)["phase"] in ("failed", "held"))
    until(lambda: web.runs() == ("1.0", "hello"))


def test_killed_in_each_soak_it_is_taken_back(device: Device, agent: Agent, web: App) -> None:
    web.soak = "1h"
    web.push("2.0")
    for _ in range(3):
        until(soaks(web, "2.0"))
        agent.kill()
        device.path("/run/reconciler/status.json").unlink()
        agent.start()
    until(lambda: web.runs() == ("1.0", "hello") and web.account == gone_back())
    until(lambda: len(status(device)["quarantine"]) == 1)
    assert "interrupted 3 times" in status(device)["quarantine"][0]["reason"]


def test_stopped_in_the_soak_it_goes_on_with_it_later(device: Device, agent: Agent, web: App) -> None:
    web.push("2.0")
    until(soaks(web, "2.0"))
    pid = web.seen().pid
    assert agent.stop()[-1]["event"] == "agent_stopped"
    assert web.seen().pid == pid
    assert web.account["last_update"] == "in_progress"
    ran = device.sync()
    assert (ran.status, web.account, web.seen().pid) == (0, good("2.0"), pid), "a command goes on with it, too"
    agent.start()
    until(is_at(device, 2))
    assert web.seen().pid == pid


def test_a_newer_commit_overtakes_one_that_soaks(device: Device, agent: Agent, web: App) -> None:
    web.soak = "1h"
    web.push("2.0")
    until(soaks(web, "2.0"))
    web.soak = "1s"
    web.push("3.0", use="config: {greeting: bonjour}")
    until(is_at(device, 3))
    assert (web.runs(), web.account) == (("3.0", "bonjour"), good("3.0"))
    assert results(device) == [(3, "converged"), (2, "superseded"), (1, "converged")]
    assert status(device)["quarantine"] == []


def test_a_commit_that_goes_back_to_what_is_in_force_ends_the_trial(device: Device, agent: Agent, web: App) -> None:
    web.soak = "1h"
    web.push("2.0", use="config: {greeting: bonjour}")
    until(soaks(web, "2.0"))
    device.git("revert", "--no-edit", "HEAD")
    until(is_at(device, 1))
    until(lambda: web.runs() == ("1.0", "hello"))
    assert web.account == gone_back()


def test_what_overtakes_and_fails_gives_way_to_what_was_good(device: Device, agent: Agent, web: App) -> None:
    web.soak = "1h"
    web.push("2.0", use="config: {greeting: bonjour}")
    until(soaks(web, "2.0"))
    web.soak = "1s"
    web.push("3.0", "wrong", use="config: {greeting: hola}")
    until(lambda: status(device)["phase"] in ("failed", "held"))
    until(lambda: web.runs() == ("1.0", "hello"))
    assert results(device) == [(3, "reverted"), (2, "superseded"), (1, "converged")]
    assert web.account == gone_back()


def test_what_was_never_proven_is_not_good_because_something_else_came(device: Device, agent: Agent, web: App) -> None:
    web.start = "1h"
    web.push("2.0", "wrong")
    until(lambda: web.answer().get("status") == "sick")
    web.start = "1s"
    web.push("2.0", "wrong", spec="files: {/etc/motd: {content: x}}")
    until(lambda: status(device)["phase"] in ("failed", "held"))
    until(lambda: web.runs() == ("1.0", "hello"))
    assert not device.path("/etc/motd").exists()
    assert web.account == gone_back()


def test_what_overtakes_without_the_app_that_soaks_proves_that_one_too(device: Device, agent: Agent, web: App) -> None:
    web.soak = "1h"
    web.push("2.0")
    until(soaks(web, "2.0"))
    web.soak = "1s"
    web.push("2.0", spec="files: {/etc/motd: {content: x}}")
    until(is_at(device, 3))
    assert (web.runs(), web.account) == (("2.0", "hello"), good("2.0"))


def test_a_rollback_in_the_soak_goes_to_what_is_in_force(device: Device, agent: Agent, web: App) -> None:
    web.soak = "1h"
    web.push("2.0")
    until(soaks(web, "2.0"))
    assert device.run("rollback").status == 3
    assert web.runs() == ("1.0", "hello")
    assert status(device)["phase"] == "rolledBack"
    assert web.account["current_version"] == "1.0"
    assert web.account["last_update"] != "in_progress"
    assert results(device) == [(2, "superseded"), (1, "converged")]


def test_a_rollback_to_what_never_was_leaves_the_trial_alone(device: Device, agent: Agent, web: App) -> None:
    web.push("2.0", "sickens 1.5")
    until(soaks(web, "2.0"))
    assert device.run("rollback", "7").status == 1
    until(lambda: status(device)["phase"] in ("failed", "held"))
    until(lambda: web.runs() == ("1.0", "hello"))
    assert results(device) == [(2, "reverted"), (1, "converged")]


def test_a_sync_that_is_asked_in_the_soak_ends_with_it(device: Device, agent: Agent, web: App) -> None:
    web.push("2.0")
    until(soaks(web, "2.0"))
    assert status(device)["applied"]["generation"] == 1
    assert status(device)["apps"]["web"]["lastUpdate"]["status"] == "in_progress"
    ran = device.sync()
    assert (ran.status, ran.json["result"], web.account) == (0, "converged", good("2.0"))
    assert "release:/opt/web" in ran.json["changes"]


def test_a_sync_that_is_asked_in_a_soak_that_fails_tells_why(device: Device, agent: Agent, web: App) -> None:
    web.push("2.0", "dies 1")
    until(soaks(web, "2.0"))
    ran = device.sync()
    assert (ran.status, ran.json["result"]) == (1, "failed")
    assert "web.service did not keep running" in ran.json["error"]["message"]


def test_who_asks_is_answered_in_the_soak(device: Device, agent: Agent, web: App) -> None:
    web.push("2.0")
    until(soaks(web, "2.0"))
    for words in (("status",), ("why",), ("health",), ("history",), ("plan",), ("diff",)):
        ran = device.run(*words)
        assert ran.status in (0, 2), (words, ran.err)
    until(is_at(device, 2))


def test_suspended_in_the_soak_it_ends_what_was_begun_and_begins_nothing(
    device: Device, agent: Agent, web: App
) -> None:
    web.push("2.0")
    until(soaks(web, "2.0"))
    assert device.run("suspend", "--reason", "a visit").status == 0
    web.push("3.0")
    until(lambda: web.account == good("2.0"))
    until(lambda: status(device)["phase"] == "suspended")
    assert web.runs() == ("2.0", "hello")
    assert [hold["kind"] for hold in status(device)["holds"]] == ["suspended"]
    device.run("resume")
    until(is_at(device, 3))
    assert web.runs() == ("3.0", "hello")


def eager(app: App, version: str, way: str = "good") -> None:
    """Its check is asked every second."""
    ((path, document),) = app.document().items()
    document = document.replace("timeout: 1s", "timeout: 1s, every: 1s")
    app.device.push(f"apps: {{{app.use(version)}}}", **{path: document}, **app.release(version, way))


def test_a_service_that_is_stopped_by_hand_is_started_when_its_check_tells(device: Device, agent: Agent) -> None:
    web = App(device)
    eager(web, "1.0")
    agent.start()
    until(is_at(device, 1))
    before = web.seen().pid
    units(device).stop("web.service")
    until(lambda: web.runs() == ("1.0", "hello"))
    assert web.seen().pid != before


def test_what_turns_ill_under_the_eyes_of_the_agent_is_told_and_left_alone(device: Device, agent: Agent) -> None:
    web = App(device)
    eager(web, "1.0", "sickens 1")
    agent.start()
    until(is_at(device, 1))
    until(lambda: status(device)["health"]["status"] == "CRITICAL")
    assert web.runs() == ("1.0", "hello")
    assert "web/web-answers" in device.run("why").out
    log = agent.stop()
    told = [e["health"] for e in log if e["event"] == "health_changed" and e["check"] == "web/web-answers"]
    assert told[-1] == "CRITICAL"
