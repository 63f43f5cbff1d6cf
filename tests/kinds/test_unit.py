from dataclasses import replace

import pytest

from reconciler.core.errors import InTheWay
from reconciler.core.host import Access
from reconciler.core.identity import Digest, ResourceId
from reconciler.core.kind import Mistake
from reconciler.core.senses import STAMP
from reconciler.core.state import ABSENT, Occupied
from reconciler.host.simulated import PowerCut, SimulatedHost
from reconciler.kinds.config import ConfigState
from reconciler.kinds.file import FileState
from reconciler.kinds.unit import FOLDER, KIND, UnitEntry, UnitState, bind, declare, dropin_place
from tests.kinds.laws import Bytes, LawsOfAKind
from tests.kinds.test_file import Inline

NAME = "sensor.service"
OLD, NEW = "[Service]\nExecStart=/opt/sensor 1\n", "[Service]\nExecStart=/opt/sensor 2\n"
CONFIG = ResourceId("config", "/etc/sensor.yml")


class Kept(Inline):
    """Material that is kept."""

    def __init__(self, payloads: Bytes) -> None:
        self._payloads = payloads

    def inline(self, content: bytes) -> Digest:
        return self._payloads.put(content)


def wanted(payloads: Bytes, text: str | None = OLD, config: str = '{"a":1}', name: str = NAME, **said) -> UnitState:
    """As the language makes it: declared, then bound to what it needs."""
    entry = UnitEntry(content=text, **{"enabled": True, "running": True, **said})
    needed = {CONFIG: ConfigState("yaml", config, mode=0o640)}
    return bind(declare(name, entry, Kept(payloads)), needed)


class OfUnits(LawsOfAKind):
    kind = KIND
    name = NAME

    def folders(self) -> list[str]:
        return ["/etc", "/etc/systemd", FOLDER]

    def a(self, payloads: Bytes) -> UnitState:
        return wanted(payloads)

    def b(self, payloads: Bytes) -> UnitState:
        return wanted(payloads, NEW, env={"PORT": "8700"}, enabled=False, running=False)

    def look(self, host: SimulatedHost) -> UnitState:
        seen = KIND.observe(NAME, host)
        assert isinstance(seen, UnitState)
        return seen

    def calls(self, host: SimulatedHost) -> list[str]:
        """Since this was asked last."""
        calls = list(host.files.units.calls)
        host.files.units.calls.clear()
        return calls

    def package(self, host: SimulatedHost) -> None:
        """Has a unit of its own."""
        for folder in ("/usr", "/usr/lib", "/usr/lib/systemd", "/usr/lib/systemd/system"):
            host.files.make_directory(folder, Access())
        host.files.write(f"/usr/lib/systemd/system/{NAME}", [OLD.encode()], Access())
        host.files.settle()


