"""Whatever is asked for and whenever the power goes, every path holds what it held or what was asked for, whole."""

import errno
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.errors import Failure, InputOutput, InTheWay, Moved, NoRoom
from reconciler.core.host import Access, Files, FileType
from reconciler.durable import PREFIX, beside
from reconciler.host.files import HostFiles
from reconciler.host.simulated import PowerCut, SimulatedFiles, SimulatedHands, lose_all

PATHS = ("/a", "/b", "/d/a", "/d/b", "/e/a")
FOLDERS = ("/d", "/e", "/d/f")


@dataclass(frozen=True, slots=True)
class Ask:
    """One effect. `content` tells each write from all others."""

    verb: str
    path: str
    content: bytes = b""
    mode: int | None = None

    def __call__(self, files: Files) -> None:
        access = Access(mode=self.mode)
        match self.verb:
            case "write":
                half = len(self.content) // 2
                files.write(self.path, [self.content[:half], self.content[half:]], access)
            case "link":
                files.link(self.path, self.content.decode())
            case "make_directory":
                files.make_directory(self.path, access)
            case "set_access":
                files.set_access(self.path, access)
            case "remove":
                files.remove(self.path)
            case "remove_directory":
                files.remove_directory(self.path)
            case "settle":
                files.settle()


contents = st.integers(0, 10**6).map(lambda number: f"content {number} ".encode() * 3)
modes = st.sampled_from([None, 0o600, 0o644, 0o4755])
files_asked = st.builds(Ask, st.sampled_from(["write", "link", "remove"]), st.sampled_from(PATHS), contents, modes)
folders_asked = st.builds(
    Ask,
    st.sampled_from(["make_directory", "remove_directory"]),
    st.sampled_from(FOLDERS),
    mode=st.sampled_from([None, 0o700, 0o2770]),
)
access_asked = st.builds(Ask, st.just("set_access"), st.sampled_from(PATHS), mode=st.sampled_from([0o600, 0o4755]))
settles = st.just(Ask("settle", ""))
batches = st.lists(files_asked | files_asked | folders_asked | access_asked | settles, max_size=12)


def carry_out(files: SimulatedFiles, asks: list[Ask]) -> None:
    for ask in [*asks, Ask("settle", "")]:
        try:
            ask(files)
        except (InTheWay, Moved):  # a random batch asks for much that cannot be
            continue


def started(make: Callable[[], SimulatedFiles]) -> SimulatedFiles:
    files = make()
    for folder in FOLDERS[:2]:
        files.make_directory(folder, Access())
    for path in PATHS[:3]:
        files.write(path, [b"old " + path.encode()], Access(mode=0o640))
    files.settle()
    return files


@dataclass(slots=True)
class Allowed:
    """What a path may hold: said by what was there and what was asked for, whatever the order or the way."""

    contents: set[object]
    modes: set[object]
    absent: bool

    def allows(self, seen: dict[str, object] | None) -> bool:
        if seen is None:
            return self.absent
        return seen.get("content") in self.contents and seen["mode"] in self.modes


def allowed(before: dict[str, dict[str, object]], asks: list[Ask]) -> dict[str, Allowed]:
    may: dict[str, Allowed] = {}
    for path in (*PATHS, *FOLDERS):
        seen = before.get(path)
        may[path] = Allowed({seen.get("content")}, {seen["mode"]}, False) if seen else Allowed(set(), set(), True)
    for ask in asks:
        if ask.verb != "settle":
            each = may[ask.path]
            each.absent |= ask.verb.startswith("remove")
            each.contents |= {"write": {ask.content}, "link": {ask.content}, "make_directory": {None}}.get(
                ask.verb, set()
            )
            each.modes |= {"write": {0o644}, "link": {0o777}, "make_directory": {0o755}}.get(ask.verb, set())
            each.modes |= {ask.mode} - {None}
    return may


