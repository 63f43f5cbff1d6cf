"""Services on a machine that systemd runs: what it says runs is what the desired state says, and no more is done."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.device import HEAD, Ran
from tests.host.machine import ENV, Machine, machine_in, not_run

pytestmark = [pytest.mark.root, pytest.mark.skipif(not_run() is not None, reason=not_run() or "")]

INSTALL = "[Install]\nWantedBy=multi-user.target\n"
SLEEPS = f"[Service]\nExecStart=/bin/sleep 1000\n{INSTALL}"
FAILS = f'[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo no sensor here; exit 3"\n{INSTALL}'
MUTE = """\
import socket, time
bus = socket.socket(socket.AF_UNIX)
bus.bind("/run/dbus/system_bus_socket")
bus.listen()
time.sleep(1000)
"""
UNIT = "/etc/systemd/system/web.service"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with machine_in(tmp_path) as machine:
        yield machine


def wish(
    machine: Machine, text: str | None = SLEEPS, more: str = "enabled: true, running: true", rest: str = ""
) -> str:
    content = f"content: {json.dumps(text)}, " if text else ""
    return machine.device.push(f"units: {{web.service: {{{content}{more}}}}}\n{rest}")


def brought(machine: Machine) -> Ran:
    ran = machine.sync()
    assert ran.status == 0, ran.out + ran.err
    return ran


def run_of(machine: Machine) -> tuple[str, str]:
    return machine.ask("web", "ActiveState"), machine.ask("web", "InvocationID")


def reloads(machine: Machine) -> str:
    """When systemd last read all definitions."""
    name = "org.freedesktop.systemd1"
    return machine.sh(
        f"busctl get-property {name} /org/freedesktop/systemd1 {name}.Manager UnitsLoadTimestampMonotonic"
    )


def test_a_service_of_the_desired_state_runs_and_starts_with_the_machine(machine: Machine) -> None:
    wish(machine)
    brought(machine)
    assert run_of(machine)[0] == "active"
    assert machine.sh("systemctl is-enabled web") == "enabled"
    assert machine.ask("web", "NeedDaemonReload") == "no"


def test_nothing_is_asked_of_systemd_where_all_is_well(machine: Machine) -> None:
    wish(machine)
    brought(machine)
    before = (run_of(machine), reloads(machine))
    assert brought(machine).json["changes"] == []
    assert machine.run("plan").status == 0
    assert (run_of(machine), reloads(machine)) == before


def test_another_text_is_read_and_the_service_started_with_it(machine: Machine) -> None:
    wish(machine)
    brought(machine)
    _, before = run_of(machine)
    wish(machine, SLEEPS.replace("1000", "2000"))
    brought(machine)
    state, after = run_of(machine)
    assert (state, after != before) == ("active", True)
    assert machine.sh("tr '\\0' ' ' </proc/$(systemctl show -p MainPID --value web)/cmdline") == "/bin/sleep 2000"


def test_a_service_is_started_again_when_a_file_that_it_reads_changes(machine: Machine) -> None:
    more = "enabled: true, running: true, reads: [/etc/web.conf]"
    wish(machine, more=more, rest='files: {/etc/web.conf: {content: "a"}}')
    brought(machine)
    _, before = run_of(machine)
    wish(machine, more=more, rest='files: {/etc/web.conf: {content: "b"}}')
    brought(machine)
    state, after = run_of(machine)
    assert (state, after != before) == ("active", True)
    assert brought(machine).json["changes"] == []
    assert run_of(machine) == (state, after)


def test_a_service_that_fails_to_start_is_taken_back_and_what_it_said_is_told(machine: Machine) -> None:
    wish(machine)
    brought(machine)
    wish(machine, FAILS)
    ran = machine.sync()
    assert (ran.status, ran.json["result"]) == (1, "failed")
    assert "cannot restart web.service: it failed (exit-code)" in ran.json["error"]["message"]
    assert "no sensor here" in ran.json["error"]["message"]
    assert machine.sh(f"cat {UNIT}") == SLEEPS.strip()
    assert run_of(machine)[0] == "active"
    assert machine.ask("web", "NeedDaemonReload") == "no"


def test_a_service_that_never_could_start_leaves_nothing(machine: Machine) -> None:
    wish(machine, FAILS)
    assert machine.sync().status == 1
    assert machine.sh("ls /etc/systemd/system /etc/systemd/system/multi-user.target.wants | grep web || true") == ""
    assert (machine.ask("web", "LoadState"), machine.ask("web", "ActiveState")) == ("not-found", "inactive")


def test_a_program_that_is_not_there_is_a_failing_start(machine: Machine) -> None:
    wish(machine, f"[Service]\nType=exec\nExecStart=/opt/none\n{INSTALL}")
    ran = machine.sync()
    assert ran.status == 1
    assert "cannot start web.service: it failed (exit-code)" in ran.json["error"]["message"]


def test_a_text_that_systemd_cannot_read_is_refused_in_its_words(machine: Machine) -> None:
    wish(machine, f"[Service]\nRestart=always\n{INSTALL}")
    ran = machine.sync()
    assert ran.status == 1
    assert "web.service has a bad unit file setting" in ran.json["error"]["message"]


def app(machine: Machine, version: str, script: str) -> None:
    spec = (
        'spec:\n  source: {files: {path: "files/{version}"}}\n'
        '  services: {web: {exec: [/bin/sh, "{current}/run"]}}\n'
        "  health: {startTimeout: 4s, soak: 3s}\n"
    )
    files = {"apps/web/app.yaml": HEAD.format(kind="App", name="web") + spec, f"apps/web/files/{version}/run": script}
    machine.device.push(f'apps: {{web: {{version: "{version}"}}}}', **files)


def test_a_crash_loop_is_found_by_the_trial_and_the_release_before_comes_back(machine: Machine) -> None:
    app(machine, "1.0", "exec sleep 1000\n")
    brought(machine)
    app(machine, "2.0", "echo two cannot live; sleep 0.5; exit 1\n")
    ran = machine.sync()
    assert (ran.status, ran.json["result"]) == (1, "failed")
    assert run_of(machine)[0] == "active"
    assert machine.sh("tr '\\0' ' ' </proc/$(systemctl show -p MainPID --value web)/cmdline") == "sleep 1000"
    entries = json.loads(machine.run("quarantine", "list", "-o", "json").out)
    assert entries
    assert machine.sync().status == 3, "it is not tried again"


def test_what_is_not_to_run_stops_and_what_is_not_to_start_with_the_machine_does_not(machine: Machine) -> None:
    wish(machine)
    brought(machine)
    wish(machine, more="enabled: false, running: false")
    brought(machine)
    assert run_of(machine)[0] == "inactive"
    assert machine.sh("systemctl is-enabled web || true") == "disabled"


def test_what_leaves_the_desired_state_stops_and_goes(machine: Machine) -> None:
    wish(machine)
    brought(machine)
    machine.device.push("{}")
    brought(machine)
    assert machine.ask("web", "LoadState") == "not-found"
    assert machine.sh("ls /etc/systemd/system /etc/systemd/system/multi-user.target.wants | grep web || true") == ""
    assert machine.sh("systemctl --failed --no-legend") == ""


def test_a_service_that_somebody_set_up_by_hand_is_adopted_as_it_runs(machine: Machine) -> None:
    machine.write(UNIT, SLEEPS)
    machine.sh("systemctl daemon-reload; systemctl enable --now web")
    before = run_of(machine)
    wish(machine, None)
    brought(machine)
    assert run_of(machine) == before


def test_what_somebody_stopped_or_disabled_by_hand_is_put_back(machine: Machine) -> None:
    wish(machine)
    brought(machine)
    machine.sh("systemctl stop web; systemctl disable web")
    brought(machine)
    assert run_of(machine)[0] == "active"
    assert machine.sh("systemctl is-enabled web") == "enabled"


def test_a_definition_that_somebody_changed_and_never_had_read_is_put_back(machine: Machine) -> None:
    wish(machine)
    brought(machine)
    machine.sh(f"sed -i s/1000/3000/ {UNIT}")
    brought(machine)
    assert machine.sh(f"cat {UNIT}") == SLEEPS.strip()
    assert machine.ask("web", "NeedDaemonReload") == "no"
    assert run_of(machine)[0] == "active"


def test_a_service_that_never_says_it_is_ready_is_not_awaited_longer_than_it_allows(machine: Machine) -> None:
    wish(machine, f"[Service]\nType=notify\nTimeoutStartSec=2\nExecStart=/bin/sleep 1000\n{INSTALL}")
    ran = machine.sync()
    assert ran.status == 1
    assert "cannot start web.service: it failed (timeout)" in ran.json["error"]["message"]


def test_a_service_whose_base_fails_says_so(machine: Machine) -> None:
    machine.write("/etc/systemd/system/base.service", FAILS)
    wish(machine, f"[Unit]\nRequires=base.service\nAfter=base.service\n{SLEEPS}")
    ran = machine.sync()
    assert ran.status == 1
    assert "cannot start web.service: a unit that it requires failed" in ran.json["error"]["message"]


def test_a_masked_service_says_that_it_is(machine: Machine) -> None:
    machine.write("/usr/lib/systemd/system/web.service", SLEEPS)
    machine.sh("systemctl daemon-reload; systemctl mask --runtime web")
    wish(machine, None, "running: true")
    ran = machine.sync()
    assert ran.status == 1
    assert "cannot start web.service: unit web.service is masked" in ran.json["error"]["message"]


def test_what_cannot_start_with_the_machine_is_refused(machine: Machine) -> None:
    wish(machine, SLEEPS.removesuffix(INSTALL))
    ran = machine.sync()
    assert ran.status == 1
    assert "cannot enable web.service: it has no [Install] section" in ran.json["error"]["message"]


def test_after_a_power_cut_what_is_enabled_runs_and_is_known_as_ours(machine: Machine) -> None:
    once = f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n{INSTALL}"
    units = {"web.service": SLEEPS, "once.service": once}
    said = {name: {"content": text, "enabled": True, "running": True} for name, text in units.items()}
    machine.device.push(f"units: {json.dumps(said)}")
    brought(machine)
    machine.boot_again()
    before = (run_of(machine), machine.ask("once", "InvocationID"), reloads(machine))
    assert before[0][0] == "active"
    assert brought(machine).json["changes"] == []
    assert (run_of(machine), machine.ask("once", "InvocationID"), reloads(machine)) == before


def test_a_service_that_crashed_and_came_back_is_known_as_ours(machine: Machine) -> None:
    wish(machine, SLEEPS.replace("[Service]", "[Service]\nRestart=always\nRestartSec=0"))
    brought(machine)
    machine.sh("systemctl kill -s KILL web; sleep 1")
    before = run_of(machine)
    assert brought(machine).json["changes"] == []
    assert run_of(machine) == before


def test_a_resident_agent_keeps_services_up_and_no_thread_or_descriptor_behind(machine: Machine) -> None:
    agent = f"/usr/bin/python3 -W error -m reconciler --config {machine.device.config} run"
    environment = " ".join(ENV)
    machine.write("/run/systemd/system/agent.service", f"[Service]\nEnvironment={environment}\nExecStart={agent}\n")
    wish(machine)
    machine.sh("systemctl daemon-reload; systemctl start agent; sleep 3")
    brought(machine)
    before = held_by(machine, "agent")
    for _ in range(3):
        machine.sh("systemctl stop web")
        brought(machine)
        assert run_of(machine)[0] == "active"
    assert held_by(machine, "agent") == before


def held_by(machine: Machine, unit: str) -> str:
    """Threads and descriptors of its process."""
    return machine.sh(f"cd /proc/$(systemctl show -p MainPID --value {unit}); ls task | wc -l; ls fd | wc -l")


def test_without_a_bus_nothing_is_taken_for_absent(machine: Machine) -> None:
    wish(machine)
    brought(machine)
    before = run_of(machine)
    machine.sh("mv /run/dbus/system_bus_socket /run/dbus/away")
    ran = machine.sync()
    machine.sh("mv /run/dbus/away /run/dbus/system_bus_socket")
    assert ran.status == 1
    assert "the system bus is gone" in ran.out + ran.err
    assert run_of(machine) == before


def test_a_bus_that_says_nothing_is_not_awaited_for_long(machine: Machine) -> None:
    wish(machine)
    machine.write("/opt/mute.py", MUTE)
    machine.write("/run/systemd/system/mute.service", "[Service]\nExecStart=python3 /opt/mute.py\n")
    machine.sh(
        "mv /run/dbus/system_bus_socket /run/dbus/away; systemctl daemon-reload; systemctl start mute; sleep 0.5"
    )
    began = time.monotonic()
    ran = machine.sync()
    assert ran.status == 1
    assert "cannot ask systemd: no answer in time" in ran.out + ran.err
    assert time.monotonic() - began < 30