class TestUnitThatRuns(OfUnits):
    def b(self, payloads: Bytes) -> UnitState:
        return wanted(payloads, NEW, env={"PORT": "8700"}, reads=(str(CONFIG),), after=("bus.service",))

    def test_twice_asks_nothing_of_the_manager(self, host: SimulatedHost, payloads: Bytes) -> None:
        self.bring(host, self.a(payloads))
        assert self.calls(host) == ["reload", f"enable {NAME}", f"start {NAME}"]
        self.bring(host, self.a(payloads))
        assert self.calls(host) == []

    def test_what_it_is_after_is_in_the_drop_in_and_restarts_nothing(
        self, host: SimulatedHost, payloads: Bytes
    ) -> None:
        self.bring(host, self.a(payloads))
        before, _ = self.look(host), self.calls(host)
        self.bring(host, wanted(payloads, after=("z.service", "bus.service")))
        text = b"".join(host.files.read(dropin_place(NAME))).decode()
        assert "[Unit]\nAfter=bus.service z.service\nWants=bus.service z.service\n" in text
        assert self.calls(host) == ["reload"]
        assert self.look(host).stamp == before.stamp

    def test_a_drop_in_of_somebody_else_stays(self, host: SimulatedHost, payloads: Bytes) -> None:
        self.bring(host, self.a(payloads))
        theirs = f"{FOLDER}/{NAME}.d/10-admin.conf"
        host.files.write(theirs, [b"[Service]\nNice=5\n"], Access())
        host.files.settle()
        self.bring(host, ABSENT)
        assert host.files.stat(theirs) is not None
        assert KIND.observe(NAME, host) == ABSENT

    def test_what_an_interrupted_effect_left_beside_the_drop_in_goes(
        self, host: SimulatedHost, payloads: Bytes
    ) -> None:
        before = host.files.tree()
        host.files.make_directory(f"{FOLDER}/{NAME}.d", Access())
        host.files.settle()
        host.files.write(dropin_place(NAME), [b"half"], Access())
        host.files.restart()
        self.bring(host, wanted(payloads, None, enabled=None, running=None))
        assert host.files.tree() == before

    def test_it_needs_its_folder_what_it_follows_and_what_it_reads(self, host: SimulatedHost, payloads: Bytes) -> None:
        state = self.b(payloads)
        folder, bus = ResourceId("directory", FOLDER), ResourceId("unit", "bus.service")
        assert KIND.needs(NAME, state) == (folder, bus, CONFIG)
        self.bring(host, state)
        assert KIND.needs(NAME, KIND.observe(NAME, host)) == (folder, bus, CONFIG)
        assert KIND.needs(NAME, ABSENT) == (folder,)

    def test_a_directory_is_in_the_way(self, host: SimulatedHost, payloads: Bytes) -> None:
        host.files.make_directory(f"{FOLDER}/{NAME}", Access())
        host.files.settle()
        assert KIND.observe(NAME, host) == Occupied("directory")
        with pytest.raises(InTheWay):
            KIND.apply(NAME, self.a(payloads), host)


class TestUnitThatComesAndGoes(OfUnits):
    """It runs in one state, and not in the other."""

    def test_still_stops_it_and_leaves_its_files(self, host: SimulatedHost, payloads: Bytes) -> None:
        self.bring(host, self.a(payloads))
        tree = host.files.tree()
        KIND.still(NAME, host)
        assert host.files.tree() == tree
        assert not host.units.look(NAME).running


class TestTimer(LawsOfAKind):
    """It has no processes, hence no stamp."""

    kind = KIND
    name = "backup.timer"

    def folders(self) -> list[str]:
        return ["/etc", "/etc/systemd", FOLDER]

    def a(self, payloads: Bytes) -> UnitState:
        return wanted(payloads, "[Timer]\nOnCalendar=daily\n", name=self.name)

    def b(self, payloads: Bytes) -> UnitState:
        return wanted(payloads, "[Timer]\nOnCalendar=weekly\n", name=self.name, after=("bus.service",))

    def test_it_has_no_drop_in_of_ours_and_is_begun_anew_when_it_changes(
        self, host: SimulatedHost, payloads: Bytes
    ) -> None:
        self.bring(host, self.a(payloads))
        assert host.files.stat(f"{FOLDER}/{self.name}.d") is None
        host.files.units.calls.clear()
        self.bring(host, wanted(payloads, "[Timer]\nOnCalendar=weekly\n", name=self.name))
        assert host.files.units.calls == ["reload", f"restart {self.name}"]


