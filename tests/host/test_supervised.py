"""Services in a sandbox, with the real supervisord: whatever happens, no process is left behind and none runs twice."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.core.errors import Broken, NotFound, Rejected, Transient
from reconciler.core.senses import STAMP
from reconciler.host.supervised import SupervisedUnits
from reconciler.host.supervisor_strays import Process, end, strays

NAME = "sensor.service"
SLEEPS = "ExecStart=/bin/sleep 1000"


class Sandbox:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "run/reconciler/supervisor"
        (root / "etc/systemd/system").mkdir(parents=True)

    @property
    def units(self) -> SupervisedUnits:
        """As another command has it, which knows nothing."""
        return SupervisedUnits(str(self.root))

    def define(self, service: str, name: str = NAME, stamp: str = "one") -> None:
        system = self.root / "etc/systemd/system"
        (system / name).write_text(f"[Unit]\nDescription=x\n[Service]\n{service}\n")
        (system / f"{name}.d").mkdir(exist_ok=True)
        (system / f"{name}.d/50-reconciler.conf").write_text(f"[Service]\nEnvironment={STAMP}={stamp}\n")

    def run(self, service: str, name: str = NAME, stamp: str = "one") -> SupervisedUnits:
        self.define(service, name, stamp)
        self.units.start(name)
        return self.units

    def processes(self) -> set[Process]:
        """Also supervisord."""
        return strays(os.path.realpath(self.root))

    def supervisord(self) -> int:
        return int((self.folder / "supervisord.pid").read_text())


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "box")
    yield sandbox
    for name in os.listdir(sandbox.folder / "program") if sandbox.folder.exists() else []:
        with suppress(Transient):
            sandbox.units.stop(name)
    left = sandbox.processes()
    end(left)
    assert left == set(), "something was left running"


def soon(condition: Callable[[], object], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def told(sandbox: Sandbox, name: str = NAME) -> list[str]:
    return list(sandbox.units.log(name, 100))


def test_what_runs_is_found_by_the_next_command_and_the_last_one_takes_supervisord_with_it(sandbox: Sandbox) -> None:
    sandbox.run(SLEEPS)
    seen = sandbox.units.look(NAME)
    assert (seen.running, seen.failed, seen.enabled, seen.stamp) == (True, False, False, "one")
    start = Path(f"/proc/{seen.pid}/stat").read_text().rpartition(")")[2].split()[19]
    assert seen.invocation == f"{seen.pid}-{start}"
    assert Path(f"/proc/{seen.pid}/cmdline").read_bytes() == b"/bin/sleep\x001000\x00"
    assert len(sandbox.processes()) == 2
    sandbox.units.stop(NAME)
    assert not sandbox.units.look(NAME).running
    assert sandbox.processes() == set()


def test_who_looks_starts_nothing_and_writes_nothing(sandbox: Sandbox) -> None:
    sandbox.define(SLEEPS)
    before = sorted(sandbox.root.rglob("*"))
    seen = sandbox.units.look(NAME)
    assert (seen.running, seen.failed, seen.enabled, seen.invocation) == (False, False, False, "")
    assert sandbox.units.log(NAME, 10) == ()
    sandbox.units.stop(NAME)
    sandbox.units.disable(NAME)
    sandbox.units.reload()
    assert sorted(sandbox.root.rglob("*")) == before
    assert sandbox.processes() == set()


def test_to_start_what_runs_changes_nothing(sandbox: Sandbox) -> None:
    before = sandbox.run(SLEEPS).look(NAME)
    sandbox.units.start(NAME)
    assert sandbox.units.look(NAME) == before


def test_to_restart_is_another_run_also_of_what_does_not_run(sandbox: Sandbox) -> None:
    sandbox.define(SLEEPS)
    sandbox.units.restart(NAME)
    before = sandbox.units.look(NAME)
    sandbox.units.restart(NAME)
    after = sandbox.units.look(NAME)
    assert before.running
    assert after.running
    assert before.invocation != after.invocation


def test_two_units_have_one_supervisord_which_stays_for_the_second(sandbox: Sandbox) -> None:
    sandbox.run(SLEEPS)
    sandbox.run(SLEEPS, "other@a:b.service", "two")
    assert len(sandbox.processes()) == 3
    sandbox.units.stop(NAME)
    assert sandbox.units.look("other@a:b.service").stamp == "two"
    assert len(sandbox.processes()) == 2
    sandbox.units.stop("other@a:b.service")
    assert sandbox.processes() == set()


def test_a_new_definition_is_taken_at_the_restart_and_not_before(sandbox: Sandbox) -> None:
    before = sandbox.run(SLEEPS).look(NAME)
    sandbox.define("ExecStart=/bin/sleep 2000", stamp="two")
    sandbox.units.reload()
    assert sandbox.units.look(NAME) == before
    sandbox.units.restart(NAME)
    after = sandbox.units.look(NAME)
    assert after.stamp == "two"
    assert b"2000" in Path(f"/proc/{after.pid}/cmdline").read_bytes()


def test_a_definition_that_cannot_be_run_leaves_what_runs(sandbox: Sandbox) -> None:
    before = sandbox.run(SLEEPS).look(NAME)
    sandbox.define('ExecStart=/bin/sleep "2000')
    with pytest.raises(Rejected, match=r"never closed.*sensor\.service:4"):
        sandbox.units.restart(NAME)
    assert sandbox.units.look(NAME) == before


def test_what_dies_at_once_again_and_again_has_failed_and_is_given_another_chance(sandbox: Sandbox) -> None:
    sandbox.run("Restart=always\nExecStart=/bin/sh -c 'echo out of order; exit 3'")
    assert soon(lambda: sandbox.units.look(NAME).failed, 20)
    assert not sandbox.units.look(NAME).running
    assert told(sandbox) == ["out of order"] * 4
    sandbox.run(SLEEPS)
    assert sandbox.units.look(NAME).running


def test_what_does_not_restart_runs_once_and_its_end_is_seen(sandbox: Sandbox) -> None:
    sandbox.run("ExecStart=/bin/sh -c 'echo once; exit 3'")
    assert soon(lambda: sandbox.units.look(NAME).failed)
    sandbox.run("ExecStart=/bin/echo well", "well.service")
    assert soon(lambda: told(sandbox, "well.service"))
    time.sleep(1.5)
    seen = sandbox.units.look("well.service")
    assert (seen.running, seen.failed) == (False, False)
    assert told(sandbox) == ["once"]
    assert told(sandbox, "well.service") == ["well"]


def test_what_remains_after_it_ended_well_counts_as_running(sandbox: Sandbox) -> None:
    service = "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/echo one\nExecStart=/bin/echo two"
    sandbox.units.enable(NAME)
    sandbox.run(service)
    assert soon(lambda: told(sandbox) == ["one", "two"])
    assert soon(lambda: sandbox.units.look(NAME).pid == 0)
    seen = sandbox.units.look(NAME)
    assert (seen.running, seen.stamp) == (True, "one")
    time.sleep(0.5)
    assert told(sandbox) == ["one", "two"], "it ran twice"


def test_what_dies_later_is_started_again(sandbox: Sandbox) -> None:
    before = sandbox.run(f"Restart=always\n{SLEEPS}").look(NAME)
    time.sleep(1.2)
    os.kill(before.pid, signal.SIGKILL)
    assert soon(lambda: sandbox.units.look(NAME).invocation not in ("", before.invocation))
    assert sandbox.units.look(NAME).stamp == "one"


def test_what_does_not_listen_is_killed_when_its_time_is_over(sandbox: Sandbox) -> None:
    sandbox.run("TimeoutStopSec=1s\nExecStart=/bin/sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.1; done'")
    assert soon(lambda: told(sandbox) == ["up"])
    begun = time.monotonic()
    sandbox.units.stop(NAME)
    assert time.monotonic() - begun < 6
    assert sandbox.processes() == set()


def test_what_left_its_group_ends_with_its_service(sandbox: Sandbox) -> None:
    sandbox.run("ExecStart=/bin/sh -c 'setsid sleep 2000 & echo up; exec sleep 1000'")
    assert soon(lambda: told(sandbox) == ["up"])
    assert soon(lambda: len(sandbox.processes()) == 3)
    sandbox.units.stop(NAME)
    assert sandbox.processes() == set()


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


SERVER = "import socket,time; s=socket.create_server(('127.0.0.1', {port})); print('up', flush=True); time.sleep(1000)"


def test_supervisord_is_killed_and_what_outlived_it_makes_room(sandbox: Sandbox) -> None:
    """Of a port there is one: the old process must be gone before the new one wants it."""
    server = f'ExecStart={sys.executable} -c "{SERVER.format(port=_port())}"'
    before = sandbox.run(server).look(NAME)
    assert soon(lambda: told(sandbox) == ["up"])
    os.kill(sandbox.supervisord(), signal.SIGKILL)
    assert soon(lambda: len(sandbox.processes()) == 1)
    assert not sandbox.units.look(NAME).running
    (outlived,) = sandbox.processes()
    assert outlived.pid == before.pid
    sandbox.units.start(NAME)
    assert soon(lambda: told(sandbox) == ["up", "up"])
    assert outlived not in sandbox.processes()
    after = sandbox.units.look(NAME)
    assert after.running
    assert len(sandbox.processes()) == 2


def test_supervisord_is_killed_and_what_outlived_it_is_stopped(sandbox: Sandbox) -> None:
    sandbox.run(SLEEPS)
    os.kill(sandbox.supervisord(), signal.SIGKILL)
    assert soon(lambda: len(sandbox.processes()) == 1)
    sandbox.units.stop(NAME)
    assert sandbox.processes() == set()


def test_what_is_enabled_is_started_by_the_next_supervisord_as_by_a_boot(sandbox: Sandbox) -> None:
    sandbox.units.enable(NAME)
    sandbox.run(SLEEPS)
    sandbox.run(SLEEPS, "other.service")
    assert sandbox.units.look(NAME).enabled
    os.kill(sandbox.supervisord(), signal.SIGTERM)
    assert soon(lambda: sandbox.processes() == set())
    sandbox.run(SLEEPS, "third.service")
    assert soon(lambda: sandbox.units.look(NAME).running)
    assert not sandbox.units.look("other.service").running


def test_supervisord_does_not_answer(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The patch is of a limit: five seconds are long."""
    monkeypatch.setattr("reconciler.host.supervisor_talk.ANSWER_SECONDS", 0.2)
    sandbox.run(SLEEPS)
    os.kill(sandbox.supervisord(), signal.SIGSTOP)
    try:
        with pytest.raises(Transient, match=r"no answer in 0\.2 s"):
            sandbox.units.look(NAME)
    finally:
        os.kill(sandbox.supervisord(), signal.SIGCONT)


