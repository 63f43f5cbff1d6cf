"""What holds for every probe: how it is found, and that what it is asked survives its journey."""

from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from reconciler.core.probe import Check, check_from_json, check_to_json
from reconciler.core.quantity import Size
from reconciler.language.model import model_of, revive
from reconciler.probes import discover
from reconciler.probes.disk import DiskEntry
from reconciler.probes.exec import ExecEntry
from reconciler.probes.http import HttpEntry
from reconciler.probes.memory import MemoryEntry
from reconciler.probes.service import ServiceEntry
from reconciler.probes.socket import SocketEntry
from reconciler.probes.tcp import TcpEntry
from reconciler.probes.temperature import TemperatureEntry
from reconciler.probes.tls import TlsEntry
from reconciler.probes.unit import UnitEntry

WRITTEN: list[tuple[str, dict[str, Any], Any]] = [
    ("http", {"url": "http://[::1]:8700/health?a=b"}, HttpEntry("http://[::1]:8700/health?a=b")),
    (
        "http",
        {"url": "https://h/", "expectStatus": 204, "expectJson": {"a": {"b": [1]}}, "warnLatency": "1s"},
        HttpEntry("https://h/", 204, {"a": {"b": [1]}}, timedelta(seconds=1)),
    ),
    ("tcp", {"port": 22}, TcpEntry(22, "127.0.0.1")),
    ("socket", {"path": "/run/app.sock"}, SocketEntry("/run/app.sock")),
    ("tls", {"host": "h.example", "warnBefore": "14d"}, TlsEntry("h.example", 443, timedelta(days=14))),
    ("exec", {"command": ["/bin/true"], "timeout": "5s"}, ExecEntry(("/bin/true",), 0, timedelta(seconds=5))),
    ("disk", {"path": "/", "warnPercent": 85, "criticalPercent": 95}, DiskEntry("/", 85, 95)),
    ("disk", {"path": "/", "criticalFree": "500MB"}, DiskEntry("/", critical_free=Size(500_000_000))),
    ("memory", {"warnPercent": 85, "criticalPercent": 95}, MemoryEntry(85, 95)),
    ("temperature", {"warnCelsius": 75, "criticalCelsius": 85.5}, TemperatureEntry(75, 85.5)),
    (
        "service",
        {"unit": "a.service", "warnMemory": "500MB", "criticalCpuPercent": 80},
        ServiceEntry("a.service", warn_memory=Size(500_000_000), critical_cpu_percent=80),
    ),
    ("unit", {"unit": "a.service"}, UnitEntry("a.service")),
]


def test_a_probe_is_called_as_its_file_is() -> None:
    folder = Path(__file__).parents[2] / "reconciler" / "probes"
    assert set(discover()) == {path.stem for path in folder.glob("*.py")} - {"__init__"}


def test_each_is_asked_in_these_tests() -> None:
    assert set(discover()) == {name for name, _, _ in WRITTEN}


@pytest.mark.parametrize(("name", "written", "entry"), WRITTEN)
def test_what_operators_write_is_understood(name: str, written: dict[str, Any], entry: Any) -> None:
    probe = discover()[name]
    found = revive(probe.entry, model_of(probe.entry).model_validate(written))
    assert found == entry
    probe.check(found)


@pytest.mark.parametrize(("name", "_written", "entry"), WRITTEN)
def test_a_check_survives_json(name: str, _written: dict[str, Any], entry: Any) -> None:
    check = Check("c", name, entry)
    assert check_from_json(check_to_json(check), discover()) == check


@pytest.mark.parametrize("name", sorted(discover()))
def test_a_docstring_says_what_an_entry_is(name: str) -> None:
    entry = discover()[name].entry
    assert not (entry.__doc__ or entry.__name__).startswith(entry.__name__)
    assert set(get_type_hints(entry)) == {field.name for field in fields(entry)}
