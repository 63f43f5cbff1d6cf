"""A tree is wholly there or not at all, and what is not as its manifest says is told: on both hosts, at any moment."""

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.core.errors import CorruptStore, Failure, HostileSource, InTheWay, NoRoom
from reconciler.core.host import Access, Leaf, Trees
from reconciler.core.identity import Digest
from reconciler.durable import PREFIX
from reconciler.host.looks import Looks
from reconciler.host.manifest import NAME, Content, Link, Manifest
from reconciler.host.simulated import PowerCut, SimulatedFiles, SimulatedHands, SimulatedHost, lose_all
from reconciler.host.trees import HostTrees, real_trees
from tests.host.test_ext4_power_cut import DROP_JOURNAL, KEEP_JOURNAL, CutHands, Disk, disk
from tests.kinds.laws import Bytes

__all__ = ["disk"]

needs_disk = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mkfs.ext4"), reason="not run: needs root and mkfs.ext4"
)
PLACE = "/opt/app/releases/1.0"
ONE, TWO = Digest.of(b"one"), Digest.of(b"two")


class Both:
    """A host of either sort, with the folder that trees lie in."""

    def __init__(self, trees: Trees, payloads: Bytes, read: Callable[[], dict[str, tuple[str, int, bytes]]]) -> None:
        self.trees, self.payloads, self.read = trees, payloads, read

    def leaves(self, **more: bytes) -> list[Leaf]:
        contents = {"bin/run": b"#!/bin/sh\n", "lib/a/b.txt": b"b" * 1000, "empty": b"", **more}
        modes = {"bin/run": 0o4775}
        return [Leaf(path, modes.get(path, 0o664), self.payloads.put(data)) for path, data in contents.items()]

    def plant(self, source: Digest = ONE, **more: bytes) -> None:
        self.trees.plant(PLACE, source, self.leaves(**more))


@pytest.fixture(params=["real", "simulated"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Both:
    payloads = Bytes()
    if request.param == "real":
        (tmp_path / "opt/app/releases").mkdir(parents=True)
        return Both(real_trees(str(tmp_path), payloads), payloads, lambda: real_tree(tmp_path / "opt/app/releases"))
    host = simulated(payloads)
    return Both(host.trees, payloads, lambda: simulated_tree(host.files))


def simulated(payloads: Bytes) -> SimulatedHost:
    host = SimulatedHost(payloads)
    for folder in ("/opt", "/opt/app", "/opt/app/releases"):
        host.files.make_directory(folder, Access())
    host.files.settle()
    return host


def real_tree(top: Path) -> dict[str, tuple[str, int, bytes]]:
    found = {}
    for path in sorted(top.rglob("*")):
        seen = path.lstat()
        sort = "link" if path.is_symlink() else "file" if path.is_file() else "directory"
        content = os.readlink(path).encode() if sort == "link" else path.read_bytes() if sort == "file" else b""
        found[str(path.relative_to(top))] = (sort, stat.S_IMODE(seen.st_mode), content)
    return found


def simulated_tree(files: SimulatedFiles) -> dict[str, tuple[str, int, bytes]]:
    top = "/opt/app/releases/"
    return {
        path.removeprefix(top): (str(each["type"]), int(str(each["mode"])), bytes(each.get("content", b"")))  # type: ignore[call-overload]
        for path, each in files.tree().items()
        if path.startswith(top)
    }


def test_a_tree_is_its_leaves_and_a_manifest(both: Both) -> None:
    both.plant()
    tree = both.read()
    manifest = json.loads(tree.pop(f"1.0/{NAME}")[2])
    assert tree == {
        "1.0": ("directory", 0o755, b""),
        "1.0/bin": ("directory", 0o755, b""),
        "1.0/bin/run": ("file", 0o755, b"#!/bin/sh\n"),
        "1.0/empty": ("file", 0o644, b""),
        "1.0/lib": ("directory", 0o755, b""),
        "1.0/lib/a": ("directory", 0o755, b""),
        "1.0/lib/a/b.txt": ("file", 0o644, b"b" * 1000),
    }
    assert manifest["format"] == 1
    assert manifest["source"] == str(ONE)
    assert manifest["files"]["bin/run"] == {"mode": "0755", "sha256": Digest.of(b"#!/bin/sh\n").hex, "size": 10}
    assert both.trees.source(PLACE) == ONE
    assert both.trees.damage(PLACE, thorough=True) is None
    assert both.trees.names(PLACE) == (NAME, "bin", "empty", "lib")
    assert both.trees.names("/opt/app/releases") == ("1.0",)


def test_where_there_is_no_tree_there_is_nothing_to_see(both: Both) -> None:
    assert both.trees.names(PLACE) == ()
    assert both.trees.source(PLACE) is None
    assert both.trees.damage(PLACE) == "it is missing"
    both.trees.remove(PLACE)


def test_another_takes_its_place(both: Both) -> None:
    both.plant(more=b"more")
    both.plant(TWO)
    assert both.trees.source(PLACE) == TWO
    assert both.trees.damage(PLACE, thorough=True) is None
    assert "1.0/more" not in both.read()
    assert both.trees.names("/opt/app/releases") == ("1.0",)


def test_a_tree_goes_with_all_that_lies_in_it(both: Both) -> None:
    both.plant()
    both.trees.remove(PLACE)
    assert both.read() == {}


def test_a_payload_that_is_damaged_makes_no_tree(both: Both) -> None:
    leaves = both.leaves()
    both.payloads.known[leaves[1].content] = b"other"
    with pytest.raises(CorruptStore, match="its bytes are damaged"):
        both.trees.plant(PLACE, ONE, leaves)
    assert both.read() == {}


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/etc/passwd", "absolute"),
        ("a/../../b", "not normal"),
        ("a//b", "not normal"),
        ("./a", "not normal"),
        ("a\nb", "cannot be shown"),
        ("x" * 256, "too long"),
        ("/".join("x" * 101), "too long"),
        (NAME, "name of our manifest"),
        ("bin/run", "there twice"),
        ("bin", "there twice"),
    ],
)
def test_a_leaf_that_cannot_be_makes_no_tree(both: Both, path: str, says: str) -> None:
    leaves = [*both.leaves(), Leaf(path, 0o644, both.payloads.put(b""))]
    with pytest.raises(HostileSource, match=says):
        both.trees.plant(PLACE, ONE, leaves)
    assert both.read() == {}


