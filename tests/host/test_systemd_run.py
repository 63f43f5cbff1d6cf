"""With what a run was started is told only by what surely belongs to that run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.core.errors import Broken, NotSupported, Rejected, Transient
from reconciler.core.senses import STAMP
from reconciler.host import systemd_bus
from reconciler.host.systemd import SystemdUnits
from reconciler.host.systemd_run import definitions, stamp_of_definition, stamp_of_process


def told(environment: dict[str, str], invocation: str) -> str | None:
    """By a process with this environment."""
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout
        child.stdout.readline()
        try:
            return stamp_of_process("web.service", child.pid, invocation)
        finally:
            child.communicate(b"\n")


@pytest.mark.parametrize(
    ("environment", "stamp"),
    [
        pytest.param({"INVOCATION_ID": "a1", STAMP: "s"}, "s", id="a process of this run tells its stamp"),
        pytest.param({"INVOCATION_ID": "a1"}, "", id="one that was started without a stamp says so"),
        pytest.param({"INVOCATION_ID": "b2", STAMP: "s"}, None, id="one of another run tells nothing of this one"),
        pytest.param({STAMP: "s"}, None, id="nor does one that systemd did not start"),
    ],
)
def test_a_process_tells_of_its_own_run(environment: dict[str, str], stamp: str | None) -> None:
    assert told(environment, "a1") == stamp


def test_a_process_that_is_gone_tells_nothing() -> None:
    with subprocess.Popen(["true"]) as child:
        child.wait()
    assert stamp_of_process("web.service", child.pid, "a1") is None


@pytest.mark.parametrize(
    ("environment", "stamp"),
    [
        pytest.param([], "", id="nothing said"),
        pytest.param(["TZ=UTC", f"{STAMP}=a"], "a", id="among others"),
        pytest.param([f"{STAMP}=a", f"{STAMP}=b"], "b", id="the last one counts"),
        pytest.param([f"{STAMP}_TOO=a"], "", id="another variable"),
    ],
)
def test_a_definition_tells_its_stamp(environment: list[str], stamp: str) -> None:
    assert stamp_of_definition(environment) == stamp


def test_definitions_differ_when_a_file_or_a_link_comes_changes_or_goes(tmp_path: Path) -> None:
    seen = [definitions(str(tmp_path))]
    (tmp_path / "web.service.d").mkdir()
    seen.append(definitions(str(tmp_path)))
    (tmp_path / "web.service.d" / "50.conf").write_text("a")
    seen.append(definitions(str(tmp_path)))
    (tmp_path / "web.service.d" / "50.conf").write_text("bb")
    seen.append(definitions(str(tmp_path)))
    (tmp_path / "web.service").symlink_to("/dev/null")
    seen.append(definitions(str(tmp_path)))
    assert len(set(seen)) == len(seen)
    assert definitions(str(tmp_path)) == seen[-1]


@pytest.mark.skipif(os.path.isdir(systemd_bus.RUNS_HERE), reason="not run: systemd runs this machine")
def test_a_machine_without_systemd_says_what_it_takes() -> None:
    with pytest.raises(NotSupported) as told:
        SystemdUnits().look("web.service")
    assert told.value.hint
    assert "--root" in told.value.hint


@pytest.mark.parametrize(
    ("name", "sort"),
    [
        pytest.param("org.freedesktop.systemd1.BadUnitSetting", Rejected, id="a bad setting is the commit's fault"),
        pytest.param("org.freedesktop.systemd1.ShuttingDown", Transient, id="a machine that goes down comes back"),
    ],
)
def test_a_refusal_says_who_must_act(name: str, sort: type[Exception]) -> None:
    failure = systemd_bus.Refused(name, "Unit web.service is so.").as_failure("start web.service")
    assert isinstance(failure, sort)
    assert str(failure) == "cannot start web.service: unit web.service is so"


def test_a_masked_unit_says_how_it_can_be_had() -> None:
    failure = systemd_bus.Refused("org.freedesktop.systemd1.UnitMasked", "Unit web.service is masked.").as_failure("x")
    assert isinstance(failure, Broken)
    assert "systemctl unmask" in (failure.hint or "")