def violations(make: Callable[[], SimulatedFiles], asks: list[Ask], n: int, survive: float, seed: int) -> list[str]:
    """Paths that hold what they never held and were never asked to."""
    files = started(make)
    may = allowed(files.tree(), asks)
    files.power_off_after(n)
    try:
        carry_out(files, asks)
    except PowerCut:
        chance = random.Random(seed)
        files.reboot(round(files.unsynced * survive), lambda content: content[: chance.choice([0, 1, 7, len(content)])])
    after = files.tree()
    return [path for path, each in may.items() if not each.allows(after.get(path))]


cuts = {"n": st.integers(1, 60), "survive": st.floats(0, 1), "seed": st.integers(0, 2**16)}


@settings(max_examples=300, deadline=None)
@given(asks=batches, **cuts)
def test_every_path_holds_old_or_new_whole(asks: list[Ask], n: int, survive: float, seed: int) -> None:
    assert violations(SimulatedFiles, asks, n, survive, seed) == []


@settings(max_examples=200, deadline=None)
@given(asks=batches, **cuts)
def test_after_cleaning_nothing_is_left_beside(asks: list[Ask], n: int, survive: float, seed: int) -> None:
    files = started(SimulatedFiles)
    files.power_off_after(n)
    try:
        carry_out(files, asks)
    except PowerCut:
        files.reboot(round(files.unsynced * survive), lose_all)
    for path in PATHS + FOLDERS:
        files.clean(path)
    assert not [path for path in files.tree() if PREFIX in path]


@settings(max_examples=200, deadline=None)
@given(asks=batches)
def test_what_settled_survives_whatever_is_lost(asks: list[Ask]) -> None:
    files = started(SimulatedFiles)
    carry_out(files, asks)
    before = files.tree()
    files.reboot(0, lose_all)
    assert files.tree() == before


def test_every_cut_of_one_batch_and_every_survival() -> None:
    """Not a sample: all of them, for one batch that has a bit of everything."""
    asks = [
        Ask("make_directory", "/d/f", mode=0o700),
        Ask("write", "/a", b"new a"),
        Ask("write", "/d/b", b"new b", 0o600),
        Ask("link", "/b", b"a"),
        Ask("remove", "/d/a"),
        Ask("set_access", "/a", mode=0o600),
    ]
    cuts = list(every_cut(asks))
    assert len(cuts) > 100
    assert [cut for cut in cuts if cut.violations] == []


@dataclass(frozen=True, slots=True)
class Cut:
    n: int
    survive: int
    violations: list[str]


def every_cut(asks: list[Ask]) -> Iterator[Cut]:
    whole = started(SimulatedFiles)
    may, start = allowed(whole.tree(), asks), whole.events
    carry_out(whole, asks)
    for n in range(1, whole.events - start + 1):
        files = started(SimulatedFiles)
        unsynced = survive = 0
        while survive <= unsynced:
            files = started(SimulatedFiles)
            files.power_off_after(n)
            with pytest.raises(PowerCut):
                carry_out(files, asks)
            unsynced = files.unsynced
            files.reboot(survive)
            after = files.tree()
            yield Cut(n, survive, [path for path, each in may.items() if not each.allows(after.get(path))])
            survive += 1


class Forgetful(SimulatedHands):
    """A control: a batch that leaves out one sync must be found out, or the tests above cannot fail."""

    def __init__(self, files: SimulatedFiles, left_out: int) -> None:
        super().__init__(files._volume)
        self._left_out = left_out
        self._syncs = 0

    def sync(self) -> None:
        self._syncs += 1
        if self._syncs % 2 != self._left_out:
            super().sync()


def _mutant(left_out: int) -> SimulatedFiles:
    files = SimulatedFiles()
    files._hands = Forgetful(files, left_out)
    return files


def test_a_batch_without_its_first_sync_is_found_out() -> None:
    files = SimulatedFiles()
    files.write("/a", [b"old"], Access())
    files.settle()
    files._hands = Forgetful(files, 1)
    files.write("/a", [b"new"], Access())
    files.power_off_after(2)
    with pytest.raises(PowerCut):
        files.settle()
    files.reboot(files.unsynced)
    assert b"".join(files.read("/a")) == b""


