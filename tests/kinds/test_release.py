"""A release is current whole or not at all, and what was current before can be again."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.core.errors import Broken, CorruptStore, HostileSource
from reconciler.core.host import Access, Leaf
from reconciler.core.identity import Digest
from reconciler.core.kind import Mistake
from reconciler.core.state import ABSENT, AnyState, Occupied
from reconciler.durable import PREFIX
from reconciler.host.manifest import NAME
from reconciler.host.real import RealHost
from reconciler.host.simulated import PowerCut, SimulatedHost, lose_all
from reconciler.kinds.release import KIND, ArchiveEntry, ReleaseEntry, ReleaseState, declare
from tests.host.test_archive import entry, link, tar, zipped
from tests.kinds.laws import Bytes, LawsOfAKind

ROOT = "/opt/sensor-mcp"


class Repo:
    """Material with a folder of files, and archives at addresses."""

    def __init__(self, payloads: Bytes, files: dict[str, bytes]) -> None:
        self._payloads, self._files = payloads, files
        self.remotes: dict[Digest, str] = {}

    def file(self, path: str) -> Digest:
        if path not in self._files:
            raise Mistake(f"there is no file {path!r} in the repo")
        return self._payloads.put(self._files[path])

    def inline(self, content: bytes) -> Digest:
        return self._payloads.put(content)

    def folder(self, path: str) -> tuple[Leaf, ...]:
        below = {name.removeprefix(f"{path}/"): data for name, data in self._files.items() if name.startswith(path)}
        return tuple(
            Leaf(name, 0o755 if name.startswith("bin/") else 0o644, self._payloads.put(data))
            for name, data in below.items()
        )

    def remote(self, url: str, digest: Digest) -> Digest:
        self.remotes[digest] = url
        return digest


def of_files(payloads: Bytes, version: str, **files: bytes) -> ReleaseState:
    contents = {f"app/{path}": data for path, data in {"bin/run": version.encode(), **files}.items()}
    return declare(ROOT, ReleaseEntry(version, files="app"), Repo(payloads, contents))


def of_archive(payloads: Bytes, version: str, form: str, content: bytes) -> ReleaseState:
    said = ArchiveEntry(form, Digest.of(content).hex, path="a")  # type: ignore[arg-type]
    return declare(ROOT, ReleaseEntry(version, archive=said), Repo(payloads, {"a": content}))


def whole(host: SimulatedHost) -> bool:
    """Whether what `current` leads to, if there is one, is a tree without damage."""
    current = host.files.stat(f"{ROOT}/current")
    if current is None:
        return True
    tree = f"{ROOT}/{host.files.target(f'{ROOT}/current')}"
    return host.trees.damage(tree, thorough=True) is None


class TestRelease(LawsOfAKind):
    kind = KIND
    name = ROOT

    def a(self, payloads: Bytes) -> ReleaseState:
        return of_files(payloads, "1.0", **{"lib/x.txt": b"x" * 100})

    def b(self, payloads: Bytes) -> ReleaseState:
        return of_archive(payloads, "1.1", "tar", tar(entry("bin/run", b"1.1", mode=0o755), link("run", "bin/run")))

    def test_revert_restores(self, host: SimulatedHost, passage: tuple[AnyState, AnyState], payloads: Bytes) -> None:
        """What was current is so again. What nobody keeps any more, nobody can bring back: that is said."""
        before, after = passage
        self.bring(host, before)
        seen = KIND.observe(ROOT, host)
        tree = host.files.tree()
        self.bring(host, after)
        if after == ABSENT:
            with pytest.raises(Broken, match=r"cannot go back to release 1\.0 of /opt/sensor-mcp: it is missing"):
                self.bring(host, seen)
            return
        self.bring(host, seen)
        assert KIND.observe(ROOT, host) == seen
        assert host.files.tree() == tree, "the release that was taken back is gone, too"

    def test_all_that_we_made_goes_and_nothing_else(self, host: SimulatedHost, payloads: Bytes) -> None:
        tree = host.files.tree()
        for state in (self.a(payloads), self.b(payloads)):
            self.bring(host, state)
        host.files.write(f"{ROOT}/version.json", [b"{}"], Access())
        host.files.settle()
        self.bring(host, ABSENT)
        assert host.files.tree() == tree
        self.bring(host, self.a(payloads))
        host.files.make_directory(f"{ROOT}/releases/by-hand", Access())
        host.files.settle()
        self.bring(host, ABSENT)
        assert host.trees.names(ROOT) == ("releases",)
        assert host.trees.names(f"{ROOT}/releases") == ("by-hand",)
        assert KIND.observe(ROOT, host) == ABSENT

    def test_older_releases_stay(self, host: SimulatedHost, payloads: Bytes) -> None:
        self.bring(host, self.a(payloads))
        self.bring(host, self.b(payloads))
        assert host.trees.names(f"{ROOT}/releases") == ("1.0", "1.1")
        assert host.trees.damage(f"{ROOT}/releases/1.0", thorough=True) is None

    def test_a_release_that_is_there_is_not_built_again(self, host: SimulatedHost, payloads: Bytes) -> None:
        a = self.a(payloads)
        self.bring(host, a)
        self.bring(host, self.b(payloads))
        payloads.known.clear()
        self.bring(host, a)
        assert KIND.diff(a, KIND.observe(ROOT, host)) == ()

    def test_a_version_that_comes_again_with_another_content_stands_beside_the_first(
        self, host: SimulatedHost, payloads: Bytes
    ) -> None:
        """Else nobody could go back."""
        first, second = of_files(payloads, "1.0"), of_files(payloads, "1.0", new=b"new")
        assert second.source is not None
        self.bring(host, first)
        before = KIND.observe(ROOT, host)
        self.bring(host, second)
        assert KIND.diff(second, KIND.observe(ROOT, host)) == ()
        assert host.files.target(f"{ROOT}/current") == f"releases/1.0~{second.source.hex[:12]}"
        payloads.known.clear()
        for state in (before, first):
            self.bring(host, state)
            assert KIND.diff(state, KIND.observe(ROOT, host)) == ()
        assert host.files.target(f"{ROOT}/current") == "releases/1.0"

    def test_a_folder_that_somebody_made_by_hand_is_left_and_can_be_gone_back_to(
        self, host: SimulatedHost, payloads: Bytes
    ) -> None:
        for folder in ("", "/releases", "/releases/1.0"):
            host.files.make_directory(ROOT + folder, Access())
        host.files.write(f"{ROOT}/releases/1.0/mine", [b"mine"], Access())
        host.files.link(f"{ROOT}/current", "releases/1.0")
        host.files.settle()
        before, a = KIND.observe(ROOT, host), self.a(payloads)
        assert [drift.field for drift in KIND.diff(a, before)] == ["damage"]
        self.bring(host, a)
        assert KIND.diff(a, KIND.observe(ROOT, host)) == ()
        self.bring(host, before)
        assert host.files.target(f"{ROOT}/current") == "releases/1.0"
        assert host.files.stat(f"{ROOT}/releases/1.0/mine") is not None

    @pytest.mark.parametrize("target", ["releases/9.9", "/srv/other", "releases/../..", "releases/1.0/", "."])
    def test_a_current_that_leads_elsewhere_is_mended_and_can_be_gone_back_to(
        self, host: SimulatedHost, payloads: Bytes, target: str
    ) -> None:
        a = self.a(payloads)
        self.bring(host, a)
        host.files.link(f"{ROOT}/current", target)
        host.files.settle()
        before = KIND.observe(ROOT, host)
        assert KIND.diff(a, before) != ()
        self.bring(host, a)
        assert KIND.diff(a, KIND.observe(ROOT, host)) == ()
        self.bring(host, before)
        assert host.files.target(f"{ROOT}/current") == target
        assert KIND.diff(before, KIND.observe(ROOT, host)) == ()

    def test_a_release_to_go_back_to_that_was_damaged_since_is_refused(
        self, host: SimulatedHost, payloads: Bytes
    ) -> None:
        self.bring(host, self.a(payloads))
        before = KIND.observe(ROOT, host)
        self.bring(host, self.b(payloads))
        host.files.remove(f"{ROOT}/releases/1.0/lib/x.txt")
        host.files.settle()
        with pytest.raises(Broken, match=r"cannot go back to release 1\.0 .*: lib/x\.txt is missing"):
            self.bring(host, before)
        assert whole(host)

    def test_what_stands_in_the_way_is_said(self, host: SimulatedHost, payloads: Bytes) -> None:
        host.files.write(ROOT, [b"x"], Access())
        host.files.settle()
        assert KIND.observe(ROOT, host) == Occupied("file")
        host.files.remove(ROOT)
        host.files.make_directory(ROOT, Access())
        host.files.make_directory(f"{ROOT}/current", Access())
        host.files.settle()
        assert KIND.observe(ROOT, host) == Occupied("directory called current")
        host.files.remove_directory(f"{ROOT}/current")
        host.files.link(f"{ROOT}/releases", "/srv")
        host.files.settle()
        assert KIND.observe(ROOT, host) == Occupied("link called releases")

    def test_a_hostile_archive_changes_nothing(self, host: SimulatedHost, payloads: Bytes) -> None:
        self.bring(host, self.a(payloads))
        tree = host.files.tree()
        with pytest.raises(HostileSource, match="not normal"):
            self.bring(host, of_archive(payloads, "2.0", "tar", tar(entry("ok", b"x"), entry("../x", b"x"))))
        assert host.files.tree() == tree

    def test_a_payload_that_is_lost_changes_nothing(self, host: SimulatedHost, payloads: Bytes) -> None:
        self.bring(host, self.a(payloads))
        tree, b = host.files.tree(), of_files(payloads, "1.1")
        for digest in KIND.payloads(b):
            payloads.known[digest] = b"damaged"
        with pytest.raises(CorruptStore):
            self.bring(host, b)
        assert host.files.tree() == tree


# The power fails, or the process is killed, at every moment


def prepared(states: Callable[[Bytes], list[AnyState]]) -> tuple[SimulatedHost, list[AnyState]]:
    payloads = Bytes()
    host = SimulatedHost(payloads)
    host.files.make_directory("/opt", Access())
    host.files.settle()
    wanted = states(payloads)
    for state in wanted[:-1]:
        bring(host, state)
    return host, wanted


def bring(host: SimulatedHost, state: AnyState) -> None:
    KIND.apply(ROOT, state, host)
    host.files.settle()


PASSAGES: dict[str, Callable[[Bytes], list[AnyState]]] = {
    "the first release": lambda payloads: [ABSENT, of_files(payloads, "1.0")],
    "an update": lambda payloads: [of_files(payloads, "1.0"), of_files(payloads, "1.1", more=b"more")],
    "another content": lambda payloads: [of_files(payloads, "1.0"), of_files(payloads, "1.0", more=b"more")],
    "one that is there": lambda payloads: [of_files(payloads, v) for v in ("1.0", "1.1", "1.0")],
    "the end": lambda payloads: [of_files(payloads, "1.0"), of_files(payloads, "1.1"), ABSENT],
}


def interrupted(passage: str) -> Iterator[tuple[SimulatedHost, AnyState, list[AnyState]]]:
    """The host after each moment: killed, or without power and with more or less on its disk; and the state before."""
    for n in range(1, 1000):
        for way in ("killed", "nothing survives", "half survives", "all names survive"):
            host, wanted = prepared(PASSAGES[passage])
            before = KIND.observe(ROOT, host)
            host.files.power_off_after(n)
            try:
                bring(host, wanted[-1])
            except PowerCut:
                unsynced = host.files.unsynced
                survive = {"nothing survives": 0, "half survives": unsynced // 2}.get(way, unsynced)
                host.files.restart() if way == "killed" else host.files.reboot(survive, lose_all)
                host.files.clean(ROOT)  # as recovery does, of every place
                yield host, before, wanted
            else:
                return


@pytest.mark.parametrize("passage", PASSAGES)
def test_whenever_it_is_interrupted_the_next_try_converges(passage: str) -> None:
    count = 0
    for host, _, wanted in interrupted(passage):
        count += 1
        assert whole(host), "current leads to a damaged tree"
        bring(host, wanted[-1])
        assert KIND.diff(wanted[-1], KIND.observe(ROOT, host)) == ()
        assert not [path for path in host.files.tree() if PREFIX in path], "something was left"
    assert count >= 12


@pytest.mark.parametrize("passage", [passage for passage in PASSAGES if passage != "the end"])
def test_whenever_it_is_interrupted_it_can_be_taken_back(passage: str) -> None:
    for host, before, _ in interrupted(passage):
        bring(host, before)
        assert KIND.observe(ROOT, host) == before
        assert whole(host)
        assert not [path for path in host.files.tree() if PREFIX in path], "something was left"


# A real folder, and what may befall it


class Sandbox:
    def __init__(self, folder: Path) -> None:
        (folder / "opt").mkdir()
        self.top, self.payloads = folder / ROOT.lstrip("/"), Bytes()
        self._folder = folder

    @property
    def host(self) -> RealHost:
        return RealHost(str(self._folder), self.payloads)

    def bring(self, state: AnyState) -> None:
        host = self.host
        KIND.apply(ROOT, state, host)
        host.files.settle()

    def observe(self) -> AnyState:
        return KIND.observe(ROOT, self.host)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "one bit is another": lambda top: flip(top / "lib/x.txt"),
    "a file is gone": lambda top: (top / "bin/run").unlink(),
    "a file is empty": lambda top: (top / "bin/run").write_bytes(b""),
    "a file came": lambda top: (top / "lib/extra.py").write_text("import os"),
    "a mode is another": lambda top: (top / "bin/run").chmod(0o644),
    "a folder is open to all": lambda top: (top / "lib").chmod(0o777),
    "a file is a link": lambda top: ((top / "bin/run").unlink(), (top / "bin/run").symlink_to("/bin/sh")),
    "the manifest is gone": lambda top: (top / NAME).unlink(),
    "the manifest is damaged": lambda top: (top / NAME).write_bytes(b"{"),
    "all of it is gone": lambda top: os.rename(top, top.parent.parent.parent / "elsewhere"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_seen_and_mended(sandbox: Sandbox, damage: str) -> None:
    desired = of_files(sandbox.payloads, "1.0", **{"lib/x.txt": b"x" * 100})
    sandbox.bring(desired)
    whole = {path.name: path.read_bytes() for path in (sandbox.top / "current").resolve().rglob("*") if path.is_file()}
    DAMAGE[damage](sandbox.top / "releases/1.0")
    drift = KIND.diff(desired, sandbox.observe())
    assert [each.field for each in drift] == ["damage"]
    sandbox.bring(desired)
    assert KIND.diff(desired, sandbox.observe()) == ()
    current = (sandbox.top / "current").resolve()
    assert {path.name: path.read_bytes() for path in current.rglob("*") if path.is_file()} == whole
    assert str((sandbox.top / "current").readlink()).startswith("releases/1.0")


def test_a_real_device_goes_on_and_back(sandbox: Sandbox) -> None:
    first = of_files(sandbox.payloads, "1.0")
    second = of_archive(sandbox.payloads, "1.1", "zip", zipped(("app/run", b"1.1")))
    third = of_archive(sandbox.payloads, "1.2", "binary", b"\x7fELF")
    sandbox.bring(first)
    before = sandbox.observe()
    assert (sandbox.top / "current/bin/run").read_bytes() == b"1.0"
    assert os.access(sandbox.top / "current/bin/run", os.X_OK)
    sandbox.bring(second)
    assert (sandbox.top / "current/app/run").read_bytes() == b"1.1", "a single folder at the top is kept"
    sandbox.bring(third)
    assert (sandbox.top / "current/a").read_bytes() == b"\x7fELF"
    assert os.access(sandbox.top / "current/a", os.X_OK)
    sandbox.bring(before)
    assert (sandbox.top / "current").readlink() == Path("releases/1.0")
    sandbox.bring(ABSENT)
    assert not sandbox.top.exists()


# What cannot be is a mistake

HEX = Digest.of(b"x").hex


@pytest.mark.parametrize(
    ("entry", "says", "keys"),
    [
        (ReleaseEntry("1.0"), "exactly one", ()),
        (ReleaseEntry("1.0", "app", ArchiveEntry("tar", HEX, path="a")), "exactly one", ()),
        (ReleaseEntry("", "app"), "not a version", ("version",)),
        (ReleaseEntry(".1", "app"), "not a version", ("version",)),
        (ReleaseEntry("..", "app"), "not a version", ("version",)),
        (ReleaseEntry("1/2", "app"), "not a version", ("version",)),
        (ReleaseEntry("1~2", "app"), "not a version", ("version",)),
        (ReleaseEntry("1.0\n", "app"), "not a version", ("version",)),
        (ReleaseEntry("1" * 65, "app"), "not a version", ("version",)),
        (ReleaseEntry("1.0", "nothing"), "no file in the folder", ("files",)),
        (ReleaseEntry("1.0", archive=ArchiveEntry("tar", HEX)), "exactly one", ("archive",)),
        (ReleaseEntry("1.0", archive=ArchiveEntry("tar", HEX, "http://h/a", "a")), "exactly one", ("archive",)),
        (ReleaseEntry("1.0", archive=ArchiveEntry("tar", "abc", path="a")), "64 hex digits", ("archive", "sha256")),
        (ReleaseEntry("1.0", archive=ArchiveEntry("tar", HEX, path="a")), "another archive", ("archive", "sha256")),
        (ReleaseEntry("1.0", archive=ArchiveEntry("tar", HEX, path="b")), "there is no file", ("archive", "path")),
        (ReleaseEntry("1.0", archive=ArchiveEntry("tar", HEX, "file:///x")), "http or https", ("archive", "url")),
        (ReleaseEntry("1.0", archive=ArchiveEntry("tar", HEX, "http://me:x@h/a")), "http or", ("archive", "url")),
        (ReleaseEntry("1.0", archive=ArchiveEntry("binary", HEX, "https://h/a/")), "no name", ("archive", "url")),
        (ReleaseEntry("1.0", archive=ArchiveEntry("binary", HEX, "https://h/..")), "no name", ("archive", "url")),
    ],
)
def test_what_cannot_be_is_a_mistake(entry: ReleaseEntry, says: str, keys: tuple[str, ...]) -> None:
    with pytest.raises(Mistake, match=says) as caught:
        declare(ROOT, entry, Repo(Bytes(), {"app/x": b"", "a": b""}))
    assert caught.value.keys == keys


def test_a_root_that_is_off_limits_is_a_mistake() -> None:
    with pytest.raises(Mistake, match="off limits"):
        declare("/proc/x", ReleaseEntry("1.0", "app"), Repo(Bytes(), {"app/x": b""}))


def test_an_archive_from_elsewhere_is_fetched_before_it_is_needed() -> None:
    repo = Repo(Bytes(), {})
    for form, url in (("tar", "https://h/x-1.0.tar.gz?a=b"), ("binary", "https://h/tool?a=b")):
        entry = ArchiveEntry(form, HEX, url)  # type: ignore[arg-type]
        state = declare(ROOT, ReleaseEntry("1.0", archive=entry), repo)
        assert repo.remotes == {Digest(f"sha256:{HEX}"): url}
        assert set(KIND.payloads(state)) == {Digest(f"sha256:{HEX}")}
    assert state.leaves == (f"0755 sha256:{HEX} tool",)


def test_a_release_of_files_names_each_payload_and_is_known_by_all_of_them() -> None:
    payloads = Bytes()
    one, same, other = (of_files(payloads, "1.0", **files) for files in ({"x": b"1"}, {"x": b"1"}, {"x": b"2"}))
    assert set(KIND.payloads(one)) == {Digest.of(b"1.0"), Digest.of(b"1")}
    assert one == same
    assert one.source != other.source
    assert KIND.payloads(ReleaseState("1.0", one.source, damage="", link="releases/1.0")) == ()
