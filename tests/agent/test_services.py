"""Apps on a device: what really runs is what is in force, wholly, whatever a release does when it comes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.apps import App, left_clean, processes, status, units
from tests.agent.test_run import until
from tests.device import Device


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with left_clean(Device(tmp_path)) as device:
        yield device


@pytest.fixture
def web(device: Device) -> App:
    return App(device)


def on(device: Device, *apps: App, versions: tuple[str, ...], ways: tuple[str, ...] = (), spec: str = "") -> str:
    """A commit in which the device asks for these apps in these versions, and for nothing else but `spec`."""
    files: dict[str, str] = {}
    for app, version, way in zip(apps, versions, ways or ("good",) * len(apps), strict=True):
        files |= {**app.document(), **app.release(version, way)}
    uses = ", ".join(app.use(version) for app, version in zip(apps, versions, strict=True))
    return device.push(f"apps: {{{uses}}}\n{spec}", **files)


def test_a_release_runs_with_its_configuration_and_is_accounted_for(device: Device, web: App) -> None:
    web.push("1.0")
    ran = device.sync()
    assert (ran.status, status(ran)["phase"]) == (0, "converged")
    assert web.runs() == ("1.0", "hello")
    assert web.seen().enabled
    assert web.account == {"current_version": "1.0", "previous_good_version": None, "last_update": "succeeded"}
    told = status(ran)["apps"]["web"]
    assert (told["version"], told["previousGood"], told["lastUpdate"]["status"]) == ("1.0", None, "succeeded")
    assert {check["name"]: check["status"] for check in status(ran)["health"]["checks"]} == {
        "web/web": "OK",
        "web/web-answers": "OK",
    }
    web.push("1.1")
    assert device.sync().status == 0
    assert web.runs() == ("1.1", "hello")
    assert web.account == {"current_version": "1.1", "previous_good_version": "1.0", "last_update": "succeeded"}
    assert web.history == ["web begins", "web ends", "web begins"]


def test_nothing_is_written_and_nothing_started_by_a_second_sync(device: Device, web: App) -> None:
    web.push("1.0")
    device.sync()
    before, tree = web.seen(), device.tree()
    ran = device.sync()
    assert (ran.status, ran.json["changes"]) == (0, [])
    assert (web.seen(), device.tree()) == (before, tree)


BAD = [
    pytest.param("never", "does not run", id="never starts"),
    pytest.param("dies 0.8", "did not keep running", id="dies in the soak"),
    pytest.param("hangs", "no whole answer within 1 s", id="hangs"),
    pytest.param("wrong", 'answered with "sick" as `status`, not "well"', id="answers something wrong"),
    pytest.param("sickens 0.7", 'answered with "sick"', id="well until just before the soak ends"),
]


@pytest.mark.parametrize(("way", "reason"), BAD)
def test_what_fails_goes_back_to_the_old_release_with_the_old_configuration(
    device: Device, way: str, reason: str
) -> None:
    web = App(device, start="1s")
    web.push("1.0")
    assert device.sync().status == 0
    web.soak = "1s"
    tree = device.tree()
    bad = web.push("2.0", way, "config: {greeting: bonjour}, env: {TZ: Asia/Tokyo}", "files: {/etc/motd: {content: x}}")
    ran = device.sync()
    assert (ran.status, ran.json["result"], status(ran)["phase"]) == (1, "failed", "failed")
    assert reason in ran.json["error"]["message"]
    until_answers(web)
    assert web.runs() == ("1.0", "hello")
    assert web.answer()["zone"] is None
    assert web.account == {"current_version": "1.0", "previous_good_version": None, "last_update": "rolled_back"}
    assert without_account(device.tree()) == without_account(tree), "nothing of it is left"
    (entry,) = status(ran)["quarantine"]
    assert entry["commit"] == bad
    evidence = device.run("quarantine", "show", entry["specDigest"]).out
    assert reason in evidence
    assert "web 2.0 begins" in evidence, "the last lines of its log"
    begun = len(web.history)
    again = device.sync()
    assert (again.status, status(again)["phase"], len(web.history)) == (3, "held", begun), "it is not tried again"
    (hold,) = status(again)["holds"]
    assert hold["kind"] == "quarantine"
    assert "quarantine clear" in device.run("why").out
    web.soak = "0s"
    web.push("2.1", use="config: {greeting: bonjour}")
    assert device.sync().status == 0
    assert web.runs() == ("2.1", "bonjour")
    assert web.account == {"current_version": "2.1", "previous_good_version": "1.0", "last_update": "succeeded"}


def until_answers(app: App, service: str | None = None) -> None:
    until(lambda: bool(app.answer(service)))


def without_account(tree: dict[str, tuple[str, int, str]]) -> dict[str, tuple[str, int, str]]:
    return {path: seen for path, seen in tree.items() if not path.endswith("version.json")}


def test_a_first_generation_that_fails_leaves_nothing(device: Device) -> None:
    web = App(device, start="1s")
    web.push("1.0", "wrong")
    assert device.sync().status == 1
    assert device.tree() == {}
    assert processes(device) == set()
    assert device.sync().status == 3
    web.push("1.1")
    assert device.sync().status == 0
    assert web.runs() == ("1.1", "hello")


def test_an_app_that_leaves_takes_all_of_it_along(device: Device, web: App) -> None:
    web.push("1.0", "forks")
    device.sync()
    assert len(processes(device)) == 4
    device.push("{}")
    assert device.sync().status == 0
    assert device.tree() == {}
    assert processes(device) == set()
    assert web.history == ["web begins", "web ends"]


def test_what_is_slow_to_come_up_has_its_time(device: Device) -> None:
    web = App(device, soak="1s", start="3s")
    web.push("1.0", "slow 1")
    assert device.sync().status == 0
    assert web.runs() == ("1.0", "hello")


def test_services_start_in_order_and_stop_in_reverse(device: Device) -> None:
    shop = App(device, "shop", {"front": ("middle",), "middle": ("back",), "back": ()})
    shop.push("1.0")
    assert device.sync().status == 0
    assert shop.started == ["back", "middle", "front"]
    shop.push("1.0", use="running: false")
    assert device.sync().status == 0
    assert shop.history[3:] == ["front ends", "middle ends", "back ends"]
    assert processes(device) == set()
    shop.push("1.0")
    assert device.sync().status == 0
    assert shop.started == ["back", "middle", "front"]
    device.push("{}")
    assert device.sync().status == 0
    assert shop.history[9:] == ["front ends", "middle ends", "back ends"]


def test_apps_start_after_those_that_they_name(device: Device, web: App) -> None:
    base = App(device, "base")
    base.told = web.told
    document = {path: text.replace("spec:\n", "spec:\n  after: [base]\n") for path, text in web.document().items()}
    uses = f"apps: {{{web.use('1')}, {base.use('1')}}}"
    device.push(uses, **document, **base.document(), **web.release("1"), **base.release("1"))
    assert device.sync().status == 0
    assert web.seen().pid
    assert int(base.seen().invocation.partition("-")[2]) <= int(web.seen().invocation.partition("-")[2])


def test_a_service_that_should_not_run_does_not_and_then_does(device: Device, web: App) -> None:
    web.push("1.0", use="running: false")
    assert device.sync().status == 0
    assert (web.runs(), processes(device)) == (None, set())
    web.push("1.0")
    assert device.sync().status == 0
    assert web.runs() == ("1.0", "hello")
    web.push("1.0", use="running: false")
    assert device.sync().status == 0
    assert (web.runs(), processes(device)) == (None, set())


def test_a_service_that_is_not_enabled_runs_all_the_same(device: Device, web: App) -> None:
    web.push("1.0", use="enabled: false")
    assert device.sync().status == 0
    run = web.seen()
    assert (run.running, run.enabled) == (True, False)
    web.push("1.0")
    assert device.sync().status == 0
    assert (web.seen().enabled, web.seen().pid) == (True, run.pid)


def test_a_release_that_is_held_stays_and_the_rest_goes_on(device: Device, web: App) -> None:
    web.push("1.0")
    device.sync()
    web.push("2.0", use="updates: hold, config: {greeting: bonjour}")
    ran = device.sync()
    assert ran.status == 0, ran.err
    assert web.runs() == ("1.0", "bonjour")
    pid = web.seen().pid
    assert device.sync().status == 0
    assert web.seen().pid == pid
    web.push("2.0", use="config: {greeting: bonjour}")
    assert device.sync().status == 0
    assert web.runs() == ("2.0", "bonjour")


def test_a_variable_that_changes_starts_its_services_anew(device: Device, web: App) -> None:
    web.push("1.0", use="env: {TZ: UTC}")
    device.sync()
    pid = web.seen().pid
    web.push("1.0", use="env: {TZ: Asia/Tokyo}")
    assert device.sync().status == 0
    assert web.answer()["zone"] == "Asia/Tokyo"
    assert web.seen().pid != pid


def test_only_what_reads_a_configuration_is_started_anew_when_it_changes(device: Device, web: App) -> None:
    other = App(device, "other")
    on(device, web, other, versions=("1.0", "1.0"))
    assert device.sync().status == 0
    before = web.seen().pid, other.seen().pid
    uses = f"apps: {{{web.use('1.0', 'config: {greeting: bonjour}')}, {other.use('1.0')}}}"
    device.push(f"{uses}\nfiles: {{/etc/motd: {{content: x}}}}")
    assert device.sync().status == 0
    assert web.runs() == ("1.0", "bonjour")
    assert web.seen().pid != before[0]
    assert other.seen().pid == before[1]


def test_a_service_of_another_name_gets_the_port_that_the_old_one_had(device: Device, web: App) -> None:
    web.push("1.0")
    device.sync()
    renamed = App(device, "web", {"front": ()})
    renamed.ports, renamed.told = {"front": web.ports["web"]}, web.told
    renamed.push("1.0")
    ran = device.sync()
    assert ran.status == 0, ran.err
    assert renamed.runs("front") == ("1.0", "hello")
    assert web.history == ["web begins", "web ends", "front begins"]
    assert not units(device).look("web.service").running


def test_a_renamed_service_that_fails_gives_the_port_back(device: Device, web: App) -> None:
    web.push("1.0")
    device.sync()
    renamed = App(device, "web", {"front": ()}, start="1s")
    renamed.ports, renamed.told = {"front": web.ports["web"]}, web.told
    renamed.push("2.0", "wrong")
    assert device.sync().status == 1
    until_answers(web)
    assert web.runs() == ("1.0", "hello")
    assert not units(device).look("front.service").running
    assert device.sync().status == 3


def test_of_two_apps_one_fails_and_both_go_back(device: Device) -> None:
    web, other = App(device, start="1s"), App(device, "other", start="1s")
    on(device, web, other, versions=("1.0", "1.0"))
    assert device.sync().status == 0
    on(device, web, other, versions=("2.0", "2.0"), ways=("good", "wrong"))
    assert device.sync().status == 1
    until_answers(web)
    until_answers(other)
    assert (web.runs(), other.runs()) == (("1.0", "hello"), ("1.0", "hello"))
    assert web.account["last_update"] == other.account["last_update"] == "rolled_back"
    assert (web.account["current_version"], other.account["current_version"]) == ("1.0", "1.0")


def test_an_app_leaves_when_what_comes_has_proven_itself_and_not_before(device: Device, web: App) -> None:
    other = App(device, "other", start="1s")
    web.push("1.0")
    device.sync()
    tree = without_account(device.tree())
    on(device, other, versions=("1.0",), ways=("wrong",))
    assert device.sync().status == 1
    until_answers(web)
    assert web.runs() == ("1.0", "hello")
    assert without_account(device.tree()) == tree
    on(device, other, versions=("1.1",))
    assert device.sync().status == 0
    assert (web.runs(), other.runs()) == (None, ("1.1", "hello"))
    assert not device.path("/opt/web").exists()


def test_what_is_quarantined_is_tried_again_when_that_is_lifted(device: Device) -> None:
    web = App(device, start="1s")
    web.push("1.0")
    device.sync()
    web.push("2.0", "wrong")
    (entry,) = status(device.sync())["quarantine"]
    assert device.run("quarantine", "clear", entry["specDigest"]).status == 0
    assert device.run("status", "-o", "json").json["quarantine"] == []
    begun = len(web.history)
    assert device.sync().status == 1
    assert len(web.history) > begun
    assert len(device.run("quarantine", "list", "-o", "json").json) == 1


def test_a_version_that_comes_again_with_other_content_is_another_release(device: Device, web: App) -> None:
    web.push("1.0")
    device.sync()
    before = web.seen().pid
    device.commit({"apps/web/files/1.0/data": "new"})
    assert device.sync().status == 0
    assert web.seen().pid != before
    assert web.answer()["version"] == "1.0"
    assert device.read("/opt/web/current/data") == "new"
    device.commit({"apps/web/files/1.0/way": "wrong"})
    assert device.sync().status == 1
    until_answers(web)
    assert web.answer()["status"] == "well"
    assert device.read("/opt/web/current/data") == "new"


def test_a_service_that_heeds_no_signal_is_ended(device: Device) -> None:
    unit = "[Service]\nExecStart={} -SE /opt/web/current/run.py web /etc/web/config.json\nTimeoutStopSec=1\n"
    web = App(device)
    ((path, document),) = web.document().items()
    begin, end = document.index("{exec"), document.index("\n", document.index("{exec"))
    document = f"{document[:begin]}{{source: web.service}}{document[end:]}"
    files = {path: document, "apps/web/web.service": unit.format(sys.executable), **web.release("1.0", "stubborn")}
    device.push(f"apps: {{{web.use('1.0')}}}", **files)
    assert device.sync().status == 0
    stubborn = web.seen().pid
    device.push(f"apps: {{{web.use('1.1')}}}", **web.release("1.1"))
    assert device.sync().status == 0
    assert web.runs() == ("1.1", "hello")
    assert not Path(f"/proc/{stubborn}").exists()


class TestDrift:
    """What is otherwise than it should be is mended, and what runs with it is started anew where it must."""

    @pytest.fixture
    def web(self, device: Device) -> App:
        web = App(device)
        web.push("1.0")
        assert device.sync().status == 0
        return web

    def test_a_service_that_was_stopped_is_started(self, device: Device, web: App) -> None:
        units(device).stop("web.service")
        assert device.run("diff").status == 2
        assert device.sync().status == 0
        assert web.runs() == ("1.0", "hello")

    def test_a_service_that_was_killed_is_started(self, device: Device, web: App) -> None:
        for process in processes(device):
            os.kill(process.pid, signal.SIGKILL)
        assert device.sync().status == 0
        assert web.runs() == ("1.0", "hello")

    def test_a_unit_file_that_was_edited(self, device: Device, web: App) -> None:
        unit = device.path("/etc/systemd/system/web.service")
        unit.write_text(unit.read_text().replace(" web ", " other "))
        assert "other" in device.run("diff").out
        assert device.sync().status == 0
        assert web.runs() == ("1.0", "hello")

    def test_current_leads_elsewhere(self, device: Device, web: App) -> None:
        web.push("1.1")
        device.sync()
        current = device.path("/opt/web/current")
        current.unlink()
        current.symlink_to("releases/1.0")
        units(device).restart("web.service")
        until_answers(web)
        assert web.runs() == ("1.0", "hello")
        assert device.run("diff").status == 2
        assert device.sync().status == 0
        until_answers(web)
        assert web.runs() == ("1.1", "hello")

    def test_a_file_of_the_release_was_changed(self, device: Device, web: App) -> None:
        run = device.path("/opt/web/current/run.py")
        text = run.read_text()
        run.chmod(0o644)
        run.write_text(text.replace('"well"', '"hacked"'))
        units(device).restart("web.service")
        until_answers(web)
        assert web.answer()["status"] == "hacked"
        assert device.sync().status == 0
        until_answers(web)
        assert run.read_text() == text
        assert web.answer()["status"] == "well"


def test_an_app_that_is_suspended_waits_and_the_rest_goes_on(device: Device, web: App) -> None:
    web.push("1.0")
    device.sync()
    assert device.run("suspend", "--app", "wep").status == 1
    assert device.run("suspend", "--app", "web", "--reason", "a visit").status == 0
    assert "a visit" in device.run("why").out
    web.push("2.0")
    ran = device.sync()
    assert (ran.status, status(ran)["phase"]) == (3, "held")
    assert web.runs() == ("1.0", "hello")
    web.push("1.0", spec="files: {/etc/motd: {content: x}}")
    ran = device.sync()
    assert (ran.status, device.read("/etc/motd")) == (3, "x"), "it changes nothing of the app"
    units(device).stop("web.service")
    ran = device.sync()
    assert (ran.status, status(ran)["resources"]["drifted"]) == (3, 1)
    assert not web.seen().running
    assert device.run("resume", "--app", "web").status == 0
    assert device.sync().status == 0
    assert web.runs() == ("1.0", "hello")


def test_rollback_runs_what_ran_before_and_holds(device: Device, web: App) -> None:
    web.push("1.0")
    device.sync()
    web.push("2.0", use="config: {greeting: bonjour}")
    device.sync()
    assert device.run("rollback").status == 3
    assert web.runs() == ("1.0", "hello")
    assert web.account == {"current_version": "1.0", "previous_good_version": "2.0", "last_update": "succeeded"}
    assert [reason["rule"] for reason in device.run("why", "-o", "json").json] == ["rollback"]
    assert device.sync().status == 3
    assert web.runs() == ("1.0", "hello")
    device.run("resume")
    assert device.sync().status == 0
    assert web.runs() == ("2.0", "bonjour")


def test_what_turns_ill_once_it_was_good_is_told_and_not_taken_back(device: Device, web: App) -> None:
    web.push("1.0")
    device.sync()
    web.push("1.1", "sickens 1")
    assert device.sync().status == 0
    until(lambda: web.answer()["status"] == "sick")
    ran = device.sync()
    assert (ran.status, ran.json["result"]) == (0, "converged")
    assert status(ran)["health"]["status"] == "CRITICAL"
    assert web.runs() == ("1.1", "hello")
    (reason,) = device.run("why", "-o", "json").json
    assert "web/web-answers" in reason["message"]
    health = device.run("health")
    assert health.status == 1
    assert "CRITICAL web/web-answers" in health.out
    assert "OK       web/web:" in health.out
    plugin = device.run("health", "--nagios")
    assert plugin.status == 2
    assert plugin.out.startswith("RECONCILER CRITICAL - web/web-answers: GET ")
    assert device.run("health", "--nagios", "--check", "web/web").status == 0
    assert device.run("health", "--check", "nothing").status == 1


KILLED = """\
import os, signal, sys
from reconciler.cli.main import run
from reconciler.host.supervised import SupervisedUnits

