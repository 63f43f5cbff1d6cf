"""An ext4 in a file, on a loop mount, whose power can be cut: what only memory held is gone, as on a device.

EXT4_IOC_SHUTDOWN ends the file system where it stands; mounting it again replays its journal. With `noauto_da_alloc`
nothing is brought to the disk that nobody asked for.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
KEEP_JOURNAL, DROP_JOURNAL = 1, 2
SIZE = 32 << 20
_TRIES = 100


class Disk:
    """The folder that is the device is `root`, below the mount."""

    def __init__(self, image: Path, mount: Path) -> None:
        self.image = image
        self.mount = mount
        self.root = mount / "root"

    def plug_in(self) -> None:
        self.mount.mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", "loop,noauto_da_alloc", self.image, self.mount], check=True, capture_output=True)

    def unplug(self) -> None:
        """A child that is being started holds what we hold open, for a moment."""
        for left in reversed(range(_TRIES)):
            done = subprocess.run(["umount", self.mount], check=False, capture_output=True, text=True)
            if done.returncode == 0:
                return
            if not left:
                subprocess.run(["umount", "--lazy", self.mount], check=False, capture_output=True)
                raise AssertionError(f"cannot unmount: {done.stderr}")
            time.sleep(0.02)

    def cut(self, mode: int) -> None:
        fd = os.open(self.mount, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", mode))
        finally:
            os.close(fd)


def make(first: Path, folder: Path) -> Path:
    """An image that holds the device `first`; each cut works on a copy."""
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    disk = Disk(image, folder / "mount-of-image")
    disk.plug_in()
    try:
        subprocess.run(["cp", "-a", first, disk.root], check=True)
    finally:
        disk.unplug()
    return image


@contextmanager
def copy_of(image: Path, folder: Path) -> Iterator[Disk]:
    copy = folder / "image"
    subprocess.run(["cp", "--sparse=always", image, copy], check=True)
    disk = Disk(copy, folder / "mount")
    disk.plug_in()
    try:
        yield disk
    finally:
        disk.unplug()


def why_not() -> str | None:
    """Why no power can be cut here; None where it can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [tool for tool in ("mkfs.ext4", "mount", "umount") if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    return None if Path("/dev/loop-control").exists() else "needs loop devices"