def change(path: Path, verb: str) -> None:
    match verb:
        case "flip a bit":
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        case "remove":
            path.unlink()
        case "cut":
            path.write_bytes(b"")
        case "make":
            path.write_bytes(b"x")
        case "make a folder":
            path.mkdir()
        case "open to all":
            path.chmod(0o777)
        case "link elsewhere":
            path.unlink()
            path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("verb", "path", "says"),
    [
        ("flip a bit", "lib/a/b.txt", "lib/a/b.txt has another content"),
        ("cut", "lib/a/b.txt", "lib/a/b.txt has 0 bytes, not 1000"),
        ("remove", "bin/run", "bin/run is missing"),
        ("make", "lib/extra", "lib/extra is not in its manifest"),
        ("make a folder", "extra", "extra is not in its manifest"),
        ("open to all", "bin/run", "bin/run has mode 0777, not 0755"),
        ("open to all", "lib", "lib has mode 0777, not 0755"),
        ("open to all", "", "it has mode 0777, not 0755"),
        ("link elsewhere", "empty", "empty is a link, not a file"),
        ("remove", NAME, "its manifest is missing or cannot be read"),
        ("cut", NAME, "its manifest is missing or cannot be read"),
        ("make a folder", "__pycache__", None),
    ],
)
def test_damage_is_seen_and_mended(tmp_path: Path, verb: str, path: str, says: str | None) -> None:
    (tmp_path / "opt/app/releases").mkdir(parents=True)
    payloads = Bytes()
    both = Both(real_trees(str(tmp_path), payloads), payloads, dict)
    both.plant()
    change(tmp_path / PLACE.lstrip("/") / path, verb)
    assert both.trees.damage(PLACE, thorough=True) == says
    assert both.trees.damage(PLACE) == (None if verb == "flip a bit" and NAME not in path else says)
    both.plant()
    assert both.trees.damage(PLACE, thorough=True) is None


