"""A machine that systemd runs, in a container: the agent in it is this checkout, and "/" is really its root.

The image is made once and kept by a digest of how it is made; a container lives as long as one test.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.device import Device, Ran

CHECKOUT = Path(__file__).parent.parent.parent
PYTHON = (3, 11)
"""The image's: what is installed here for another one does not run there."""

RECIPE = (
    "mmdebstrap",
    "--variant=minbase",
    "--include=systemd,systemd-sysv,dbus,libpam-systemd,python3,git,ca-certificates,procps",
    '--aptopt=Acquire::Languages "none"',
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("man", "doc", "locale")),
    "bookworm",
)
IMAGE = "reconciler-lab-" + hashlib.sha256("\n".join(RECIPE).encode()).hexdigest()[:12]

ALLOWED = "SYS_ADMIN,NET_ADMIN,NET_RAW,SYS_PTRACE,MKNOD,SYS_RESOURCE,SYS_NICE,AUDIT_WRITE"
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
BOOT = """\
for c in memory pids cpu cpuacct blkio freezer; do mount -o remount,rw,bind /sys/fs/cgroup/$c; done
cat /proc/sys/kernel/random/uuid >/run/boot_id; mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
exec /lib/systemd/systemd
"""
"""Without the first line systemd enforces no limits; without the second each boot looks the same to it."""

ENV = ("PYTHONPATH=/opt/reconciler:/opt/site", "PYTHONDONTWRITEBYTECODE=1")


def not_run() -> str | None:
    """Why no such machine can be had here."""
    missing = [tool for tool in ("podman", "runc", "mmdebstrap") if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        return f"not run: needs root and podman, runc and mmdebstrap (missing: {', '.join(missing) or 'root'})"
    if sys.version_info[:2] != PYTHON:
        return f"not run: needs Python {'.'.join(map(str, PYTHON))}, as the machine in the container has"
    return None


class Machine:
    """A container, and the repo that it follows."""

    def __init__(self, folder: Path) -> None:
        self.device = Device(folder)
        self.name = f"reconciler-lab-{uuid.uuid4().hex[:12]}"
        self._folder = folder
        folder.chmod(0o755)  # who fetches is another user there

    def boot(self) -> None:
        options = [
            *("--name", self.name, "--hostname", "pi", "--network", "none", "--systemd=always", "--cgroupns=private"),
            *(*LIMITS, f"--cap-add={ALLOWED}"),
            *("--security-opt", "unmask=all", "--security-opt", "seccomp=unconfined"),
            *("-v", f"{CHECKOUT}:/opt/reconciler:ro", "-v", f"{sysconfig.get_path('purelib')}:/opt/site:ro"),
            *("-v", f"{self._folder}:{self._folder}:ro"),
        ]
        _podman("run", "-d", *options, IMAGE, "/bin/sh", "-c", BOOT)
        self._await()
        self.sh("useradd --system --no-create-home --shell /usr/sbin/nologin reconciler")

    def boot_again(self) -> None:
        """After its power was cut."""
        _podman("kill", "-s", "KILL", self.name)
        _podman("wait", self.name)
        _podman("start", self.name)
        self._await()

    def end(self) -> None:
        subprocess.run(
            ["podman", "--runtime", "runc", "rm", "-f", "-t", "0", self.name], capture_output=True, check=False
        )

    def run(self, *arguments: str) -> Ran:
        """The agent's own command, on "/"."""
        return self._exec("python3", "-W", "error", "-m", "reconciler", "--config", str(self.device.config), *arguments)

    def sync(self) -> Ran:
        return self.run("sync", "-o", "json")

    def sh(self, script: str) -> str:
        ran = self._exec("sh", "-ec", script)
        assert ran.status == 0, f"{script}: {ran.out}{ran.err}"
        return ran.out.strip()

    def ask(self, unit: str, key: str) -> str:
        """A property, as systemd tells it to its own tool."""
        return self.sh(f"systemctl show -p {key} --value {unit}")

    def write(self, path: str, text: str) -> None:
        self._exec("sh", "-ec", f"mkdir -p $(dirname {path}); cat >{path}", said=text)

    def _exec(self, *command: str, said: str = "") -> Ran:
        options = [word for variable in ENV for word in ("-e", variable)]
        done = subprocess.run(
            ["podman", "--runtime", "runc", "exec", "-i", "-w", "/", *options, self.name, *command],
            input=said,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def _await(self) -> None:
        until = time.monotonic() + 30
        while self._exec("systemctl", "is-system-running").out.strip() not in ("running", "degraded"):
            assert time.monotonic() < until, "systemd did not come up"
            time.sleep(0.1)


@contextmanager
def machine_in(folder: Path) -> Iterator[Machine]:
    _make_image()
    if (why := _why_no_container()) is not None:
        pytest.skip(why)
    machine = Machine(folder)
    try:
        machine.boot()
        yield machine
    finally:
        machine.end()


def _make_image() -> None:
    """One at a time; what was not wholly made is not there."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reconciler-lab"
    folder.mkdir(parents=True, exist_ok=True)
    tar, new = folder / f"{IMAGE}.tar", folder / f"{IMAGE}.new.tar"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tar.exists():
            made = subprocess.run([*RECIPE, str(new)], capture_output=True, text=True, check=False)
            if made.returncode != 0:
                pytest.skip(f"not run: no image of a machine can be made here: {made.stderr.strip()[-200:]}")
            new.rename(tar)
        if subprocess.run(["podman", "image", "exists", IMAGE], check=False).returncode != 0:
            _podman("import", "-q", str(tar), IMAGE)


@cache
def _why_no_container() -> str | None:
    """Where the kernel or whoever started us lets no container run, none of these tests can."""
    words = ["podman", "--runtime", "runc", "run", "--rm", "--network", "none", *LIMITS, IMAGE, "/bin/true"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"not run: podman can run nothing here: {done.stderr.strip()[-200:]}"


def _podman(*arguments: str) -> str:
    done = subprocess.run(["podman", "--runtime", "runc", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
