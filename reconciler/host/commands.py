"""A command that only asks has less power than anybody: no privileges, no shell, no input, nothing of our environment.

It leads a session of its own, and when it is over, in whatever way, nothing of its group is left.
"""

import os
import pwd
import select
import selectors
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.errors import Denied, NoRoom, NotFound, Overdue
from reconciler.core.senses import Ran
from reconciler.host.places import named
from reconciler.host.refusal import cannot

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SAID_MAX = 4096
"""Bytes of its output that are kept, the last ones."""

MEMORY_MAX = 512 << 20
NOBODY = 65534
"""By number where no user has that name (Debian's base-passwd)."""

_CHUNK = 1 << 16
_REAP = timedelta(seconds=1)
"""How long one that was killed may take to go; a disk that hangs in the kernel keeps it longer."""

_LESS = (
    *("prlimit", "--core=0", "--fsize=0", f"--as={MEMORY_MAX}", "--"),
    *("setpriv", "--no-new-privs", "--pdeathsig", "KILL", "--"),
)
"""It bounds itself, then becomes the command: a function that runs between fork and exec is not safe beside threads."""

_HINT = "apt install util-linux"


class HostCommands:
    """Satisfies Commands. Absolute paths in a command that are there under the root are taken under it."""

    def __init__(self, root: str = "/") -> None:
        self._root = os.path.realpath(root)

    def run(self, command: tuple[str, ...], timeout: timedelta) -> Ran:
        end = time.monotonic() + timeout.total_seconds()
        here = tuple(self._here(part) for part in command)
        _check_program(command[0], here[0])
        child = _spawn(here)
        try:
            said = _listen(_Listening(child, command[0], end, timeout))
        finally:
            _reap(child)
        return Ran(child.returncode, said.decode(errors="replace"))

    def _here(self, part: str) -> str:
        if self._root == "/" or not part.startswith("/"):
            return part
        with cannot("find", part):
            place = named(self._root, part)
        return place if os.path.lexists(place) else part


@dataclass(frozen=True, slots=True)
class _Listening:
    child: subprocess.Popen[bytes]
    program: str
    end: float
    timeout: timedelta

    def left(self) -> float:
        left = self.end - time.monotonic()
        if left <= 0:
            raise Overdue(f"cannot wait longer for {self.program}: not ended within {self.timeout.total_seconds():g} s")
        return left


def _check_program(asked: str, program: str) -> None:
    for tool in ("prlimit", "setpriv"):
        if shutil.which(tool, path=PATH) is None:
            raise NotFound(f"cannot run {asked} without privileges: there is no {tool}", hint=_HINT)
    if not (os.path.exists(program) if "/" in program else shutil.which(program, path=PATH)):
        raise NotFound(
            f"cannot run {asked}: there is no such program", hint=f"a name without / is looked for in {PATH}"
        )


def _spawn(command: tuple[str, ...]) -> subprocess.Popen[bytes]:
    uid, gid = _nobody() if os.geteuid() == 0 else (None, None)
    try:
        return subprocess.Popen(
            [*_LESS, *command],
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": PATH, "LC_ALL": "C"},
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            umask=0o077,
        )
    except PermissionError as error:
        hint = "the agent needs CAP_SETUID and CAP_SETGID to run it as nobody"
        raise Denied(f"cannot run {command[0]} without privileges: {error.strerror}", hint=hint) from error
    except OSError as error:
        raise NoRoom(f"cannot start {command[0]}: {error.strerror}") from error


def _nobody() -> tuple[int, int]:
    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        return NOBODY, NOBODY
    return user.pw_uid, user.pw_gid


def _listen(listening: _Listening) -> bytes:
    """Until it ends, whoever of those that it started still holds the pipe. What it says is read all the time."""
    said = bytearray()
    pipe = listening.child.stdout.fileno() if listening.child.stdout else -1
    ended = os.pidfd_open(listening.child.pid)
    try:
        with selectors.DefaultSelector() as ready:
            ready.register(pipe, selectors.EVENT_READ)
            ready.register(ended, selectors.EVENT_READ)
            while True:
                fds = {key.fd for key, _ in ready.select(listening.left())}
                if pipe in fds and not _hear(pipe, said):
                    ready.unregister(pipe)
                if ended in fds:
                    _hear_rest(pipe, said)
                    return bytes(said)
    finally:
        os.close(ended)


def _hear(pipe: int, said: bytearray) -> bool:
    """Whether there may be more."""
    chunk = os.read(pipe, _CHUNK)
    said += chunk
    del said[:-SAID_MAX]
    return bool(chunk)


def _hear_rest(pipe: int, said: bytearray) -> None:
    """What lies in the pipe now, which is no more than it holds, and not what somebody adds to it all the time."""
    for _ in range(16):
        if not select.select([pipe], [], [], 0)[0] or not _hear(pipe, said):
            return


def _reap(child: subprocess.Popen[bytes]) -> None:
    """Until it is waited for, no other group can have its number."""
    if child.stdout:
        child.stdout.close()
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        if child.poll() is None:
            raise Denied("cannot end a command", hint="to run it as nobody the agent needs CAP_KILL") from error
    with suppress(subprocess.TimeoutExpired):
        child.wait(_REAP.total_seconds())
