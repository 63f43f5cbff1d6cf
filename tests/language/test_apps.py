"""What an app stands for on a device: the release, the configuration, the units and the checks that it comes to."""

import shutil
import subprocess
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.desired import DRIFT_INTERVAL, App, Desired, Mode
from reconciler.core.errors import InvalidDocuments
from reconciler.core.identity import DeviceName, Digest, ResourceId
from reconciler.core.probe import Terms
from reconciler.core.quantity import Size
from reconciler.core.window import ALWAYS, WHOLE_DAY, Window, Windows
from reconciler.language.app import ServiceLimits
from reconciler.language.expand import Expansion, Facts, expand
from reconciler.language.explain import DEFAULT, OVERRIDDEN, SET, explain
from reconciler.language.load import load
from reconciler.language.render import render
from reconciler.language.unit_text import command_line, unit_text
from reconciler.language.validate import validate
from tests.language.trees import VOCABULARY, MemoryTree, device, expanded

SUM = "ab" * 32
HEAD = "apiVersion: reconciler/v1\nkind: App\nmetadata: {{name: {}}}\nspec:\n"

WEB = """\
  source: {files: {path: files/app}}
  services:
    web: {exec: ["{current}/bin/web", "--n=${device.name}", "{version}"], user: web, after: [db], env: {A: "1", B: x}}
    db: {source: files/db.service}
  config:
    path: /etc/web/config.json
    format: json
    mode: "0640"
    values: {port: 80, logging: {level: INFO, file: null}, url: "http://{host}/{version}"}
  health:
    startTimeout: 45s
    soak: 20s
    checks:
      front:
        {http: {url: "http://127.0.0.1/{version}", expectJson: {root: "{current}"}}, for: 5m, timeout: 2s, every: 10s}
"""
FILES = {"apps/web/files/app/bin/web": "#!/bin/sh\n", "apps/web/files/db.service": "[Service]\nExecStart=/bin/true\n"}
USE = '  apps:\n    web: {version: "1.2.0"}\n'


def app(spec: str = WEB, name: str = "web") -> dict[str, str]:
    return {f"apps/{name}/app.yaml": HEAD.format(name) + spec}


def repo(use: str = USE, spec: str = WEB, **more: str) -> dict[str, bytes | str]:
    return {"devices/pi.yaml": device(use), **app(spec), **FILES, **more}


def desired(files: dict[str, bytes | str], arch: str = "arm64", programs: frozenset[str] = frozenset()) -> Desired:
    return whole(files, arch, programs).desired


def whole(files: dict[str, bytes | str], arch: str = "arm64", programs: frozenset[str] = frozenset()) -> Expansion:
    tree = MemoryTree(files, programs=programs)
    return expand(load(tree, DeviceName("pi")), VOCABULARY, Facts(arch))


def sections(files: dict[str, bytes | str], arch: str = "arm64") -> dict[str, Any]:
    plain = whole(files, arch).unfolded.plain()
    return {key: plain.get(key, {}) for key in ("releases", "configs", "units")}


def problems(files: dict[str, bytes | str], arch: str = "arm64") -> list[str]:
    with pytest.raises(InvalidDocuments) as caught:
        whole(files, arch)
    return [str(problem) for problem in caught.value.problems]


def test_an_app_is_a_release_a_configuration_and_units() -> None:
    found = sections(repo())
    content = found["units"]["web.service"].pop("content")
    assert found == {
        "releases": {"/opt/web": {"version": "1.2.0", "files": "apps/web/files/app"}},
        "configs": {
            "/etc/web/config.json": {
                "format": "json",
                "mode": "0640",
                "values": {"port": 80, "logging": {"level": "INFO"}, "url": "http://{host}/{version}"},
            }
        },
        "units": {
            "db.service": {
                "source": "apps/web/files/db.service",
                "enabled": True,
                "running": True,
                "env": {},
                "after": [],
                "reads": ["release:/opt/web", "config:/etc/web/config.json"],
            },
            "web.service": {
                "enabled": True,
                "running": True,
                "env": {"A": "1", "B": "x"},
                "after": ["db.service"],
                "reads": ["release:/opt/web", "config:/etc/web/config.json"],
            },
        },
    }
    assert "ExecStart=/opt/web/current/bin/web --n=pi 1.2.0\nUser=web\n" in content


