"""How much a git child may: whose it is, what it may use, and what it sees of the world around it.

No configuration but ours reaches it, whatever the agent was started with.
"""

import os
import resource
import subprocess
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Self

from reconciler.source.address import Scheme
from reconciler.source.credentials import Credentials

MIB = 1 << 20
CHUNK = 1 << 16
CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gitconfig")


_FEW_LINES = 256 * MIB


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom git runs."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one child may use. Sizes are in bytes; `file` bounds the one pack that a fetch brings."""

    deadline: timedelta = timedelta(seconds=60)
    cpu: timedelta = timedelta(seconds=300)
    memory: int = 1024 * MIB
    file: int = 512 * MIB
    output: int = 8 * MIB
    descriptors: int = 256


@dataclass(frozen=True, slots=True)
class Power:
    """With what a child is started: whose, how much, and the descriptor of a lock that it keeps with us.

    It may talk by one transport, `scheme`, or by none.
    """

    identity: Identity | None = None
    bounds: Bounds = Bounds()
    lock: int | None = None
    credentials: Credentials = field(default_factory=Credentials)
    scheme: Scheme | None = None

    def towards(self, scheme: Scheme) -> Self:
        return replace(self, scheme=scheme)

    def frugal(self) -> Self:
        """For an answer of a few lines: git holds what http says in memory, however much that is."""
        return replace(self, bounds=replace(self.bounds, memory=min(self.bounds.memory, _FEW_LINES)))

    def hurried(self, share: int) -> Self:
        """One of `share` who have the time of one together."""
        return replace(self, bounds=replace(self.bounds, deadline=self.bounds.deadline / share))


def environment(power: Power) -> dict[str, str]:
    """All of it: no proxy, no agent of ssh, no `.netrc` of whoever started us is in it.

    GIT_DIR is where the child starts, so that no repo around that place is taken for the clone.
    """
    who = power.identity or Identity(os.geteuid(), os.getegid())
    patience = max(1, int(power.bounds.deadline.total_seconds() / 3))
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": power.scheme or "none",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_DIR": ".",
        **power.credentials.environment(power.scheme, who.uid, who.gid, patience),
    }


def _limits(bounds: Bounds) -> list[tuple[str, int, int]]:
    """What the agent itself may not exceed, its child may not either."""
    asked = (
        ("core", resource.RLIMIT_CORE, 0),
        ("as", resource.RLIMIT_AS, bounds.memory),
        ("fsize", resource.RLIMIT_FSIZE, bounds.file),
        ("cpu", resource.RLIMIT_CPU, int(bounds.cpu.total_seconds())),
        ("nofile", resource.RLIMIT_NOFILE, bounds.descriptors),
    )
    hard = {which: resource.getrlimit(which)[1] for _, which, _ in asked}
    return [(name, which, most if hard[which] < 0 else min(most, hard[which])) for name, which, most in asked]


def limit(child: subprocess.Popen[bytes], bounds: Bounds) -> None:
    """From outside and at once: a function that runs between fork and exec is not safe beside threads."""
    try:
        for _, which, most in _limits(bounds):
            resource.prlimit(child.pid, which, (most, most))
    except ProcessLookupError:
        return


def own_limits(power: Power) -> tuple[str, ...]:
    """Another user's child is out of reach for a root without CAP_SYS_RESOURCE: it bounds itself, then becomes git."""
    if power.identity is None:
        return ()
    return ("prlimit", *(f"--{name}={most}" for name, _, most in _limits(power.bounds)), "--")