def test_a_changed_bit_of_the_manifest_is_seen_wherever_it_is(both: Both) -> None:
    """In its form, in a name or in a figure."""
    both.plant()
    content = both.read()[f"1.0/{NAME}"][2]
    whole = Manifest.from_bytes(content)
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1
        try:
            assert Manifest.from_bytes(bytes(flipped)) != whole
        except ValueError:
            continue


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"null", b'{"format": 2}', b'{"format":1,"source":"x","files":{}}', b"\xff", b"[" * 100_000]
    + [
        json.dumps({"format": 1, "source": str(ONE), "files": files}).encode()
        for files in ([], {"a": 1}, {"a": {}}, {"a": {"sha256": "x", "size": 1, "mode": "0644"}}, {"a": {"link": 1}})
    ],
)
def test_what_is_no_manifest(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # all of them
        Manifest.from_bytes(content)


def test_a_manifest_survives_its_bytes() -> None:
    manifest = Manifest(ONE, {"a/b": Content(TWO, 7, 0o755), "c": Link("a/b"), "ä": Content(ONE, 0, 0o644)})
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


def test_what_else_stands_there_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "opt/app/releases").mkdir(parents=True)
    (tmp_path / PLACE.lstrip("/")).write_text("mine")
    payloads = Bytes()
    both = Both(real_trees(str(tmp_path), payloads), payloads, dict)
    with pytest.raises(InTheWay, match="a file stands there"):
        both.plant()
    with pytest.raises(InTheWay, match="a file stands there"):
        both.trees.remove(PLACE)
    assert (tmp_path / PLACE.lstrip("/")).read_text() == "mine"


def test_a_long_name_of_a_tree_is_no_hindrance(both: Both) -> None:
    place = f"/opt/app/releases/{'v' * 255}"
    for source in (ONE, TWO):
        both.trees.plant(place, source, both.leaves())
    assert both.trees.names("/opt/app/releases") == ("v" * 255,)
    both.trees.remove(place)
    assert both.read() == {}


def test_nothing_stays_open(tmp_path: Path) -> None:
    (tmp_path / "opt/app/releases").mkdir(parents=True)
    payloads = Bytes()
    both = Both(real_trees(str(tmp_path), payloads), payloads, dict)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        both.plant(**{f"d{n}/f": b"x" for n in range(100)})
        both.trees.damage(PLACE, thorough=True)
    both.trees.remove(PLACE)
    assert len(os.listdir("/proc/self/fd")) == before


# The device loses its power, at every moment

Deed = Callable[[Both], None]


def plant_and_damage(both: Both, host: SimulatedHost) -> None:
    both.plant()
    host.files.remove(f"{PLACE}/empty")
    host.files.settle()


BEFORE: dict[str, Callable[[Both, SimulatedHost], None]] = {
    "nothing": lambda _both, _host: None,
    "another tree": lambda both, _host: both.plant(TWO, old=b"old"),
    "a damaged one": plant_and_damage,
}
DEEDS: dict[str, Deed] = {"plant": lambda both: both.plant(), "remove": lambda both: both.trees.remove(PLACE)}


