"""The examples are what we tell people to copy: they are valid, and every device of theirs converges and stays so."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import run
from reconciler.host.supervised import SupervisedUnits

CHECKOUT = Path(__file__).parent.parent
EXAMPLE = CHECKOUT / "examples/desired-state"
DEVICES = sorted(path.stem for path in (EXAMPLE / "devices").glob("*.yaml"))
DOCUMENTS = sorted(path for path in EXAMPLE.rglob("*.yaml"))

NOBODY = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


SERVICES = ("sensor-mcp.service", "sensor-reader.service", "hello.service")


def free_port() -> int:
    """That nobody has now, and hardly anybody will in a moment."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def end_services(root: Path) -> None:
    """With the last of them goes the supervisord of the sandbox."""
    units = SupervisedUnits(str(root))
    for name in SERVICES:
        units.stop(name)


class Pi:
    """A device in a folder that follows a repo made of the example, on a port of its own, and soaks for a second."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.root = name, folder / "root"
        repo = folder / "repo"
        shutil.copytree(EXAMPLE, repo)
        app = repo / "apps/sensor-mcp/app.yaml"
        app.write_text(app.read_text().replace("8700", str(free_port())).replace("soak: 60s", "soak: 1s"))
        for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "A fleet of three"]):
            subprocess.run(["git", "-C", repo, *command], check=True, env={**os.environ, **NOBODY})
        (self.root / "etc/reconciler").mkdir(parents=True)
        (self.root / "etc/reconciler/agent.yaml").write_text(f'device: {name}\nrepo: {{url: "{repo}", ref: main}}\n')

    def run(self, *arguments: str) -> int:
        return run(["--root", str(self.root), *arguments])

    def tree(self) -> dict[str, tuple[int, bytes]]:
        """All that is managed: mode and content (or target) by path."""
        ours = ("etc/reconciler", "run/", "var/lib/reconciler")
        paths = (path for path in self.root.rglob("*") if not str(path.relative_to(self.root)).startswith(ours))
        return {str(path.relative_to(self.root)): (path.lstat().st_mode, _content(path)) for path in paths}


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return str(path.readlink()).encode()
    return path.read_bytes() if path.is_file() else b""


@pytest.fixture
def a_pi(tmp_path: Path) -> Iterator[Callable[[str], Pi]]:
    """By its name; its services end with the test."""
    made: list[Pi] = []

    def make(name: str) -> Pi:
        made.append(Pi(tmp_path / name, name))
        return made[-1]

    yield make
    for pi in made:
        end_services(pi.root)


@pytest.fixture(params=DEVICES)
def pi(request: pytest.FixtureRequest, a_pi: Callable[[str], Pi]) -> Pi:
    return a_pi(request.param)


def _json(captured: pytest.CaptureFixture[str]) -> Any:
    return json.loads(captured.readouterr().out)


def test_the_example_is_a_fleet() -> None:
    assert len(DEVICES) == 3


def test_the_example_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", str(EXAMPLE)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(EXAMPLE)))
def test_each_document_names_a_schema_that_is_there(path: Path) -> None:
    schema = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert schema
    assert (path.parent / schema[1]).resolve().is_relative_to(CHECKOUT / "schemas")
    assert json.loads((path.parent / schema[1]).read_text())["$schema"].startswith("https://json-schema.org/")


def test_a_device_converges_and_a_second_sync_changes_nothing(pi: Pi, capsys: pytest.CaptureFixture[str]) -> None:
    assert pi.run("sync") == 0, capsys.readouterr().err
    before = pi.tree()
    assert pi.run("sync", "-o", "json") == 0
    capsys.readouterr()
    assert pi.run("plan", "-o", "json") == 0
    assert _json(capsys)["changes"] == []
    assert pi.run("diff") == 0
    assert pi.tree() == before


def test_a_plan_is_what_scripts_rely_on(pi: Pi, capsys: pytest.CaptureFixture[str]) -> None:
    assert pi.run("plan", "-o", "json") == 2
    plan = _json(capsys)
    assert {"device", "commit", "digest", "changes"} <= plan.keys()
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", plan["digest"])
    kinds = {change["resource"].partition(":")[0] for change in plan["changes"]}
    of_an_app = {"release", "unit"} if pi.name != "pi-media" else set()
    assert kinds == {"config", "directory", "file", "link"} | of_an_app
    for change in plan["changes"]:
        keys = {"resource", "action", "summary", "diff", "risk", "destructive", "dependsOn"}
        assert keys == change.keys()
        assert change["action"] == "create"


def test_a_layer_for_small_boards_changes_only_those(
    a_pi: Callable[[str], Pi], capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = a_pi("pi-attic"), a_pi("pi-garage")
    assert small.run("sync") == 0, capsys.readouterr().err
    assert large.run("sync") == 0, capsys.readouterr().err
    drop_in = "etc/systemd/journald.conf.d/50-fleet.conf"
    assert "Storage=volatile" in (small.root / drop_in).read_text()
    assert "Storage=persistent" in (large.root / drop_in).read_text()


def test_a_sensor_answers_over_http(a_pi: Callable[[str], Pi], capsys: pytest.CaptureFixture[str]) -> None:
    pi = a_pi("pi-garage")
    assert pi.run("sync") == 0, capsys.readouterr().err
    capsys.readouterr()
    assert pi.run("health", "--check", "sensor-mcp/answers", "-o", "json") == 0, capsys.readouterr().out
    assert json.loads((pi.root / "run/sensor-reader/reading.json").read_text())["values"]["load"] >= 0


TUTORIAL = CHECKOUT / "docs/tutorial.md"
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def _blocks(tutorial: str) -> Iterator[tuple[str, str, str]]:
    """Each block of the tutorial: the last file named before it, its language, what it says."""
    file = ""
    for text, language, body in re.findall(r"(.*?)```(console|yaml)\n(.*?)```", tutorial, re.DOTALL):
        file = next(iter(re.findall(r"`(home/[^`]+\.yaml)`:\n", text)), file)
        yield file, language, body


def _comparable(said: str) -> str:
    """Without what is another in each run: ids, times, and how often a service was looked at until it was well."""
    said = re.sub(r"sha256:[0-9a-f]{64}|\b[0-9a-f]{12}\b|\d{4}-\d\d-\d\dT[\d:]+Z", "…", said)
    return re.sub(r" in [\d.]+ s\b|^  .* is on trial, after .*\n", "", said, flags=re.MULTILINE)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "sandbox"
    end_services(tmp_path / "sandbox")


@pytest.mark.usefixtures("sandbox")
def test_the_tutorial_goes_as_it_says(tmp_path: Path) -> None:
    environment = {**NOBODY, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PWD": str(tmp_path)}
    for file, language, body in _blocks(re.sub(r"\b8700\b", str(free_port()), TUTORIAL.read_text())):
        if language == "yaml":
            (tmp_path / file).parent.mkdir(exist_ok=True)
            with (tmp_path / file).open("a") as document:
                document.write(body)
            continue
        for command, expected in COMMAND.findall(body):
            if command.startswith("export "):
                pairs = (pair.partition("=") for pair in command.split()[1:])
                environment |= {name: value.replace("$PWD", str(tmp_path)) for name, _, value in pairs}
                continue
            options: dict[str, Any] = {"shell": True, "cwd": tmp_path, "env": environment, "text": True}
            ran = subprocess.run(
                command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, **options
            )
            assert _comparable(ran.stdout) == _comparable(expected), command
