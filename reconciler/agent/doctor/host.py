"""What the machine must have before anything of ours can work."""

import os
import platform
import re
import sqlite3
from collections.abc import Iterator

from reconciler.agent.doctor.finding import Finding, fault, ok, warning
from reconciler.agent.doctor.installation import Installation, git_user, is_without_git_user
from reconciler.agent.main import USER
from reconciler.source import child
from reconciler.source.power import MIB, Power

LEAST_GIT = (2, 39)
"""Debian 12's: what is older was never tried."""

LEAST_SQLITE = (3, 37)
"""The first with STRICT tables (sqlite.org/stricttables.html)."""

LITTLE_MEMORY = 64 * MIB


def python(_installation: Installation) -> Iterator[Finding]:
    seen = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        least = ".".join(map(str, LEAST_SQLITE))
        yield fault("python", f"{seen}: SQLite {least} is the least", "upgrade the system: Debian 12 has a newer one")
        return
    yield ok("python", seen)


def privilege(installation: Installation) -> Iterator[Finding]:
    """A sandbox belongs to whoever has made it."""
    if installation.settings.is_sandbox:
        return
    if os.geteuid() != 0:
        seen = f"user {os.geteuid()} is not root: much can be neither seen nor changed"
        yield fault("privilege", seen, "`sudo reconciler doctor`, or `--root DIR` for a sandbox")
    if is_without_git_user(installation):
        mend = f"`useradd --system --no-create-home --shell /usr/sbin/nologin {USER}`"
        yield fault("user", f"there is no user {USER}, as whom git runs", mend)
    else:
        yield ok("user", f"git runs as {USER}")


def git(installation: Installation) -> Iterator[Finding]:
    version = git_version(installation)
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        yield warning("git", f"what calls itself git says {version!r}", "`apt install git`")
    elif (int(found[1]), int(found[2])) < LEAST_GIT:
        yield fault("git", f"git {version} is too old: 2.39 is the least", "`apt install git`, of Debian 12 or newer")
    else:
        yield ok("git", f"git {version}")


def memory(_installation: Installation) -> Iterator[Finding]:
    free, total = (meminfo().get(name) for name in ("MemAvailable", "MemTotal"))
    if free is None or total is None:
        return
    seen = f"{free // MIB} MiB of {total // MIB} MiB are free"
    if free < LITTLE_MEMORY:
        yield warning("memory", seen, "see what takes it: `ps -e --sort=-rss -o rss,args | head`")
    else:
        yield ok("memory", seen)


def git_version(installation: Installation) -> str:
    """Of the git that would be run. Raises BadSettings where there is none."""
    is_device = os.geteuid() == 0 and not installation.settings.is_sandbox
    ended = child.run(["--version"], Power(git_user() if is_device else None))
    return ended.out.decode(errors="replace").strip().removeprefix("git version ") or ended.reason


def meminfo() -> dict[str, int]:
    """In bytes, by the names of proc(5); nothing where the kernel does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            sizes = re.findall(r"^(\w+): +(\d+) kB$", file.read(), re.MULTILINE)
    except OSError:
        return {}
    return {name: int(size) * 1024 for name, size in sizes}
