"""Services of a device in memory: they live and die with its power; what is enabled is a link on its disk.

So a power cut stops all of them, and starts again what the disk says is enabled, with what the disk says it is. The
link is made and settled before `enable` returns: systemctl(1) promises no less, and a boot then knows nothing else.
"""

from dataclasses import dataclass, replace

from reconciler.core.errors import NotFound
from reconciler.core.host import Access, Files, FileType
from reconciler.core.senses import STAMP, UnitStat

FOLDER, PACKAGES = "/etc/systemd/system", "/usr/lib/systemd/system"
WANTS = f"{FOLDER}/multi-user.target.wants"
STARTED_WITH = f"Environment={STAMP}="
DROPIN = "50-reconciler.conf"


@dataclass(frozen=True, slots=True)
class _Run:
    """The nth process since the device was made, and what it was started with."""

    number: int
    stamp: str


class SimulatedUnits:
    """Satisfies Units.

    `fails_to_start` are names and stamps of what dies at once and is given up; `calls` is what was asked for, in order.
    """

    def __init__(self, files: Files) -> None:
        self.fails_to_start: set[str] = set()
        self.calls: list[str] = []
        self._files = files
        self._loaded: dict[str, str] = {}
        self._runs: dict[str, _Run] = {}
        self._failed: set[str] = set()
        self._once_enabled: set[str] = set()
        self._logs: dict[str, list[str]] = {}
        self._started = 0

    def look(self, name: str) -> UnitStat:
        stat = UnitStat(running=False, failed=name in self._failed, enabled=self._is_enabled(name))
        run = self._runs.get(name)
        if run is None:
            return stat
        return replace(stat, running=True, invocation=f"run-{run.number}", stamp=run.stamp, pid=1000 + run.number)

    def log(self, name: str, lines: int) -> tuple[str, ...]:
        return tuple(self._logs.get(name, [])[-lines:]) if lines > 0 else ()

    def reload(self) -> None:
        self._ask("reload")
        self._loaded = {name: self._stamp(name) for name in self._loaded if self._is_there(name)}

    def enable(self, name: str) -> None:
        self._ask(f"enable {name}")
        self._once_enabled.add(name)
        self._files.make_directory(WANTS, Access())
        self._files.link(f"{WANTS}/{name}", f"{FOLDER}/{name}")
        self._files.settle()

    def disable(self, name: str) -> None:
        self._ask(f"disable {name}")
        if self._files.stat(WANTS) is None:
            return
        self._files.remove(f"{WANTS}/{name}")
        self._files.remove_directory(WANTS)
        self._files.settle()

    def start(self, name: str) -> None:
        self._ask(f"start {name}")
        if name not in self._runs:
            self._run(name)

    def stop(self, name: str) -> None:
        self._ask(f"stop {name}")
        self._runs.pop(name, None)
        self._failed.discard(name)

    def restart(self, name: str) -> None:
        self._ask(f"restart {name}")
        self._runs.pop(name, None)
        self._run(name)

    def crash(self, name: str) -> None:
        """Its process dies, and the manager starts it again."""
        del self._runs[name]
        self._run(name)

    def give_up(self, name: str) -> None:
        """It died too often."""
        self._runs.pop(name, None)
        self._failed.add(name)

    def say(self, name: str, line: str) -> None:
        """It writes a line into its log."""
        self._logs.setdefault(name, []).append(line)

    def boot(self) -> None:
        """What ran is gone, and what was known of it; what the disk says is enabled is started."""
        self._runs, self._loaded, self._failed = {}, {}, set()
        for name in sorted(self._once_enabled):
            if self._is_enabled(name) and self._is_there(name):
                self._run(name)

    def _run(self, name: str) -> None:
        """With what the manager read last, which is not what the files say now."""
        if name not in self._loaded:
            if not self._is_there(name):
                raise NotFound(f"cannot start {name}: there is no such unit")
            self._loaded[name] = self._stamp(name)
        stamp = self._loaded[name]
        self._started += 1
        if self.fails_to_start & {name, stamp}:
            self._failed.add(name)
            return
        self._failed.discard(name)
        self._runs[name] = _Run(self._started, stamp)

    def _ask(self, what: str) -> None:
        """Nothing is asked of a device without power."""
        self._files.stat("/")
        self.calls.append(what)

    def _is_enabled(self, name: str) -> bool:
        return self._files.stat(f"{WANTS}/{name}") is not None

    def _is_there(self, name: str) -> bool:
        return any(self._is_file(f"{folder}/{name}") for folder in (FOLDER, PACKAGES))

    def _stamp(self, name: str) -> str:
        """That of our drop-in, which comes last."""
        dropin = f"{FOLDER}/{name}.d/{DROPIN}"
        text = b"".join(self._files.read(dropin)).decode() if self._is_file(dropin) else ""
        said = (line.removeprefix(STARTED_WITH) for line in text.splitlines() if line.startswith(STARTED_WITH))
        return next(said, "")

    def _is_file(self, path: str) -> bool:
        stat = self._files.stat(path)
        return stat is not None and stat.type is FileType.FILE