def test_what_an_app_makes_is_known_as_its_own_and_where_it_is_written() -> None:
    resources = desired(repo()).resources
    assert {str(id): (str(r.place), r.app) for id, r in resources.items() if r.app or id.kind != "directory"} == {
        "config:/etc/web/config.json": ("apps/web/app.yaml:10:11", "web"),
        "release:/opt/web": ("devices/pi.yaml:6:20", "web"),
        "unit:db.service": ("apps/web/app.yaml:8:5", "web"),
        "unit:web.service": ("apps/web/app.yaml:7:5", "web"),
    }
    assert resources[ResourceId("directory", "/opt")].app is None


def test_an_app_of_a_desired_state() -> None:
    found = desired(repo())
    release = ResourceId("release", "/opt/web")
    terms = Terms(timedelta(seconds=45), timedelta(seconds=20))
    assert found.apps == {"web": App("web", "1.2.0", release, ("db.service", "web.service"), terms)}
    assert [(c.name, c.probe, c.app) for c in found.checks] == [
        ("web/db", "unit", "web"),
        ("web/web", "unit", "web"),
        ("web/front", "http", "web"),
    ]
    front = found.checks[-1]
    assert front.entry.url == "http://127.0.0.1/1.2.0"
    assert front.entry.expect_json == {"root": "/opt/web/current"}
    assert (front.lasting, front.timeout, front.every) == tuple(map(_seconds, (300, 2, 10)))


def test_a_desired_state_with_apps_survives_json() -> None:
    windows = (
        "  windows: {apply: [{start: '02:00', duration: 1h, timezone: UTC}], deny: [{days: [sun], timezone: UTC}]}\n"
    )
    found = desired(repo(USE + windows + "  drift: {interval: 1m}\n"))
    assert Desired.from_json(found.to_json(), VOCABULARY.kinds, VOCABULARY.probes) == found


@pytest.mark.parametrize(
    ("own", "unit"),
    [
        ("", {"enabled": True, "running": True, "env": {"A": "1", "B": "x"}}),
        (", running: false", {"running": False, "enabled": True}),
        (", enabled: false", {"enabled": False, "running": True}),
        (", env: {B: '2', C: '3'}", {"env": {"A": "1", "B": "2", "C": "3"}}),
        (", updates: hold", {"reads": ["config:/etc/web/config.json"]}),
    ],
)
def test_what_a_device_says_of_an_app(own: str, unit: dict[str, Any]) -> None:
    found = sections(repo(f'  apps:\n    web: {{version: "1.2.0"{own}}}\n'))["units"]["web.service"]
    assert {key: found[key] for key in unit} == unit


def test_an_app_that_is_held_keeps_its_release_whatever_the_rules_say() -> None:
    rules = "  drift: {rules: {/opt/**: enforce, 'release:/opt/web': enforce}}\n"
    found = desired(repo('  apps: {web: {version: "1.2.0", updates: hold}}\n' + rules)).resources
    assert found[ResourceId("release", "/opt/web")].rule is Mode.OBSERVE
    assert found[ResourceId("unit", "web.service")].rule is Mode.ENFORCE
    assert not [need for need in found[ResourceId("unit", "web.service")].needs if need.kind == "release"]


@pytest.mark.parametrize(
    ("situation", "use", "more", "is_another"),
    [
        ("nothing changed", USE, {}, False),
        ("another version", USE.replace("1.2.0", "1.3.0"), {}, True),
        ("another file of the release", USE, {"apps/web/files/app/bin/web": "other"}, True),
        ("another configuration", USE.replace("}", ", config: {port: 81}}"), {}, True),
        ("another version of a release that is held", USE.replace('1.2.0"', '1.3.0", updates: hold'), {}, False),
    ],
)
def test_a_service_is_bound_to_what_it_is_started_with(
    situation: str, use: str, more: dict[str, str], is_another: bool
) -> None:
    spec = WEB.replace(', "{version}"]', "]")
    unit = ResourceId("unit", "web.service")
    before = USE.replace('0"}', '0", updates: hold}') if "held" in situation else USE
    stamps = [
        desired(files).resources[unit].state.to_json()["stamp"]
        for files in (repo(before, spec), repo(use, spec, **more))
    ]
    assert all(stamps)
    assert (stamps[0] != stamps[1]) == is_another, situation