def test_the_search_itself_finds_a_batch_without_its_first_sync() -> None:
    asks = [Ask("write", "/a", b"new content")]
    found = [n for n in range(1, 10) if violations(lambda: _mutant(1), asks, n, 1.0, seed=1)]
    assert found


def test_a_batch_without_its_last_sync_is_found_out() -> None:
    files = _mutant(0)
    files.write("/a", [b"new"], Access())
    files.settle()
    files.reboot()
    assert files.stat("/a") is None


@pytest.mark.parametrize(
    ("error", "means"), [(errno.ENOSPC, NoRoom), (errno.EIO, InputOutput), (errno.EROFS, InputOutput)]
)
def test_an_injected_fault_is_said_as_the_real_host_says_it(error: int, means: type[Exception]) -> None:
    for nth in range(1, 5):
        files = started(SimulatedFiles)
        files.fail_next(error, path="/a", nth=nth)
        with pytest.raises(means, match="cannot write /a: "):
            carry_out(files, [Ask("write", "/a", b"new")])
        files.settle()
        assert b"".join(files.read("/a")) == b"old /a"
        assert files.stat(beside("/a")) is None


def test_a_sync_that_fails_shows_nothing() -> None:
    files = started(SimulatedFiles)
    files.write("/a", [b"new"], Access())
    files.write("/b", [b"new"], Access())
    files.fail_next(errno.EIO)
    with pytest.raises(InputOutput, match="cannot bring to the disk /a, /b: input/output error"):
        files.settle()
    assert b"".join(files.read("/a")) == b"old /a"
    assert not [path for path in files.tree() if PREFIX in path]


def test_a_rename_that_fails_leaves_what_was_shown_and_drops_the_rest() -> None:
    files = started(SimulatedFiles)
    for path in ("/a", "/b", "/d/a"):
        files.write(path, [b"new"], Access())
    files.fail_next(errno.EIO, path="/b")
    with pytest.raises(InputOutput, match="cannot write /b: input/output error"):
        files.settle()
    files.settle()
    files.reboot()
    assert [b"".join(files.read(path)) for path in ("/a", "/b", "/d/a")] == [b"new", b"old /b", b"old /d/a"]
    assert not [path for path in files.tree() if PREFIX in path]


def test_with_the_power_off_nothing_can_be_seen_either() -> None:
    files = started(SimulatedFiles)
    files.power_off_after(1)
    for ask in (Ask("remove", "/a"), Ask("link", "/b", b"a"), Ask("write", "/b", b"1")):
        with pytest.raises(PowerCut):
            carry_out(files, [ask])
        with pytest.raises(PowerCut):
            files.stat("/a")


links = st.builds(
    Ask, st.just("link"), st.sampled_from([*PATHS, *FOLDERS]), st.sampled_from([b"/d", b"../e", b"..", b"a", b"/"])
)


@settings(max_examples=150, deadline=None)
@given(asks=st.lists(files_asked | folders_asked | access_asked | links | settles, max_size=14))
def test_a_real_file_system_ends_as_the_simulated_one_does(asks: list[Ask]) -> None:
    """The same refusals on the way, too; else what is shown here would say little about real devices."""
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        real = HostFiles(root, owners=False)
        simulated = SimulatedFiles()
        for ask in [*(Ask("make_directory", folder) for folder in FOLDERS[:2]), *asks, Ask("settle", "")]:
            assert _refused(ask, real) == _refused(ask, simulated), ask
        assert _seen(real) == _seen(simulated)


def _refused(ask: Ask, files: Files) -> str | None:
    try:
        ask(files)
    except Failure as failure:
        return str(failure)
    return None


def _seen(files: Files) -> list[object]:
    seen: list[object] = []
    for path in (*PATHS, *FOLDERS, "/d/d", "/e/d/a", "/d/f/e"):
        for follow in (False, True):
            try:
                found = files.stat(path, follow=follow)
            except Failure as failure:
                seen.append(type(failure))
                continue
            seen.append(found and (found.type, found.mode))
            if found and found.type is FileType.FILE and not follow:
                seen.append(b"".join(files.read(path)))
    return seen
