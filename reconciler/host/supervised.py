"""In a sandbox supervisord plays systemd's part: the unit files below the root are the truth, as everywhere.

Who looks starts nothing and writes nothing. A new definition is taken when a unit is started, never under what runs.
Only services run: a timer or a socket is active in name only, since nothing here lets it do anything.
"""

import os
import re
import time
from contextlib import suppress

from reconciler.core.errors import Broken, NotFound, Rejected
from reconciler.core.host import Access
from reconciler.core.senses import UnitStat
from reconciler.host.below import Below
from reconciler.host.files import HostFiles
from reconciler.host.supervisor import EXITED, FATAL, Info, Run, Supervisor
from reconciler.host.supervisor_config import REMAINS, program_of, unit_files
from reconciler.host.supervisor_strays import end, strays

FOLDER = "/etc/systemd/system"
WANTS = f"{FOLDER}/multi-user.target.wants"

START_SECONDS, GLANCE_SECONDS = 2.0, 0.3
"""How long to wait for a process to become the service: who started it, and who looks in that very moment."""

LINE_MAX = 500
_TAIL_BYTES = 256 << 10
_PAUSE = 0.01
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def end_all(root: str) -> int:
    """Everything that runs for the sandbox, supervisord first, ends. Returns how many processes. Raises Transient."""
    root = os.path.realpath(root)
    found = strays(root)
    end(found)
    rest = strays(root)
    end(rest)
    return len(found | rest)


class SupervisedUnits:
    """Satisfies Units."""

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)
        self._below = Below(self._root)
        self._supervisor = Supervisor(self._root)

    def look(self, name: str) -> UnitStat:
        if not _is_service(name):
            return UnitStat(running=self._is_active(name), failed=False, enabled=self._is_enabled(name))
        info, run = self._seen(name, GLANCE_SECONDS)
        enabled = self._is_enabled(name)
        if info is None or not (info.runs or self._remains(name, info)):
            return UnitStat(running=False, failed=info is not None and _has_failed(info), enabled=enabled)
        invocation = f"{run.process.pid}-{run.process.start}" if run else str(info.pid)
        stamp = run.stamp if run else ""
        return UnitStat(running=True, failed=False, enabled=enabled, invocation=invocation, stamp=stamp, pid=info.pid)

    def log(self, name: str, lines: int) -> tuple[str, ...]:
        """Of what it wrote before it was rotated, too."""
        text = b"".join(self._tail(file) for file in (f"{name}.1", name)).decode(errors="replace")
        return tuple(_clean(line) for line in text.splitlines()[-lines:]) if lines > 0 else ()

    def reload(self) -> None:
        """For those that start again by themselves; what cannot be read is told when it is to be started."""
        for name in self._supervisor.known():
            with suppress(Rejected, Broken):
                self._renew(name)

    def enable(self, name: str) -> None:
        files = HostFiles(self._root, owners=False)
        files.make_directory(WANTS, Access())
        files.link(f"{WANTS}/{name}", f"{FOLDER}/{name}")
        files.settle()
        self._renew_if_known(name)

    def disable(self, name: str) -> None:
        files = HostFiles(self._root, owners=False)
        if files.stat(WANTS) is None:
            return
        files.remove(f"{WANTS}/{name}")
        files.remove_directory(WANTS)
        files.settle()
        self._renew_if_known(name)

    def start(self, name: str) -> None:
        if not _is_service(name):
            self._activate(name)
            return
        program = program_of(name, self._root, enabled=self._is_enabled(name))
        info = self._supervisor.info(name)
        if info is None or not info.runs:
            self._supervisor.start(name, program)
            self._seen(name, START_SECONDS)

    def stop(self, name: str) -> None:
        """With all that it started, whether or not there is still a supervisord to ask."""
        if not _is_service(name):
            self._supervisor.drop("active", name)
            return
        self._supervisor.stop(name)
        end(strays(self._root, name))
        self._supervisor.forget(name)

    def restart(self, name: str) -> None:
        """What cannot be started with what it is now goes on running."""
        if not _is_service(name):
            self._activate(name)
            return
        program = program_of(name, self._root, enabled=self._is_enabled(name))
        self._supervisor.stop(name)
        end(strays(self._root, name))
        self._supervisor.start(name, program)
        self._seen(name, START_SECONDS)

    def _seen(self, name: str, seconds: float) -> tuple[Info | None, Run | None]:
        """A run that is not that of the process belongs to the one before: the launch is not through yet."""
        until = time.monotonic() + seconds
        while True:
            info, run = self._supervisor.info(name), self._supervisor.last_run(name)
            if info is None or not info.runs or (run and run.process.pid == info.pid):
                return info, run
            if time.monotonic() > until:
                return info, None
            time.sleep(_PAUSE)

    def _remains(self, name: str, info: Info) -> bool:
        if info.state != EXITED or info.status != 0:
            return False
        with suppress(OSError):
            return REMAINS in self._supervisor.text("program", name)
        return False

    def _renew_if_known(self, name: str) -> None:
        if name in self._supervisor.known():
            with suppress(Rejected):
                self._renew(name)

    def _renew(self, name: str) -> None:
        self._supervisor.renew(name, program_of(name, self._root, enabled=self._is_enabled(name)))

    def _activate(self, name: str) -> None:
        if not unit_files(name, self._below):
            raise NotFound(f"cannot start {name}: there is no such unit in the sandbox")
        self._supervisor.write("active", name, "")

    def _is_active(self, name: str) -> bool:
        return os.path.lexists(os.path.join(self._supervisor.folder, "active", name))

    def _is_enabled(self, name: str) -> bool:
        return os.path.lexists(self._below.certain(WANTS) + f"/{name}")

    def _tail(self, file: str) -> bytes:
        with suppress(OSError), open(os.path.join(self._supervisor.folder, "log", file), "rb") as log:
            size = os.fstat(log.fileno()).st_size
            log.seek(max(0, size - _TAIL_BYTES))
            return log.read(_TAIL_BYTES)
        return b""


def _is_service(name: str) -> bool:
    return name.endswith(".service")


def _has_failed(info: Info) -> bool:
    """Given up, or ended badly and not started again."""
    return info.state == FATAL or (info.state == EXITED and info.status != 0)


def _clean(line: str) -> str:
    """Without what a terminal would obey."""
    text = _COLOUR.sub("", line).replace("\t", " ")
    return "".join(character for character in text if character.isprintable())[:LINE_MAX]