def test_of_what_is_stopped_nothing_is_asked() -> None:
    assert desired(repo('  apps: {web: {version: "1.2.0", running: false}}\n')).checks == ()


def test_values_of_a_device_are_merged_onto_those_of_the_app() -> None:
    use = '  apps:\n    web:\n      version: "1.2.0"\n      config: {port: null, logging: {level: DEBUG}, more: [1]}\n'
    files = repo(use)
    key = "/etc/web/config.json"
    assert sections(files)["configs"][key]["values"] == {
        "logging": {"level": "DEBUG"},
        "url": "http://{host}/{version}",
        "more": [1],
    }
    told = explain(whole(files), f"spec.configs.{key}.values.logging.level")
    assert [(o.value, str(o.place), o.note) for o in told] == [
        ("DEBUG", "devices/pi.yaml:8:45", SET),
        ("INFO", "apps/web/app.yaml:13:41", OVERRIDDEN),
    ]


PLAIN = "  source: {files: {path: files/app}}\n"
MAIN = PLAIN + '  services: {%s: {exec: ["{current}/bin/web"]}}\n'


@pytest.mark.parametrize(
    ("situation", "use", "after", "first"),
    [
        ("the other app's services come first", '{a: {version: "1"}, b: {version: "1"}}', "[b]", ["b.service"]),
        ("it is not on this device", '{a: {version: "1"}}', "[b]", []),
        ("it is not to run", '{a: {version: "1"}, b: {version: "1", running: false}}', "[b]", []),
        ("nothing is said of it", '{a: {version: "1"}, b: {version: "1"}}', "[]", []),
    ],
)
def test_apps_start_after_others(situation: str, use: str, after: str, first: list[str]) -> None:
    files = {
        "devices/pi.yaml": device(f"  apps: {use}\n"),
        **app(MAIN % "a" + f"  after: {after}\n", "a"),
        **app(MAIN % "b", "b"),
        "files/app/bin/web": "x",
    }
    assert sections({**files})["units"]["a.service"]["after"] == first, situation


@pytest.mark.parametrize(
    ("there", "used"),
    [
        (("apps/web/files/app/x", "files/app/x"), "apps/web/files/app"),
        (("files/app/x",), "files/app"),
    ],
)
def test_a_path_is_looked_for_in_the_app_s_own_folder_first(there: tuple[str, ...], used: str) -> None:
    files = {"devices/pi.yaml": device(USE), **app(PLAIN), **dict.fromkeys(there, "x")}
    assert sections({**files})["releases"]["/opt/web"]["files"] == used


ARCHIVE = f"""\
  source:
    archive:
      url: "https://example.org/{{version}}/tool-${{device.arch}}.tar.gz"
      format: tar
      sha256: {{"1.2.0": {{arm64: {SUM}, armhf: {"cd" * 32}}}, "1.1.0": {"ef" * 32}}}
  root: /srv/tool
"""


@pytest.mark.parametrize(
    ("version", "arch", "url", "sum"),
    [
        ("1.2.0", "arm64", "https://example.org/1.2.0/tool-arm64.tar.gz", SUM),
        ("1.2.0", "armhf", "https://example.org/1.2.0/tool-armhf.tar.gz", "cd" * 32),
        ("1.1.0", "amd64", "https://example.org/1.1.0/tool-amd64.tar.gz", "ef" * 32),
    ],
)
def test_an_archive_for_this_version_and_machine(version: str, arch: str, url: str, sum: str) -> None:
    files = repo(f'  apps: {{web: {{version: "{version}"}}}}\n', ARCHIVE)
    assert sections(files, arch)["releases"] == {
        "/srv/tool": {"version": version, "archive": {"url": url, "format": "tar", "sha256": sum}}
    }
    found = desired(files, arch)
    assert found.remotes == {Digest(f"sha256:{sum}"): url}
    assert found.payloads == set(found.remotes)


def test_an_archive_that_is_not_for_this_machine_is_a_problem_of_this_machine_only() -> None:
    files = repo(USE, ARCHIVE)
    assert problems(files, "amd64") == [
        "devices/pi.yaml:6:20: apps/web/app.yaml has no sha256 of 1.2.0 for amd64 (known there: arm64, armhf)"
    ]
    assert validate(MemoryTree(files), VOCABULARY) == ()


