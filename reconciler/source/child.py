"""A git child has a deadline, and says no more than fits.

It leads a process group of its own, and when it is over, in whatever way, nothing of that group is left.
"""

import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from reconciler.core.errors import BadSettings, Denied, HostileSource, NoRoom, Overdue
from reconciler.source.address import without_user
from reconciler.source.power import CHUNK, CONFIG, Bounds, Power, environment, limit, own_limits
from reconciler.source.printable import printable


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended and what it said; `code` is negative where a signal ended it."""

    code: int
    out: bytes
    err: str

    @property
    def reason(self) -> str:
        """The first thing that git called fatal, or its last line, in one printable line."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith("fatal: ")]
        line = (fatal or lines[-1:] or [f"git ended with {self.code}"])[0].removeprefix("fatal: ")
        return printable(without_user(line))[:300]


def run(arguments: Sequence[str], power: Power, *, directory: str = "/") -> Ended:
    """Run git to its end. Raises Overdue past the deadline and HostileSource where it says too much."""
    child = spawn(arguments, power, directory=directory)
    try:
        out, err = _collect(child, arguments[0], power.bounds)
    finally:
        reap(child)
    return Ended(child.returncode, out, err.decode(errors="replace"))


def spawn(arguments: Sequence[str], power: Power, *, directory: str, talks: bool = False) -> subprocess.Popen[bytes]:
    """Start git in `directory`; one that `talks` has a pipe to its stdin, and nobody listens to its stderr."""
    who = power.identity
    # By descriptor: git passes over a configuration that it cannot read, as where its user may not enter our folder.
    config = os.open(CONFIG, os.O_RDONLY | os.O_CLOEXEC)
    try:
        child = subprocess.Popen(
            [*own_limits(power), "git", *arguments],
            bufsize=0,
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if talks else subprocess.PIPE,
            cwd=directory,
            env={**environment(power), "GIT_CONFIG_GLOBAL": f"/proc/self/fd/{config}"},
            start_new_session=True,
            pass_fds=(config,) if power.lock is None else (config, power.lock),
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=[] if who else None,
            umask=0o077,
        )
    except FileNotFoundError as error:
        raise BadSettings(f"cannot run git: there is no {error.filename}", hint="apt install git util-linux") from error
    except PermissionError as error:
        raise Denied(f"cannot run git as {who or 'this user'} in {directory}: {error.strerror}") from error
    except OSError as error:
        raise NoRoom(f"cannot start git: {error.strerror}") from error
    finally:
        os.close(config)
    if who is None:
        limit(child, power.bounds)
    return child


def reap(child: subprocess.Popen[bytes]) -> None:
    """Nothing of the child's group is left. Until it is waited for, no other group can have its number."""
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe:
            pipe.close()
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        if child.poll() is None:
            raise Denied("cannot end git", hint="to run git as another user the agent needs CAP_KILL") from error
    child.wait()


def _collect(child: subprocess.Popen[bytes], verb: str, bounds: Bounds) -> tuple[bytes, bytes]:
    """What the child says until it closes both pipes and ends. Of stderr only the beginning is kept."""
    end = time.monotonic() + bounds.deadline.total_seconds()
    said: dict[IO[bytes] | None, bytearray] = {child.stdout: bytearray(), child.stderr: bytearray()}
    with selectors.DefaultSelector() as ready:
        for pipe in said:
            if pipe:
                ready.register(pipe, selectors.EVENT_READ, pipe)
        while ready.get_map():
            for key, _ in ready.select(_left(end, verb)):
                chunk = os.read(key.fd, CHUNK)
                if not chunk:
                    ready.unregister(key.fileobj)
                elif key.data is child.stdout or len(said[key.data]) < CHUNK:
                    said[key.data] += chunk
                if len(said[child.stdout]) > bounds.output:
                    raise HostileSource(f"cannot use what git {verb} says: over {bounds.output} bytes")
    _await(child.pid, end, verb)
    return bytes(said[child.stdout]), bytes(said[child.stderr])


def _await(pid: int, end: float, verb: str) -> None:
    """Its end is seen but not yet collected, so that the number of its group stays its own."""
    descriptor = os.pidfd_open(pid)
    try:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        while not ended.poll(_left(end, verb) * 1000):
            pass
    finally:
        os.close(descriptor)


def _left(end: float, verb: str) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise Overdue(f"cannot wait longer for git {verb}", hint="the repo may be on storage that hangs, or too large")
    return left