class TestSituations(OfUnits):
    def test_a_config_that_it_reads_changes_and_it_is_restarted(self, host: SimulatedHost, payloads: Bytes) -> None:
        reads = (str(CONFIG),)
        self.bring(host, wanted(payloads, reads=reads))
        before, _ = self.look(host), self.calls(host)
        other = wanted(payloads, config='{"a":2}', reads=reads)
        assert {drift.field for drift in KIND.diff(other, before)} == {"dropin", "started with"}
        self.bring(host, other)
        assert self.calls(host) == ["reload", f"restart {NAME}"]
        assert self.look(host).stamp == other.stamp

    def test_a_config_that_it_does_not_read_changes(self, payloads: Bytes) -> None:
        assert wanted(payloads, config='{"a":2}') == wanted(payloads)

    def test_who_may_read_a_file_is_not_what_it_is_started_with(self, payloads: Bytes) -> None:
        declared = declare(NAME, UnitEntry(content=OLD, reads=("/etc/key",)), Kept(payloads))
        file = FileState(Digest.of(b"x"), 0o600, "root", "root")
        key = ResourceId("file", "/etc/key")
        assert bind(declared, {key: file}) == bind(declared, {key: replace(file, mode=0o640, group="app")})
        assert bind(declared, {key: file}) != bind(declared, {key: replace(file, content=Digest.of(b"y"))})

    def test_a_release_that_it_needs_is_what_it_is_started_with(self, payloads: Bytes) -> None:
        declared = declare(NAME, UnitEntry(content=OLD), Kept(payloads))
        release = ResourceId("release", "/opt/sensor")
        old, new = (bind(declared, {release: FileState(Digest.of(content))}) for content in (b"1", b"2"))
        assert old.stamp != new.stamp

    def test_the_power_fails_between_the_new_files_and_the_restart(self, host: SimulatedHost, payloads: Bytes) -> None:
        """Nobody remembers that a restart was due; what runs tells it."""
        self.bring(host, self.a(payloads))
        other = wanted(payloads, env={"A": "1"})
        host.files.write(dropin_place(NAME), [other.dropin.encode()], Access())
        host.files.settle()
        (drift,) = KIND.diff(other, self.look(host))
        assert drift.field == "started with"
        self.calls(host)
        self.bring(host, other)
        assert self.calls(host) == ["reload", f"restart {NAME}"]

    def test_somebody_stops_it_and_it_is_started(self, host: SimulatedHost, payloads: Bytes) -> None:
        state = self.a(payloads)
        self.bring(host, state)
        host.units.stop(NAME)
        (drift,) = KIND.diff(state, self.look(host))
        assert str(drift) == "running: False → True"
        self.bring(host, state)
        assert self.look(host).running

    def test_somebody_starts_what_should_not_run(self, host: SimulatedHost, payloads: Bytes) -> None:
        state = self.b(payloads)
        self.bring(host, state)
        host.units.start(NAME)
        self.bring(host, state)
        assert not self.look(host).running

    def test_whether_it_runs_may_be_nobodys_business(self, host: SimulatedHost, payloads: Bytes) -> None:
        state = wanted(payloads, running=None, enabled=None)
        self.bring(host, state)
        assert not self.look(host).running
        host.units.start(NAME)
        assert KIND.diff(state, self.look(host)) == ()
        changed = wanted(payloads, NEW, running=None, enabled=None)
        self.bring(host, changed)
        assert self.look(host).stamp == changed.stamp, "what runs is to run with what is desired"

    def test_an_adopted_unit_runs_without_our_stamp_and_comes_back_so(
        self, host: SimulatedHost, payloads: Bytes
    ) -> None:
        host.files.write(f"{FOLDER}/{NAME}", [OLD.encode()], Access(0o600))
        host.files.settle()
        host.units.enable(NAME)
        host.units.start(NAME)
        before, tree = self.look(host), host.files.tree()
        assert (before.stamp, before.dropin) == ("", "")
        self.bring(host, self.a(payloads))
        assert self.look(host).stamp == self.a(payloads).stamp
        self.bring(host, before)
        assert self.look(host) == before
        assert host.files.tree() == tree

    def test_taking_back_restores_the_stamp_of_what_ran(self, host: SimulatedHost, payloads: Bytes) -> None:
        self.bring(host, self.a(payloads))
        before = self.look(host)
        self.bring(host, wanted(payloads, NEW, env={"A": "1"}))
        assert KIND.diff(before, self.look(host)) != ()
        self.bring(host, before)
        assert self.look(host) == before

    def test_what_was_not_restarted_yet_runs_on_when_it_is_taken_back(
        self, host: SimulatedHost, payloads: Bytes
    ) -> None:
        self.bring(host, self.a(payloads))
        before, running = self.look(host), host.units.look(NAME)
        payloads.put(OLD.encode())
        host.files.write(f"{FOLDER}/{NAME}", [NEW.encode()], Access())
        host.files.settle()
        self.bring(host, before)
        assert host.units.look(NAME) == running

    @pytest.mark.parametrize("survive", [0, 1, 100])
    @pytest.mark.parametrize("back", [False, True])
    def test_the_power_fails_at_any_moment(self, payloads: Bytes, survive: int, back: bool) -> None:
        """Gone on with, or taken back: the same files, the same service, and nothing left beside them.

        But for an empty folder that was being made ready when all was taken back: it waits for the next drop-in.
        """
        ends = {back: self._device(payloads) for back in (False, True)}
        self.bring(ends[False], wanted(payloads, NEW, env={"A": "1"}))
        for event in range(1, 100):
            host = self._device(payloads)
            before = self.look(host)
            host.files.power_off_after(event)
            try:
                self.bring(host, wanted(payloads, NEW, env={"A": "1"}))
                break
            except PowerCut:
                host.files.reboot(survive, lambda content: content)
            for path in KIND.touches(NAME):
                host.files.clean(path)
            self.bring(host, before if back else wanted(payloads, NEW, env={"A": "1"}))
            assert host.files.tree() == ends[back].files.tree(), event
            assert self.look(host) == self.look(ends[back]), event
        assert event > 5

    def _device(self, payloads: Bytes) -> SimulatedHost:
        """On which it runs, adopted."""
        host = SimulatedHost(payloads)
        for folder in self.folders():
            host.files.make_directory(folder, Access())
        host.files.write(f"{FOLDER}/{NAME}", [OLD.encode()], Access())
        payloads.put(OLD.encode())
        host.files.settle()
        host.units.enable(NAME)
        host.units.start(NAME)
        return host

    def test_what_ran_with_other_things_than_its_files_said_comes_back_with_its_files(
        self, host: SimulatedHost, payloads: Bytes
    ) -> None:
        self.bring(host, self.a(payloads))
        newer = wanted(payloads, env={"A": "1"})
        host.files.write(dropin_place(NAME), [newer.dropin.encode()], Access())
        host.files.settle()
        before = self.look(host)
        assert before.stamp == self.a(payloads).stamp != newer.stamp
        assert KIND.diff(before, self.look(host)) == ()
        self.bring(host, wanted(payloads, NEW))
        self.bring(host, before)
        assert KIND.diff(before, self.look(host)) == ()
        assert self.look(host).stamp == newer.stamp

    def test_a_package_has_the_unit_and_only_its_running_is_managed(self, host: SimulatedHost, payloads: Bytes) -> None:
        self.package(host)
        tree, state = host.files.tree(), wanted(payloads, None, enabled=None)
        self.bring(host, state)
        assert host.files.tree() == tree
        assert KIND.diff(state, self.look(host)) == ()
        self.calls(host)
        self.bring(host, state)
        assert self.calls(host) == []

    def test_a_unit_of_ours_hides_that_of_a_package_until_it_is_taken_back(
        self, host: SimulatedHost, payloads: Bytes
    ) -> None:
        self.package(host)
        host.units.start(NAME)
        before, tree = self.look(host), host.files.tree()
        self.bring(host, wanted(payloads, NEW, enabled=False))
        self.bring(host, before)
        assert host.files.tree() == tree
        assert self.look(host) == before

    def test_what_is_nowhere_and_should_do_nothing_is_no_drift(self, host: SimulatedHost, payloads: Bytes) -> None:
        state = wanted(payloads, None, enabled=False, running=False)
        assert KIND.diff(state, KIND.observe(NAME, host)) == ()
        assert KIND.diff(wanted(payloads, None), KIND.observe(NAME, host)) != ()

    def test_who_edits_the_unit_may_have_restarted_it_so_we_do(self, host: SimulatedHost, payloads: Bytes) -> None:
        self.bring(host, self.a(payloads))
        host.files.write(f"{FOLDER}/{NAME}", [NEW.encode()], Access())
        host.files.settle()
        self.calls(host)
        self.bring(host, self.a(payloads))
        assert self.calls(host) == ["reload", f"restart {NAME}"]

    def test_a_reboot_starts_what_is_enabled_with_what_is_desired(self, host: SimulatedHost, payloads: Bytes) -> None:
        state = wanted(payloads, running=None)
        self.bring(host, state)
        host.files.reboot()
        assert self.look(host).running
        assert KIND.diff(state, self.look(host)) == ()

    def test_what_is_given_up_is_given_another_chance(self, host: SimulatedHost, payloads: Bytes) -> None:
        host.files.units.fails_to_start.add(self.a(payloads).stamp)
        self.bring(host, self.a(payloads))
        assert host.units.look(NAME).failed
        assert not self.look(host).running
        host.files.units.fails_to_start.clear()
        self.bring(host, self.a(payloads))
        assert self.look(host).running

    def test_a_variable_is_quoted_as_systemd_reads_it(self, payloads: Bytes) -> None:
        state = wanted(payloads, env={"B": 'say "50%"\n\tc:\\x', "A": "$HOME"})
        assert '[Service]\nEnvironment="A=$HOME"\nEnvironment="B=say \\"50%%\\"\\n\\tc:\\\\x"\n' in state.dropin
        assert state.dropin.endswith(f"\nEnvironment={STAMP}={state.stamp}\n")

    def test_a_drop_in_that_somebody_spoilt_is_drift_and_no_more(self, host: SimulatedHost, payloads: Bytes) -> None:
        state = wanted(payloads, reads=(str(CONFIG),))
        self.bring(host, state)
        host.files.write(dropin_place(NAME), [b"[Unit]\nX-Reconciler-Reads=[3, \xff\nAfter=\n"], Access())
        host.files.settle()
        seen = self.look(host)
        assert (seen.reads, seen.after) == ((), ())
        assert [drift.field for drift in KIND.diff(state, seen)] == ["dropin"]
        self.bring(host, state)
        assert KIND.diff(state, self.look(host)) == ()


