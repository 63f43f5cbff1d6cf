"""The supervisord of one sandbox: it lives while it has a program, and longer than the command that started it.

All that is its own lies in one folder, by relative names, so that a sandbox may be anywhere and be called anything.
What it knows of a program is what that was started with; the files beside are what the next start takes.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from reconciler.core.errors import Broken, Transient
from reconciler.durable import PREFIX, publish
from reconciler.host import supervisor_talk as talk
from reconciler.host.refusal import cannot
from reconciler.host.supervisor_config import MARK, PATH, SOCKET, Program, program_name, whole
from reconciler.host.supervisor_strays import Process, end, gone, parse_stat, stat_of, strays
from reconciler.host.unit_file import STOP_SECONDS_MAX

PLACE = "run/reconciler/supervisor"

STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL = 10, 20, 30, 40, 100, 200
"""Of a program (supervisor.states.ProcessStates)."""

BEGIN_SECONDS, LEAVE_SECONDS, GRACE_SECONDS = 30.0, 10.0, 5.0
WITHOUT_WAITING = False
"""Of supervisord, whose other answer takes as long as the program does."""

_PAUSE = 0.02
_KEPT = ("launch", "program", "run")
_FOLDERS = (*_KEPT, "log", "active")
_BEGIN = 'cd -- "$0" && exec "$@" </dev/null >begin.log 2>&1'


@dataclass(frozen=True, slots=True)
class Info:
    """`status` is that of its last exit, where it ended by itself."""

    state: int
    pid: int
    status: int

    @property
    def runs(self) -> bool:
        return self.state in (STARTING, RUNNING)


@dataclass(frozen=True, slots=True)
class Run:
    """What a launch wrote down of itself."""

    process: Process
    stamp: str


class Supervisor:
    """Not for two writers at a time; any number may look."""

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)
        self.folder = os.path.join(self._root, PLACE)

    def info(self, unit: str) -> Info | None:
        """None of what it does not know, also where there is no supervisord. Raises Transient."""
        try:
            said = talk.ask(self.folder, "getProcessInfo", program_name(unit))
        except talk.Away:
            return None
        except talk.Refused as refused:
            if refused.code == talk.UNKNOWN:
                return None
            raise _no(f"tell of {unit}", refused) from refused
        return Info(said["state"], said["pid"], said["exitstatus"])

    def last_run(self, unit: str) -> Run | None:
        with suppress(OSError, ValueError):
            stamp, _, stat = self.text("run", unit).partition("\n")
            process = parse_stat(stat)
            return Run(process, stamp) if process else None
        return None

    def known(self) -> list[str]:
        """All units that have a program here, whether or not they run."""
        with suppress(FileNotFoundError):
            names = os.listdir(os.path.join(self.folder, "program"))
            return sorted(name for name in names if not name.startswith(PREFIX))
        return []

    def text(self, sort: str, unit: str) -> str:
        """Raises OSError where there is none."""
        with open(os.path.join(self.folder, sort, unit), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def write(self, sort: str, unit: str, text: str) -> None:
        """Whole at any moment, in a folder that is ours alone."""
        place = os.path.join(self.folder, sort)
        with cannot("write", place):
            os.makedirs(self.folder, 0o700, exist_ok=True)
            for folder in _FOLDERS:
                os.makedirs(os.path.join(self.folder, folder), 0o700, exist_ok=True)
            publish(os.path.join(place, unit), text.encode(errors="surrogateescape"), mode=0o600)

    def drop(self, sort: str, unit: str) -> None:
        with cannot("remove", unit), suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, sort, unit))

    def renew(self, unit: str, program: Program) -> None:
        """For the next start of it, whoever starts it."""
        self.write("launch", unit, program.script)
        self.write("program", unit, program.section)
        self._configure()

    def start(self, unit: str, program: Program) -> None:
        """What does not run is run with what it is now."""
        self.write("launch", unit, program.script)
        self.write("program", unit, program.section)
        self._configure(waiting=unit)
        if not self._listens():
            self._begin()
        elif self.info(unit) is not None:
            self.stop(unit)
            self._ask("removeProcessGroup", program_name(unit))
        self._ask("reloadConfig")
        self._ask("addProcessGroup", program_name(unit), but=talk.ALREADY_ADDED)
        self._ask("startProcess", program_name(unit), WITHOUT_WAITING)
        self._configure()

    def stop(self, unit: str) -> None:
        """Raises Transient where it does not end, killed though it was."""
        if self.info(unit) is None:
            return
        self._ask("stopProcess", program_name(unit), WITHOUT_WAITING, but=talk.NOT_RUNNING)
        until = time.monotonic() + STOP_SECONDS_MAX + GRACE_SECONDS
        while (info := self.info(unit)) is not None and (info.runs or info.state in (BACKOFF, STOPPING)):
            if time.monotonic() > until:
                raise Transient(f"cannot stop {unit}: process {info.pid} does not go")
            time.sleep(_PAUSE)

    def forget(self, unit: str) -> None:
        """Of what does not run; with the last one supervisord goes."""
        for sort in _KEPT:
            self.drop(sort, unit)
        if self._listens():
            self._configure()
            self._ask("removeProcessGroup", program_name(unit), but=talk.UNKNOWN)
            if not self._ask("getAllProcessInfo"):
                self._leave()

    def _ask(self, method: str, *arguments: Any, but: int = 0) -> Any:
        """A refusal with the code `but` is as good as a yes."""
        try:
            return talk.ask(self.folder, method, *arguments)
        except talk.Away as away:
            raise Transient(f"cannot ask supervisord of {self.folder}: it went away") from away
        except talk.Refused as refused:
            if refused.code == but:
                return None
            raise _no(f"do {method} {' '.join(map(str, arguments))}".strip(), refused) from refused

    def _listens(self) -> bool:
        try:
            talk.ask(self.folder, "getState")
        except talk.Away:
            return False
        except talk.Refused as refused:
            raise _no("ask anything", refused) from refused
        return True

    def _configure(self, waiting: str | None = None) -> None:
        """`waiting` is started by us; the others that are enabled by a new supervisord, as by a boot."""
        sections = (_waiting(text) if unit == waiting else text for unit, text in self._sections())
        self.write("", "supervisord.conf", whole(sections))

    def _sections(self) -> Iterator[tuple[str, str]]:
        for unit in self.known():
            with suppress(FileNotFoundError):
                yield unit, self.text("program", unit)

    def _begin(self) -> None:
        """What outlived the last one ends first."""
        if find_spec("supervisor") is None:
            raise Broken(
                "cannot run services in a sandbox: supervisor is missing", hint="pip install 'reconciler[sandbox]'"
            )
        end(strays(self._root))
        with cannot("begin anew in", self.folder), suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, SOCKET))
        self._await(self._spawn())

    def _spawn(self) -> int:
        """It makes itself a daemon, and its parent ends as soon as it listens."""
        python = (sys.executable, "-P", "-m", "supervisor.supervisord", "-c", "supervisord.conf")
        words = ("/bin/sh", "-c", _BEGIN, self.folder, *python)
        variables = {"PATH": PATH, "LANG": "C.UTF-8", "TMPDIR": self.folder, MARK: self._root}
        with cannot("start", "supervisord"):
            return os.posix_spawn("/bin/sh", words, variables, setsid=True, setsigmask=())

    def _await(self, pid: int) -> None:
        until = time.monotonic() + BEGIN_SECONDS
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > until:
                end(strays(self._root))
                os.waitpid(pid, 0)
                raise Transient(f"cannot start supervisord: it does not listen after {BEGIN_SECONDS:g} s")
            time.sleep(_PAUSE)
        if status:
            raise Broken(f"cannot start supervisord: {self._last_words()}", where=self.folder)

    def _last_words(self) -> str:
        with suppress(OSError, IndexError):
            return self.text("", "begin.log").strip().splitlines()[0][:200]
        return "it said nothing"

    def _leave(self) -> None:
        process = stat_of(self._ask("getPID"))
        self._ask("shutdown")
        if process and not gone({process}, LEAVE_SECONDS):
            raise Transient(f"cannot end supervisord: process {process.pid} does not go")


def _waiting(section: str) -> str:
    return section.replace("autostart=true\n", "autostart=false\n")


def _no(deed: str, refused: talk.Refused) -> Transient | Broken:
    """One that is on its way out says no to everything."""
    sort = Transient if refused.code == talk.SHUTTING_DOWN else Broken
    return sort(f"cannot {deed}: supervisord says no: {refused}")