def test_what_the_repo_holds_is_not_fetched() -> None:
    digest = Digest.of(b"tool")
    spec = f"  source: {{archive: {{path: 'tool-{{version}}', format: binary, sha256: {{'1.2.0': {digest.hex}}}}}}}\n"
    found = whole(repo(USE, spec, **{"apps/web/tool-1.2.0": "tool"}))
    assert found.desired.remotes == {}
    assert found.payload(digest) == b"tool"


def test_a_program_of_a_release_stays_executable() -> None:
    path = "apps/web/files/app/bin/web"
    plain, program = desired(repo(USE, PLAIN)), desired(repo(USE, PLAIN), programs=frozenset({path}))
    states = [one.resources[ResourceId("release", "/opt/web")].state.to_json() for one in (plain, program)]
    assert ["0755" in str(state) for state in states] == [False, True]
    assert plain.digest != program.digest


@pytest.mark.parametrize(
    ("situation", "spec", "more"),
    [
        ("the soak is longer", WEB.replace("soak: 20s", "soak: 21s"), {}),
        ("a check asks something else", WEB.replace("root:", "rood:"), {}),
        ("a check is asked more often", WEB.replace("every: 10s", "every: 9s"), {}),
        ("a value of the configuration", WEB.replace("port: 80", "port: 81"), {}),
        ("a file of the release", WEB, {"apps/web/files/app/bin/web": "other"}),
        ("a unit file", WEB, {"apps/web/files/db.service": "[Service]\n"}),
    ],
)
def test_the_digest_covers_all_that_an_app_comes_to(situation: str, spec: str, more: dict[str, str]) -> None:
    assert desired(repo()).digest != desired(repo(USE, spec, **more)).digest, situation


def test_how_an_app_is_written_is_no_matter_of_the_digest() -> None:
    assert desired(repo()).digest == desired(repo(USE, "  # here\n" + WEB.replace("soak: 20s", "soak:  20s"))).digest


def test_a_device_reads_no_app_of_another() -> None:
    tree = MemoryTree({**repo(USE, PLAIN), "apps/other/app.yaml": "a: ["})
    expand(load(tree, DeviceName("pi")), VOCABULARY, Facts("arm64"))
    assert "apps/other/app.yaml" not in tree.seen
    assert "apps/" not in tree.seen


def test_an_app_that_no_device_uses_may_be_there() -> None:
    assert validate(MemoryTree(repo("  mode: enforce\n")), VOCABULARY) == ()
    spec = WEB.replace("soak: 20s", "soak: '${device.labels.soak}'")
    assert validate(MemoryTree(repo("  mode: enforce\n", spec)), VOCABULARY) == ()


def test_every_device_s_own_words_are_filled_in() -> None:
    spec = MAIN % "web" + "  root: /srv/${device.name}\n"
    assert list(sections(repo(USE, spec))["releases"]) == ["/srv/pi"]


@pytest.mark.parametrize(
    ("situation", "files", "said"),
    [
        ("more files than fit", {f"apps/web/files/app/{i}": "" for i in range(5000)}, "has more than 5000 files"),
        ("a name of control characters", {"apps/web/files/app/a\x07": ""}, "has a name that cannot be printed"),
    ],
)
def test_a_folder_that_is_no_release(situation: str, files: dict[str, str], said: str) -> None:
    (problem,) = problems(repo(USE, PLAIN, **files))
    assert problem.startswith("apps/web/app.yaml:5:26: the "), situation
    assert said in problem


def test_a_link_in_a_release_is_a_mistake() -> None:
    tree = MemoryTree(repo(USE, PLAIN), frozenset({"apps/web/files/app/link"}))
    with pytest.raises(InvalidDocuments) as caught:
        expand(load(tree, DeviceName("pi")), VOCABULARY, Facts("arm64"))
    assert [str(problem) for problem in caught.value.problems] == [
        "apps/web/app.yaml:5:26: 'apps/web/files/app/link' is a link or a submodule (a release holds files only)"
    ]