@pytest.mark.parametrize(
    ("name", "entry", "says"),
    [
        ("sensor", UnitEntry(content=""), "no name of a service"),
        ("../x.service", UnitEntry(content=""), "no name of a service"),
        ("a" * 300 + ".service", UnitEntry(content=""), "no name of a service"),
        ("swap.mount", UnitEntry(content=""), "no name of a service"),
        (NAME, UnitEntry(content="", source="a"), "not from both"),
        (NAME, UnitEntry(source="a"), "there is no a"),
        (NAME, UnitEntry(after=("bus",)), "no name of a service"),
        (NAME, UnitEntry(reads=("motd",)), "not a resource id"),
        (NAME, UnitEntry(env={"A-B": "1"}), "cannot be the name of a variable"),
        (NAME, UnitEntry(env={STAMP: "1"}), "cannot be the name of a variable"),
        (NAME, UnitEntry(env={"A": "\x1b"}), "without control characters"),
        ("x.timer", UnitEntry(content="", env={"A": "1"}), "only a service is started with"),
        ("x.timer", UnitEntry(content="", reads=("/etc/motd",)), "only a service is started with"),
    ],
)
def test_what_cannot_be_is_a_mistake(name: str, entry: UnitEntry, says: str) -> None:
    with pytest.raises(Mistake, match=says):
        declare(name, entry, Inline())
