"""Disk, memory, temperature, a service: what is measured, and from where on it is amiss."""

from datetime import timedelta

import pytest

from reconciler.core.errors import Moved, NotFound, NotSupported
from reconciler.core.kind import Mistake
from reconciler.core.probe import Health, Verdict
from reconciler.core.quantity import Size
from reconciler.core.senses import Load, Room, UnitStat
from reconciler.probes import disk, memory, service, temperature
from reconciler.probes.disk import DiskEntry
from reconciler.probes.memory import MemoryEntry
from reconciler.probes.service import ServiceEntry
from reconciler.probes.temperature import TemperatureEntry
from tests.probes.views import Device

MB = 1_000_000
UNIT = "sensor-mcp.service"


def running(invocation: str = "a", pid: int = 7) -> UnitStat:
    return UnitStat(running=True, failed=False, enabled=True, invocation=invocation, pid=pid)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Device:
    """A unit that runs, under a name of the test's own: what was seen of it last is kept by name."""
    device = Device()
    device.units.known[request.node.name] = running()
    device.senses.loads[7] = Load(300 * MB, 100.0)
    return device


@pytest.fixture
def unit(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


@pytest.mark.parametrize(
    ("used", "health", "message"),
    [
        (84.9, Health.OK, "/ is 84.9 % full, 151 MB are free"),
        (85, Health.WARNING, "/ is 85.0 % full (warning from 85 %), 150 MB are free"),
        (91.2, Health.CRITICAL, "/ is 91.2 % full (critical from 90 %), 88 MB are free"),
    ],
)
def test_a_disk_fills(used: float, health: Health, message: str) -> None:
    device = Device()
    device.senses.disks["/"] = Room(1000 * MB, round(1000 * MB * (1 - used / 100)))
    verdict = device.ask(disk.PROBE, DiskEntry("/", 85, 90))
    assert (verdict.health, verdict.message) == (health, message)
    assert verdict.value == pytest.approx(used)


def test_a_small_disk_has_little_free_long_before_it_is_full() -> None:
    device = Device()
    device.senses.disks["/boot"] = Room(200 * MB, 90 * MB)
    verdict = device.ask(disk.PROBE, DiskEntry("/boot", 85, 95, warn_free=Size(100 * MB)))
    assert verdict.health is Health.WARNING
    assert verdict.message == "/boot is 55.0 % full, 90 MB are free (warning below 100 MB)"


def test_a_disk_that_is_not_there() -> None:
    with pytest.raises(NotFound):
        Device().ask(disk.PROBE, DiskEntry("/mnt/usb", 85))


def test_memory_runs_out() -> None:
    device = Device()
    device.senses.room = Room(4_000 * MB, 200 * MB)
    verdict = device.ask(memory.PROBE, MemoryEntry(85, 95))
    assert verdict == Verdict(Health.CRITICAL, "95.0 % of 4 GB of memory are in use (critical from 95 %)", 95.0)
    assert device.ask(memory.PROBE, MemoryEntry(96)).health is Health.OK


def test_it_is_hot() -> None:
    device = Device()
    device.senses.celsius = 78.25
    verdict = device.ask(temperature.PROBE, TemperatureEntry(75, 85))
    assert verdict == Verdict(Health.WARNING, "the hottest sensor is at 78.2 °C (warning from 75 °C)", 78.25)


def test_without_a_sensor_nobody_knows() -> None:
    with pytest.raises(NotSupported):
        Device().ask(temperature.PROBE, TemperatureEntry(75))


def test_a_service_grows(device: Device, unit: str) -> None:
    verdict = device.ask(service.PROBE, ServiceEntry(unit, Size(250 * MB), Size(500 * MB)))
    assert verdict.health is Health.WARNING
    assert verdict.message == f"{unit} uses 300 MB of memory (warning from 250 MB)"
    assert verdict.value == 300 * MB


def test_a_service_is_looked_at_for_the_first_time(device: Device, unit: str) -> None:
    device.senses.busy[7] = 0.9
    verdict = device.ask(service.PROBE, ServiceEntry(unit, critical_cpu_percent=80))
    assert verdict.health is Health.CRITICAL
    assert verdict.message == f"{unit} uses 300 MB of memory, 90.0 % of a core (critical from 80 %)"
    assert device.senses.seconds == pytest.approx(60.2)


def test_a_service_was_busy_since_the_last_look(device: Device, unit: str) -> None:
    device.ask(service.PROBE, ServiceEntry(unit, warn_cpu_percent=80))
    device.senses.busy[7] = 1.5
    device.senses.pause(timedelta(seconds=60))
    before = device.senses.seconds
    assert "150.0 % of a core (warning" in device.ask(service.PROBE, ServiceEntry(unit, warn_cpu_percent=80)).message
    assert device.senses.seconds == before, "it paused, which it need not"


def test_a_service_has_started_anew_since_the_last_look(device: Device, unit: str) -> None:
    device.ask(service.PROBE, ServiceEntry(unit, warn_cpu_percent=80))
    device.senses.pause(timedelta(seconds=60))
    device.units.known[unit] = running("b", 8)
    device.senses.loads[8] = Load(1, 0.0)
    assert " 0.0 % of a core" in device.ask(service.PROBE, ServiceEntry(unit, warn_cpu_percent=80)).message


def test_two_checks_look_at_one_service_at_once(device: Device, unit: str) -> None:
    device.senses.busy[7] = 0.5
    for _ in range(2):
        assert " 50.0 % of a core" in device.ask(service.PROBE, ServiceEntry(unit, warn_cpu_percent=80)).message


def test_a_service_does_not_run() -> None:
    device = Device()
    assert device.ask(service.PROBE, ServiceEntry(UNIT, Size(1))) == Verdict(Health.CRITICAL, f"{UNIT} does not run")
    device.units.known[UNIT] = UnitStat(running=False, failed=True, enabled=True)
    assert device.ask(service.PROBE, ServiceEntry(UNIT, Size(1))) == Verdict(Health.CRITICAL, f"{UNIT} has failed")


def test_a_service_ends_while_it_is_looked_at() -> None:
    device = Device()
    device.units.known[UNIT] = running(pid=9)
    with pytest.raises(Moved):
        device.ask(service.PROBE, ServiceEntry(UNIT, Size(1)))


@pytest.mark.parametrize(
    ("check", "entry", "keys"),
    [
        pytest.param(disk.check, DiskEntry("/"), (), id="a disk without a bound"),
        pytest.param(disk.check, DiskEntry("var", 85), ("path",), id="a path that is not absolute"),
        pytest.param(disk.check, DiskEntry("/", 101), ("warnPercent",), id="more than all"),
        pytest.param(disk.check, DiskEntry("/", 90, 80), ("warnPercent",), id="a warning that comes too late"),
        pytest.param(disk.check, DiskEntry("/", None, None, Size(1), Size(2)), ("warnFree",), id="too late, when free"),
        pytest.param(memory.check, MemoryEntry(), (), id="memory without a bound"),
        pytest.param(memory.check, MemoryEntry(None, -1), ("criticalPercent",), id="less than nothing"),
        pytest.param(temperature.check, TemperatureEntry(), (), id="a temperature without a bound"),
        pytest.param(temperature.check, TemperatureEntry(90, 80), ("warnCelsius",), id="too late, when hot"),
        pytest.param(service.check, ServiceEntry(UNIT), (), id="a service without a bound"),
        pytest.param(service.check, ServiceEntry("", Size(1)), ("unit",), id="a service without a name"),
    ],
)
def test_a_mistake(check: object, entry: object, keys: tuple[str, ...]) -> None:
    assert callable(check)
    with pytest.raises(Mistake) as mistake:
        check(entry)
    assert mistake.value.keys == keys
