"""What a user meets at the prompt: exit statuses, errors in two lines, JSON alone on stdout, help."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from reconciler.cli.main import run
from tests.device import HEAD, Device

DEVICE = HEAD.format(kind="Device", name="pi")
GROUPS = [
    "validate render explain schemas plan sync status why diff history rollback suspend resume",
    "doctor support-bundle",
]


@pytest.fixture
def fleet(device: Device) -> Device:
    layer = HEAD.format(kind="Layer", name="base")
    base = 'spec: {files: {/etc/motd: {content: "base\\n", mode: "0640"}, /etc/gone: {content: ""}}}\n'
    own = 'spec:\n  files:\n    /etc/motd:\n      content: "own\\n"\n    /etc/gone: null\n'
    device.commit({"layers/base.yaml": layer + base, "devices/pi.yaml": DEVICE + own})
    return device


def test_a_valid_tree(fleet: Device) -> None:
    ran = fleet.run("validate", str(fleet.repo))
    assert (ran.status, ran.out) == (0, "valid\n")
    assert fleet.run("validate", str(fleet.repo), "-o", "json").json == {"valid": True, "problems": []}


def test_each_problem_on_its_own_line(fleet: Device) -> None:
    fleet.commit({"devices/pi.yaml": DEVICE + "spec:\n  filez: {}\n  files: {/etc/x: {mode: 0644, content: 1}}\n"})
    ran = fleet.run("validate", str(fleet.repo))
    assert ran.status == 1
    *problems, count = ran.out.splitlines()
    places = [line.split(": ")[0].removeprefix("devices/pi.yaml:") for line in problems]
    assert places == ["5:3", "6:26", "6:41"]
    assert count == "3 problems"
    found = fleet.run("validate", str(fleet.repo), "-o", "json").json
    assert found["valid"] is False
    assert found["problems"][0]["line"] == 5


def test_one_device_alone_is_validated(fleet: Device) -> None:
    fleet.commit({"devices/bad.yaml": HEAD.format(kind="Device", name="bad") + "spec: {filez: {}}\n"})
    assert fleet.run("validate", str(fleet.repo)).status == 1
    assert fleet.run("validate", str(fleet.repo), "--device", "pi").status == 0


def test_the_effective_spec_is_rendered(fleet: Device) -> None:
    ran = fleet.run("render", str(fleet.repo), "--device", "pi", "-o", "json")
    assert ran.status == 0
    assert ran.json == {"files": {"/etc/motd": {"content": "own\n", "mode": "0640"}}}
    text = fleet.run("render", str(fleet.repo), "--device", "pi").out
    assert "/etc/motd:" in text
    assert text == fleet.run("render", str(fleet.repo), "--device", "pi").out


def test_where_a_value_comes_from(fleet: Device) -> None:
    ran = fleet.run("explain", "spec.files./etc/motd.content", str(fleet.repo), "-o", "json")
    assert [(o["value"], o["place"], o["note"]) for o in ran.json] == [
        ("own\n", "devices/pi.yaml:7:16", "set"),
        ("base\n", "layers/base.yaml:4:37", "overridden"),
    ]
    assert "default" in fleet.run("explain", "spec.mode", str(fleet.repo)).out
    gone = fleet.run("explain", "spec.files./etc/gone", str(fleet.repo), "-o", "json").json
    assert gone[0]["note"] == "removed"
    unknown = fleet.run("explain", "spec.filez", str(fleet.repo))
    assert unknown.status == 1
    assert "did you mean" in unknown.err


def test_schemas_are_written_and_checked(fleet: Device, tmp_path: Path) -> None:
    folder = str(tmp_path / "schemas")
    assert fleet.run("schemas", "--dir", folder, "--check").status == 1
    assert fleet.run("schemas", "--dir", folder).status == 0
    assert fleet.run("schemas", "--dir", folder, "--check").status == 0
    device = json.loads((tmp_path / "schemas/device.json").read_text())
    assert "files" in json.dumps(device)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "error: No such command 'nonsense'"),
        (["plan", "--nonsense"], "error: No such option: --nonsense"),
        (["render"], "error: Missing option '--device'"),
        (["rollback", "x"], "error: Invalid value for"),
        (["rollback", "0"], "error: Invalid value for"),
        (["status", "-o", "xml"], "error: Invalid value for '--output'"),
        (["render", "/nowhere", "--device", "pi"], "error: cannot read a working tree: it is no directory: /nowhere"),
        (["render", ".", "--device", "P!"], "error: cannot use this device: 'P!' is not a device name"),
        (["quarantine", "clear", "abc"], "error: cannot tell which desired state abc is: there is none"),
        (["quarantine", "show", ""], "error: cannot tell which desired state"),
        (["plan", "--ref", "z" * 40], "error: cannot plan this"),
    ],
)
def test_misuse_is_an_error_and_a_hint_and_status_1(device: Device, arguments: list[str], says: str) -> None:
    ran = device.run(*arguments)
    assert ran.status == 1
    assert ran.err.startswith(says), ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("device: [", "error: cannot read the agent's configuration"),
        ("devise: pi", "hint: did you mean device?"),
        ("device: Pi_1", "is not a device name"),
        ("device: 7", "error: cannot use device: it is a string, not a number"),
        ("trust: {signers: /etc/x}", "error: cannot do what trust asks for: this release does not know it yet"),
        ("repo: {mirrors: a}", "error: cannot use repo.mirrors: it is a list of strings, not a string"),
        ("repo: {url: 'git://example.org/x.git'}", "no such transport"),
        ("repo: {url: 'https://ada:secret@example.org/x.git'}", "error: cannot"),
        ("repo: {url: '-oops'}", "error: cannot follow"),
        ("repo: {url: relative/path}", "error: cannot follow"),
        ("- a", "error: cannot read the agent's configuration"),
    ],
)
def test_a_configuration_that_cannot_be_used(device: Device, config: str, says: str) -> None:
    device.config.write_text(config)
    ran = device.run("sync")
    assert ran.status == 1
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_the_environment_overrides_the_file(fleet: Device, tmp_path: Path) -> None:
    fleet.config.write_text("device: nobody\nrepo: {url: /nowhere}\n")
    said = {"RECONCILER_DEVICE": "pi", "RECONCILER_REPO__URL": str(fleet.repo), "RECONCILER_REPO__REF": "main"}
    done = _process(["--config", str(fleet.config), "--root", str(fleet.root), "sync"], said)
    assert done.returncode == 0, done.stderr
    assert fleet.read("/etc/motd") == "own\n"


def test_a_root_that_is_no_directory(device: Device) -> None:
    done = _process(["--root", str(device.root / "nowhere"), "status"])
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot use this root")


@pytest.mark.parametrize("command", " ".join(GROUPS).split())
def test_every_command_has_help(device: Device, command: str) -> None:
    ran = device.run(command, "--help")
    assert ran.status == 0
    assert ran.out.startswith("Usage: ")


def test_completion_is_offered() -> None:
    done = _process([], {"_RECONCILER_COMPLETE": "complete_bash", "COMP_WORDS": "reconciler q", "COMP_CWORD": "1"})
    assert done.stdout.split() == ["quarantine"]


def test_no_colour_off_a_terminal(fleet: Device) -> None:
    done = _process(["--config", str(fleet.config), "--root", str(fleet.root), "plan"])
    assert done.returncode == 2
    assert "\x1b" not in done.stdout + done.stderr


def test_control_characters_of_a_commit_do_not_reach_the_terminal(device: Device) -> None:
    evil = 'spec: {files: {/etc/motd: {content: "\\e[31m\\x07"}}}\n'
    device.commit({"devices/pi.yaml": DEVICE + evil}, "evil \x1b[2J")
    ran = device.run("plan")
    assert "\x1b" not in ran.out
    device.sync()
    assert "\x1b" not in device.run("history").out


def test_a_closed_pipe_is_no_error(fleet: Device) -> None:
    command = f"'{sys.executable}' -m reconciler --config '{fleet.config}' --root '{fleet.root}' plan | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_closed_streams_are_no_fault(fleet: Device) -> None:
    assert _shell(fleet, "plan >&-") == (2, "", "")
    assert _shell(fleet, "plan >&- 2>&-") == (2, "", "")
    status, _, said = _shell(fleet, "plan --ref nowhere >&-")
    assert (status, said.splitlines()[0][:19]) == (1, "error: cannot find ")
    assert _shell(fleet, "plan --ref nowhere 2>&-") == (1, "", "")


@pytest.mark.parametrize("words", ["plan", "plan -o json", "status", "--help", "plan --help"])
def test_a_result_that_cannot_be_written_is_one_error(fleet: Device, words: str) -> None:
    status, _, said = _shell(fleet, f"{words} >/dev/full")
    assert (status, said) == (1, "error: cannot write the result: No space left on device\n")


def test_an_error_that_cannot_be_written_is_an_error_all_the_same(fleet: Device) -> None:
    assert _shell(fleet, "plan --ref nowhere 2>/dev/full") == (1, "", "")


def test_a_commit_by_its_short_id(fleet: Device) -> None:
    commit = fleet.git("rev-parse", "HEAD")
    ran = fleet.run("plan", "--ref", commit[:7])
    assert ran.status == 1
    assert f"if {commit[:7]} is a commit, give its whole id: `git rev-parse {commit[:7]}`" in ran.err
    assert fleet.run("plan", "--ref", commit).status == 2
    assert "whole id" not in fleet.run("plan", "--ref", "nowhere").err


def test_a_branch_that_looks_like_a_commit(fleet: Device) -> None:
    fleet.git("branch", "deadbeef")
    assert fleet.run("plan", "--ref", "deadbeef").status == 2


@pytest.mark.parametrize(
    "words", ["validate", "validate .", "validate x", "render --device pi", "schemas", "schemas --check"]
)
def test_in_a_folder_that_was_removed(fleet: Device, tmp_path: Path, words: str) -> None:
    status, out, said = _shell(
        fleet, words, before=f"mkdir '{tmp_path}/x' && cd '{tmp_path}/x' && rmdir '{tmp_path}/x';"
    )
    assert (status, out) == (1, "")
    assert (
        said == "error: cannot read the current folder: it is no longer there\nhint: `cd` to a folder that is there\n"
    )


def test_a_tree_that_is_not_there(device: Device) -> None:
    ran = device.run("validate", "/nowhere")
    assert (ran.status, ran.err) == (1, "error: cannot read a working tree: it is no directory: /nowhere\n")


def test_schemas_that_cannot_be_written(device: Device, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = device.run("schemas", "--dir", str(tmp_path / "file/x"))
    assert ran.status == 1
    assert ran.err.startswith("error: cannot write a schema: Not a directory: ")


@pytest.mark.parametrize("command", ["diff", "why"])
def test_where_nothing_was_ever_applied_that_is_said(fleet: Device, command: str) -> None:
    ran = fleet.run(command)
    assert (ran.status, ran.out) == (0, "nothing was applied here yet: `reconciler sync` does that\n")
    assert fleet.run(command, "-o", "json").json == []
    fleet.sync()
    assert fleet.run(command).out in ("no drift\n", "nothing holds it back\n")


def test_history_shows_where_a_rollback_went(fleet: Device) -> None:
    fleet.sync()
    fleet.push("files: {/etc/motd: {content: second}}")
    fleet.sync()
    assert _numbers(fleet) == ["2 *", "1"]
    fleet.run("rollback")
    assert _numbers(fleet) == ["2", "1 *"]
    seen = fleet.run("history", "-o", "json").json
    assert [(g["generation"], g["inForce"]) for g in seen] == [(2, False), (1, True)]


def _numbers(device: Device) -> list[str]:
    return [line[:10].strip() for line in device.run("history").out.splitlines()[1:]]


def test_something_in_the_way_of_what_is_in_force_has_a_hint(fleet: Device) -> None:
    fleet.sync()
    motd = fleet.path("/etc/motd")
    motd.unlink()
    motd.mkdir()
    ran = fleet.run("sync")
    assert ran.status == 1
    assert "cannot bring file:/etc/motd" in ran.err
    assert ran.err.endswith("hint: move away what is there, or take the resource out of the desired state\n")


def test_a_device_that_is_only_observed_says_how_much_would_change(device: Device) -> None:
    device.push("mode: observe\nfiles: {/etc/motd: {content: x}}")
    ran = device.run("sync")
    assert ran.status == 3
    assert ran.out.splitlines()[0] == "held: nothing applied, 2 changes would be made"
    device.path("/etc").mkdir()
    assert device.run("sync").out.splitlines()[0] == "held: nothing applied, 1 change would be made"
    device.path("/etc/motd").write_text("x")
    assert device.run("sync").out.splitlines()[0] == "held: nothing applied, nothing would change"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody without power")
def test_somebody_without_power_is_told_how_to_have_it() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # pytest's own is closed to others
        device = Device(Path(folder))
        device.push("files: {/etc/motd: {content: x}}")
        device.sync()
        words = ["--config", str(device.config), "plan"]
        assert "hint: run this as the owner of the sandbox\n" in _without_power(["--root", str(device.root), *words])
        hint = "hint: run this with `sudo`, or with `--root DIR` in a sandbox of your own\n"
        assert hint in _without_power(words)
        device.config.chmod(0o600)
        said = f"error: cannot read the agent's configuration: Permission denied: {device.config}\n{hint}"
        assert _without_power(words) == said


def _without_power(arguments: list[str]) -> str:
    """What a command of user nobody writes to stderr."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            run(arguments)
        os.write(writing, said.getvalue().encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as answers:
        said = answers.read()
    os.waitpid(child, 0)
    return said


def _shell(device: Device, words: str, before: str = "") -> tuple[int, str, str]:
    """The exit status and both streams of a command line with redirections."""
    command = f"'{sys.executable}' -m reconciler --config '{device.config}' --root '{device.root}' {words}"
    done = subprocess.run(["bash", "-c", f"{before} {command}"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def _process(arguments: list[str], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_a_sandbox_can_be_stopped(device: Device) -> None:
    assert device.run("sandbox", "stop").out == "nothing ran\n"
