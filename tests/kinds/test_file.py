import pytest

from reconciler.core.host import Access
from reconciler.core.identity import Digest
from reconciler.core.kind import Mistake
from reconciler.core.state import Occupied
from reconciler.host.simulated import SimulatedHost
from reconciler.kinds.file import KIND, FileEntry, FileState, declare
from tests.kinds.laws import Bytes, LawsOfAKind


class Inline:
    """Material with nothing but what stands in the entry."""

    def file(self, path: str) -> Digest:
        raise Mistake(f"there is no {path}")

    def inline(self, content: bytes) -> Digest:
        return Digest.of(content)


class TestFile(LawsOfAKind):
    kind = KIND
    name = "/etc/app/motd"

    def a(self, payloads: Bytes) -> FileState:
        return FileState(payloads.put(b"hello\n"), mode=0o644)

    def b(self, payloads: Bytes) -> FileState:
        return FileState(payloads.put(b"\x00binary\xff"), mode=0o4750, owner="app", group="adm")

    def test_what_is_left_out_is_not_managed(self, host: SimulatedHost, payloads: Bytes) -> None:
        host.files.write(self.name, [b"old"], Access(0o600, "app"))
        host.files.settle()
        self.bring(host, FileState(payloads.put(b"new")))
        assert KIND.observe(self.name, host) == FileState(Digest.of(b"new"), 0o600, "app", "root")

    def test_a_directory_is_in_the_way(self, host: SimulatedHost) -> None:
        host.files.make_directory(self.name, Access())
        host.files.settle()
        assert KIND.observe(self.name, host) == Occupied("directory")

    @pytest.mark.parametrize(
        ("name", "entry", "says"),
        [
            ("/etc/motd", FileEntry(), "needs `content` or `source`"),
            ("/etc/motd", FileEntry(content="a", source="b"), "not from both"),
            ("/etc/motd", FileEntry(source="b"), "there is no b"),
            ("etc/motd", FileEntry(content=""), "not an absolute path"),
            ("/", FileEntry(content=""), "the root itself"),
            ("/etc/../motd", FileEntry(content=""), "not a normal path"),
            ("/etc//motd", FileEntry(content=""), "not a normal path"),
            ("/etc/motd/", FileEntry(content=""), "not a normal path"),
            ("/etc/mo\ntd", FileEntry(content=""), "not a normal path"),
            ("/proc/sys/kernel/panic", FileEntry(content=""), "off limits"),
            ("/var/lib/reconciler/state.db", FileEntry(content=""), "off limits"),
            ("/var/run/reconciler/lock", FileEntry(content=""), "off limits"),
            ("/" + "a" * 256, FileEntry(content=""), "too long"),
        ],
    )
    def test_what_cannot_be_is_a_mistake(self, name: str, entry: FileEntry, says: str) -> None:
        with pytest.raises(Mistake, match=says):
            declare(name, entry, Inline())