def test_render_shows_apps_as_they_were_written() -> None:
    assert render(whole(repo())) == 'apps:\n  web:\n    version: "1.2.0"\n'


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("spec.apps.web.version", ("1.2.0", "devices/pi.yaml:6:20", SET)),
        ("spec.apps.web.running", (True, None, DEFAULT)),
        ("spec.apps.web.updates", ("enforce", None, DEFAULT)),
        ("spec.drift.interval", ("10m", None, DEFAULT)),
        ("spec.units.web.service.after[0]", ("db.service", "apps/web/app.yaml:7:86", SET)),
        ("spec.releases./opt/web.version", ("1.2.0", "devices/pi.yaml:6:20", SET)),
        ("spec.health.checks", ({}, None, DEFAULT)),
    ],
)
def test_where_a_value_of_an_app_comes_from(key: str, told: tuple[Any, str | None, str]) -> None:
    (origin,) = explain(whole(repo()), key)
    assert (origin.value, str(origin.place) if origin.place else None, origin.note) == told


def test_a_desired_state_without_apps_has_the_digest_that_it_always_had() -> None:
    plain = expanded({"devices/pi.yaml": device("  files: {/etc/motd: {content: x}}\n")}).desired
    assert (plain.apps, plain.checks, plain.windows, plain.drift_interval) == ({}, (), ALWAYS, DRIFT_INTERVAL)
    assert plain.digest.short == "sha256:bcbd00a22ed5"


CHECKED = "  health:\n    checks:\n      root: {disk: {path: /, warnPercent: 85, criticalPercent: 95}, for: 5m}\n"


def test_checks_of_a_device() -> None:
    (check,) = expanded({"devices/pi.yaml": device(CHECKED)}).desired.checks
    assert (check.name, check.probe, check.app, check.lasting) == ("root", "disk", None, timedelta(minutes=5))
    assert (check.timeout, check.every) == (timedelta(seconds=5), timedelta(seconds=60))
    assert (check.entry.path, check.entry.warn_percent) == ("/", 85)


@pytest.mark.parametrize(
    ("written", "window"),
    [
        (
            "{days: [sun, mon], start: '02:00', duration: 2h, timezone: Europe/Berlin}",
            Window("Europe/Berlin", ("sun", "mon"), time(2), timedelta(hours=2)),
        ),
        (
            "{dates: ['2026-12-20/2027-01-02'], timezone: UTC}",
            Window("UTC", (), time(0), WHOLE_DAY, ((date(2026, 12, 20), date(2027, 1, 2)),)),
        ),
        ("{days: [sat], timezone: UTC}", Window("UTC", ("sat",))),
        ("{start: '23:30', duration: 7d, timezone: UTC}", Window("UTC", (), time(23, 30), timedelta(days=7))),
    ],
)
def test_windows(written: str, window: Window) -> None:
    spec = f"  windows: {{apply: [{written}], deny: [{written}]}}\n  drift: {{interval: 1m}}\n"
    found = expanded({"devices/pi.yaml": device(spec)}).desired
    assert found.windows == Windows((window,), (window,))
    assert found.drift_interval == timedelta(minutes=1)


LIMITS = ServiceLimits(memoryMax="250MB", memoryHigh="200MB", cpuQuotaPercent=80, tasksMax=64)  # type: ignore[call-arg]

UNIT = """\
# Made by reconciler from the command that the app gives.
[Unit]
Description=ops of sensor-mcp
After=network.target

[Service]
Type=exec
ExecStart=/bin/true "--level=50%%" "a b" "$$HOME" "say \\"hi\\"\\n" ";"
User=sensor
Restart=on-failure
RestartSec=2
StateDirectory=sensor-mcp
LogsDirectory=sensor-mcp
RuntimeDirectory=ops
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
MemoryMax=250000000
MemoryHigh=200000000
CPUQuota=80%
TasksMax=64

[Install]
WantedBy=multi-user.target
"""
COMMAND = ("/bin/true", "--level=50%", "a b", "$HOME", 'say "hi"\n', ";")


def test_a_unit_that_may_do_little() -> None:
    assert Size(250_000_000) == LIMITS.memory_max
    assert unit_text("sensor-mcp", "ops", COMMAND, "sensor", LIMITS) == UNIT


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "ops.service").write_text(unit_text("sensor-mcp", "ops", COMMAND, "root", LIMITS))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / "ops.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=4))
def test_whatever_a_command_says_it_is_one_line(arguments: list[str]) -> None:
    line = command_line(["/bin/true", *arguments])
    assert line.isprintable()
    assert line.count("$") % 2 == line.count("%") % 2 == 0


def _seconds(number: int) -> timedelta:
    return timedelta(seconds=number)
