"""The order law on a real ext4 whose page cache is lost: the simulated device must not be kinder than this one."""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from reconciler.core.errors import Failure
from reconciler.core.host import Access
from reconciler.host.files import HostFiles
from reconciler.host.hands import RealHands
from reconciler.host.volume import PowerCut

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mkfs.ext4"), reason="not run: needs root and mkfs.ext4"),
]
SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
KEEP_JOURNAL, DROP_JOURNAL = 1, 2
COUNT = 20
PATHS = [f"/d/{n}" for n in range(COUNT)]
OLD, NEW = b"old" * 1000, b"new" * 2000


class Disk:
    """An ext4 in a file, mounted where nothing renames safely by accident (noauto_da_alloc)."""

    def __init__(self, image: Path, mount: Path) -> None:
        self.mount = mount
        self._image = image

    def plug_in(self) -> None:
        subprocess.run(["mount", "-o", "loop,noauto_da_alloc", self._image, self.mount], check=True)

    def unplug(self) -> None:
        subprocess.run(["umount", self.mount], check=True)

    def cut(self, flag: int) -> None:
        fd = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", flag))
        finally:
            os.close(fd)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    image, mount = tmp_path / "image", tmp_path / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    disk = Disk(image, mount)
    try:
        disk.plug_in()
    except subprocess.CalledProcessError:
        pytest.skip("not run: cannot mount a loop device here")
    try:
        yield disk
    finally:
        disk.unplug()


class CutHands(RealHands):
    """The real hands, with the power gone before their nth step; a mutant leaves out its first sync."""

    def __init__(self, disk: Disk, at: tuple[str, int], flag: int, *, mutant: bool = False) -> None:
        super().__init__(str(disk.mount), None, lambda: None)
        self._disk, self._at_step, self._flag, self._mutant = disk, at, flag, mutant
        self._counts: dict[str, int] = {}

    def create(self, path: str, content: Iterable[bytes], access: Access) -> None:
        self._step("create")
        super().create(path, content, access)

    def rename(self, path: str, to: str) -> None:
        self._step("rename")
        super().rename(path, to)

    def sync(self) -> None:
        self._step("sync")
        if not (self._mutant and self._counts["sync"] == 1):
            super().sync()

    def rest(self, *, done: bool) -> None:
        super().rest(done=done)
        if done:
            self._step("rest")

    def _step(self, name: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1
        if (name, self._counts[name]) == self._at_step:
            self._disk.cut(self._flag)
            raise PowerCut


@contextmanager
def hands(disk: Disk) -> Iterator[HostFiles]:
    files = HostFiles(str(disk.mount), owners=False)
    yield files
    files._hands.rest(done=True)


def cut_while_writing(disk: Disk, at: tuple[str, int], flag: int, *, mutant: bool = False) -> list[bytes]:
    """What the files hold after the power came back."""
    with hands(disk) as files:
        files.make_directory("/d", Access())
        for path in PATHS:
            files.write(path, [OLD], Access())
        files.settle()
    with hands(disk) as files, suppress(PowerCut, Failure):
        files._hands = CutHands(disk, at, flag, mutant=mutant)
        for path in PATHS:
            files.write(path, [NEW], Access())
        files.settle()
    files._hands.rest(done=True)
    disk.unplug()
    disk.plug_in()
    with hands(disk) as files:
        for path in PATHS:
            files.clean(path)
        assert sorted(os.listdir(disk.mount / "d")) == sorted(path.rpartition("/")[2] for path in PATHS)
        return [b"".join(files.read(path)) for path in PATHS]


POINTS = [("create", 1), ("create", COUNT), ("sync", 1), ("rename", 1), ("rename", COUNT // 2), ("sync", 2)]


@pytest.mark.parametrize("flag", [KEEP_JOURNAL, DROP_JOURNAL])
@pytest.mark.parametrize("at", POINTS)
def test_every_file_is_old_or_new_whole(disk: Disk, at: tuple[str, int], flag: int) -> None:
    assert set(cut_while_writing(disk, at, flag)) <= {OLD, NEW}


def test_what_settled_is_there_with_the_tail_of_the_journal_dropped(disk: Disk) -> None:
    assert set(cut_while_writing(disk, ("rest", 1), DROP_JOURNAL)) == {NEW}


def test_without_the_first_sync_files_come_back_empty(disk: Disk) -> None:
    """The control: were this to pass, the tests above could not fail."""
    assert set(cut_while_writing(disk, ("sync", 2), KEEP_JOURNAL, mutant=True)) == {b""}