setattr(SupervisedUnits, sys.argv[1], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
run(sys.argv[2:])
"""
"""A command that is killed as it is about to lay hands on a service: at no other moment can that be told."""


@pytest.mark.parametrize(
    ("way", "deed", "version"),
    [
        pytest.param("good", "restart", "2.0", id="current is switched, and the old one still runs"),
        pytest.param("wrong", "stop", "1.0", id="all is to be taken back, and the new one still runs"),
        pytest.param("wrong", "start", "1.0", id="all was taken back, and nothing runs"),
    ],
)
def test_the_agent_is_killed_and_the_next_one_goes_on(device: Device, way: str, deed: str, version: str) -> None:
    web = App(device, start="1s")
    web.push("1.0")
    assert device.sync().status == 0
    web.push("2.0", way, "config: {greeting: bonjour}")
    words = ["--config", str(device.config), "--root", str(device.root), "sync"]
    killed = subprocess.run([sys.executable, "-c", KILLED, deed, *words], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert web.account["last_update"] == "in_progress"
    ran = device.sync()
    assert ran.status == (0 if way == "good" else 1)
    until_answers(web)
    assert web.runs() == (version, "bonjour" if way == "good" else "hello")
    assert web.account["current_version"] == version
    assert web.account["last_update"] == ("succeeded" if way == "good" else "rolled_back")
    assert device.sync().status == (0 if way == "good" else 3)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Device]:
    """Its disk holds 16 MB."""
    device = Device(tmp_path)
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(device.root)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("not run: cannot mount a tmpfs here")
    try:
        with left_clean(device):
            yield device
    finally:
        subprocess.run(["umount", "--lazy", str(device.root)], check=True)


def test_a_disk_that_is_full_keeps_the_old_release_and_bars_nothing(small: Device) -> None:
    web = App(small)
    web.push("1.0")
    assert small.sync().status == 0
    tree = without_account(small.tree())
    free = os.statvfs(small.root)
    small.path("/filler").write_bytes(bytes(free.f_bavail * free.f_frsize - 3_000_000))
    big = small.repo / "apps/web/files/2.0/big"
    big.parent.mkdir()
    big.write_bytes(os.urandom(1_200_000))  # in the clone, among the objects; but not a third time
    web.push("2.0")
    ran = small.sync()
    assert ran.status == 1
    assert "no space left on device" in ran.json["error"]["message"]
    assert status(ran)["quarantine"] == []
    assert web.runs() == ("1.0", "hello")
    small.path("/filler").unlink()
    assert without_account(small.tree()) == tree
    assert small.sync().status == 0
    assert web.runs() == ("2.0", "hello")