def cuts(before: str, deed: str) -> Iterator[tuple[Both, SimulatedHost]]:
    """The device after each moment at which the power may go, with each of what may then be on the disk."""
    n = 1
    while True:
        survive = 0
        while True:
            both, host = prepared(before)
            host.files.power_off_after(n)
            try:
                DEEDS[deed](both)
            except PowerCut:
                unsynced = host.files.unsynced
                host.files.reboot(survive, lose_all if n % 2 else lambda content: content[: len(content) // 2])
                yield both, host
            else:
                return
            survive += 1
            if survive > unsynced:
                break
        n += 1


def prepared(before: str) -> tuple[Both, SimulatedHost]:
    payloads = Bytes()
    host = simulated(payloads)
    both = Both(host.trees, payloads, lambda: simulated_tree(host.files))
    BEFORE[before](both, host)
    return both, host


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("deed", DEEDS)
def test_the_power_fails_and_a_tree_is_whole_or_not_there(before: str, deed: str) -> None:
    count = 0
    for both, host in cuts(before, deed):
        count += 1
        if host.files.stat(PLACE) is not None:
            amiss = both.trees.damage(PLACE, thorough=True)
            assert amiss is None or (before == "a damaged one" and amiss == "empty is missing")
        DEEDS[deed](both)
        assert both.trees.damage(PLACE, thorough=True) == (None if deed == "plant" else "it is missing")
        assert both.trees.source(PLACE) == (ONE if deed == "plant" else None)
        assert not [path for path in both.read() if PREFIX in path], "something was left beside"
    assert count > (10 if deed == "plant" or before != "nothing" else -1)


class Forgetful(SimulatedHands):
    """A control: hands that leave out one sync must be found out, or the tests above cannot fail."""

    def __init__(self, files: SimulatedFiles, left_out: int) -> None:
        super().__init__(files._volume)
        self._left_out, self._syncs = left_out, 0

    def sync(self) -> None:
        self._syncs += 1
        if self._syncs != self._left_out:
            super().sync()


@pytest.mark.parametrize(("left_out", "survive", "says"), [(1, 1 << 30, "manifest"), (2, 0, "it is missing")])
def test_a_sync_that_is_left_out_is_found_out(left_out: int, survive: int, says: str) -> None:
    both, host = prepared("nothing")
    host.files._hands = Forgetful(host.files, left_out)
    both.trees = host.trees
    host.files.power_off_after(host_events(left_out))
    with suppress(PowerCut):
        both.plant()
    host.files.reboot(survive)
    assert says in (host.trees.damage(PLACE) or "")


def host_events(left_out: int) -> int:
    """Where the power goes: before the last sync, or never."""
    both, host = prepared("nothing")
    before = host.files.events
    both.plant()
    return host.files.events - before - 1 if left_out == 1 else 0


@pytest.mark.parametrize("before", BEFORE)
def test_the_process_is_killed_and_the_next_one_mends_it(before: str) -> None:
    n, done = 1, False
    while not done:
        both, host = prepared(before)
        host.files.power_off_after(n)
        try:
            both.plant()
            done = True
        except PowerCut:
            pass
        host.files.restart()
        both.plant()
        assert both.trees.damage(PLACE, thorough=True) is None
        assert both.trees.names("/opt/app/releases") == ("1.0",)
        n += 1


@pytest.mark.parametrize("before", BEFORE)
def test_a_full_disk_leaves_what_was_there(before: str) -> None:
    n = 1
    while True:
        both, host = prepared(before)
        found = both.read()
        host.files.fail_next(errno.ENOSPC, nth=n)
        try:
            both.plant()
        except NoRoom:
            after = {path: each for path, each in both.read().items() if PREFIX not in path}
            assert after == found or both.trees.damage(PLACE, thorough=True) is None
        else:
            break
        n += 1
    assert n > 20


# The same on a real ext4 whose page cache is lost


def cut_while_planting(disk: Disk, at: tuple[str, int], flag: int, *, mutant: bool = False) -> str | None:
    """What is amiss with the tree after the power came back."""
    payloads = Bytes()
    mount = str(disk.mount)
    (disk.mount / "opt/app/releases").mkdir(parents=True, exist_ok=True)
    os.sync()
    hands = CutHands(disk, at, flag, mutant=mutant)
    both = Both(HostTrees(hands, lambda: Looks(mount, owners=False), payloads), payloads, dict)
    with suppress(PowerCut, Failure):
        both.plant(**{f"lib/{n}": b"x" * 2000 for n in range(20)})
    hands._parents.leave()
    hands._parents.leave_volumes()
    disk.unplug()
    disk.plug_in()
    both = Both(real_trees(mount, payloads), payloads, dict)
    amiss = both.trees.damage(PLACE, thorough=True)
    both.plant()
    assert both.trees.damage(PLACE, thorough=True) is None
    assert both.trees.names("/opt/app/releases") == ("1.0",)
    both.trees.remove(PLACE)
    return amiss


@needs_disk
@pytest.mark.root
@pytest.mark.parametrize("flag", [KEEP_JOURNAL, DROP_JOURNAL])
@pytest.mark.parametrize("at", [("create", 1), ("create", 12), ("create", 24), ("sync", 1), ("rename", 1), ("sync", 2)])
def test_the_power_of_a_real_disk_fails(disk: Disk, at: tuple[str, int], flag: int) -> None:
    assert cut_while_planting(disk, at, flag) in (None, "it is missing")


@needs_disk
@pytest.mark.root
def test_what_was_planted_on_a_real_disk_is_there(disk: Disk) -> None:
    assert cut_while_planting(disk, ("rest", 1), DROP_JOURNAL) is None


@needs_disk
@pytest.mark.root
def test_without_the_first_sync_a_tree_on_a_real_disk_comes_back_gutted(disk: Disk) -> None:
    """The control: were this to pass, the tests above could not fail."""
    assert "manifest" in (cut_while_planting(disk, ("sync", 2), KEEP_JOURNAL, mutant=True) or "")