def test_the_package_is_missing(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The patch makes this interpreter one that has no such package."""
    monkeypatch.setattr("reconciler.host.supervisor.find_spec", lambda _name: None)
    sandbox.define(SLEEPS)
    with pytest.raises(Broken, match="supervisor is missing") as caught:
        sandbox.units.start(NAME)
    assert caught.value.hint == "pip install 'reconciler[sandbox]'"


def test_a_root_may_lie_deep_and_be_called_anything(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / "a 'b' %(c)s [d] ;e #f \\g $h" / ("e" * 120)
    deep.mkdir(parents=True)
    sandbox = Sandbox(deep / "box")
    sandbox.run(SLEEPS)
    assert sandbox.units.look(NAME).stamp == "one"
    sandbox.units.stop(NAME)
    assert sandbox.processes() == set()


def test_what_a_service_is_given_is_what_systemd_gives_it(sandbox: Sandbox) -> None:
    """Of words and variables nothing is lost on the way, whatever is in them."""
    (sandbox.root / "etc/sensor").mkdir()
    (sandbox.root / "etc/sensor/env").write_text("FROM_FILE='a # b ; c'\n# no\n")
    (sandbox.root / "srv").mkdir()
    print_all = (
        "import os,sys; print(sys.argv[1:], os.getcwd(), [os.environ.get(k) for k in ('A','B','FROM_FILE','TMPDIR',"
        "'SUPERVISOR_ENABLED')], sys.stdin.read())"
    )
    sandbox.run(
        'Environment="A=it\'s 100%% \\"so\\" ; # \\\\" B=/etc/sensor/env\n'
        "EnvironmentFile=/etc/sensor/env\nEnvironmentFile=-/etc/nowhere\nWorkingDirectory=/srv\n"
        f'ExecStart=@{sys.executable} python -c "{print_all}" \\\n'
        "# words go on\n  ${A} $FROM_FILE --env=/etc/sensor/env /dev/null $$x %n\n"
    )
    assert soon(lambda: told(sandbox))
    env = f"{sandbox.root}/etc/sensor/env"
    a = 'it\'s 100% "so" ; # \\'
    words = [a, "a", "#", "b", ";", "c", f"--env={env}", "/dev/null", "$x", NAME]
    assert told(sandbox) == [f"{words} {sandbox.root}/srv {[a, env, 'a # b ; c', None, None]} "]


def test_what_comes_first_is_run_first_and_its_failure_is_the_units(sandbox: Sandbox) -> None:
    sandbox.run("ExecStartPre=/bin/echo first\nExecStartPre=-/bin/false\nExecStart=/bin/echo then")
    assert soon(lambda: told(sandbox) == ["first", "then"])
    sandbox.run("ExecStartPre=/bin/false\nExecStart=/bin/echo then", "bad.service")
    assert soon(lambda: sandbox.units.look("bad.service").failed)
    assert told(sandbox, "bad.service") == []


def test_a_program_that_writes_over_its_environment_still_has_its_stamp(sandbox: Sandbox) -> None:
    """As those do that show in their title what they do."""
    code = (
        "import ctypes,time; ctypes.CDLL(None).prctl(15, b'odd) name'); "
        "m=[l for l in open('/proc/self/maps') if 'stack' in l]; print('up', flush=True); time.sleep(1000)"
    )
    sandbox.run(f'ExecStart={sys.executable} -c "{code}"')
    assert soon(lambda: told(sandbox) == ["up"])
    assert sandbox.units.look(NAME).stamp == "one"


def test_a_log_is_clean_short_and_not_without_end(sandbox: Sandbox) -> None:
    code = "print('\\x1b[31mred\\x1b[0m\\x07 \\tend'); print('x' * 3000); [print(i, '-' * 100) for i in range(30000)]"
    (sandbox.root / "noise.py").write_text(code)
    sandbox.run(f"ExecStart={sys.executable} /noise.py")
    assert soon(lambda: sandbox.units.log(NAME, 1)[:1] == (f"29999 {'-' * 100}",))
    assert sum(file.stat().st_size for file in (sandbox.folder / "log").iterdir()) < 2_500_000
    (sandbox.root / "noise.py").write_text("print('\\x1b[31mred\\x1b[0m\\x07 \\tend'); print('x' * 3000)")
    sandbox.units.restart(NAME)
    assert soon(lambda: sandbox.units.log(NAME, 1)[:1] == ("x" * 500,))
    assert sandbox.units.log(NAME, 2)[0] == "red  end"


def test_a_timer_is_active_in_name_only(sandbox: Sandbox) -> None:
    (sandbox.root / "etc/systemd/system/a.timer").write_text("[Timer]\nOnCalendar=daily\n")
    sandbox.units.start("a.timer")
    sandbox.units.enable("a.timer")
    seen = sandbox.units.look("a.timer")
    assert (seen.running, seen.enabled, seen.stamp) == (True, True, "")
    sandbox.units.restart("a.timer")
    sandbox.units.stop("a.timer")
    sandbox.units.disable("a.timer")
    seen = sandbox.units.look("a.timer")
    assert (seen.running, seen.enabled) == (False, False)
    assert sandbox.processes() == set()


def test_what_there_is_no_unit_for_cannot_be_started(sandbox: Sandbox) -> None:
    with pytest.raises(Rejected, match="there is no such unit in the sandbox"):
        sandbox.units.start("nothing.service")
    with pytest.raises(NotFound):
        sandbox.units.start("nothing.timer")
    assert sandbox.processes() == set()


def test_an_instance_is_run_by_its_template(sandbox: Sandbox) -> None:
    (sandbox.root / "etc/systemd/system/echo@.service").write_text("[Service]\nExecStart=/bin/echo %i of %n\n")
    sandbox.units.start("echo@one.service")
    assert soon(lambda: told(sandbox, "echo@one.service") == ["one of echo@one.service"])


def test_a_program_of_the_sandbox_is_found_through_its_links(sandbox: Sandbox) -> None:
    release = sandbox.root / "opt/app/releases/1/bin"
    release.mkdir(parents=True)
    (release / "app").write_text("#!/bin/sh\necho release 1; exec sleep 1000\n")
    (release / "app").chmod(0o755)
    (sandbox.root / "opt/app/current").symlink_to("/opt/app/releases/1")
    sandbox.run("ExecStart=/opt/app/current/bin/app")
    assert soon(lambda: told(sandbox) == ["release 1"])
