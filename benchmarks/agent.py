"""The running agent: how soon a push is converged and drift is put back, and what it costs while nothing happens."""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pairs import show
from peers import HEAD, RECONCILER, commit, files_section, paths

MEMORY = Path("/dev/shm")
FILES, PATIENCE_S, SETTLED_S = 1000, 60, 5
APP = """\
apiVersion: reconciler/v1
kind: App
metadata: {{name: web}}
spec:
  source: {{files: {{path: files}}}}
  health:
    soak: 1s
    checks: {{door: {{tcp: {{port: {port}}}}}, alive: {{exec: {{command: ["/bin/true"]}}}}}}
"""


@dataclass(frozen=True, slots=True)
class Count:
    """Of one process: KB of memory, its own and with its part of what is shared; wake-ups; bytes sent to a disk."""

    resident: int
    proportional: int
    woken: int
    written: int

    @classmethod
    def of(cls, pid: int) -> "Count":
        status, rollup, io = (_table(pid, name) for name in ("status", "smaps_rollup", "io"))
        return cls(
            int(status["VmRSS"].split()[0]),
            int(rollup["Pss"].split()[0]),
            int(status["voluntary_ctxt_switches"]),
            int(io["write_bytes"]),
        )


def _table(pid: int, name: str) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


class Agent:
    """One that follows a repo of its own, and has brought what stands in it."""

    def __init__(self, folder: Path, documents: dict[str, str], use: str = "") -> None:
        self.repo, self.root, self._use = folder / "repo", folder / "root", use
        self.root.mkdir(parents=True)
        if MEMORY.is_dir():  # as on a device, where what lies in /run is sent to no disk
            (self.root / "run").symlink_to(tempfile.mkdtemp(prefix="reconciler-bench-", dir=MEMORY))
        commit(self.repo, {**documents, **self._device("0")})
        environment = {**os.environ, "RECONCILER_DEVICE": "pi", "RECONCILER_REPO__URL": str(self.repo)}
        words = [*RECONCILER, "--root", str(self.root), "run"]
        self.process = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
        self.motd = self.root / "etc/motd"

    def push(self, text: str) -> float:
        """Seconds from the end of the commit until the file is so."""
        commit(self.repo, self._device(text))
        return until(lambda: self.motd.exists() and self.motd.read_text() == text)

    def spoil(self, number: int) -> float:
        """Seconds from drift of a file until it is mended."""
        file = self.root / paths(FILES)[number].lstrip("/")
        before = file.read_text()
        file.write_text("drift")
        return until(lambda: file.read_text() == before)

    def _device(self, text: str) -> dict[str, str]:
        motd = f'    /etc/motd: {{content: "{text}"}}\n'
        return {"devices/pi.yaml": f"{HEAD}{self._use}{files_section(FILES)}{motd}"}


@contextmanager
def running(folder: Path, documents: dict[str, str], use: str = "") -> Iterator[Agent]:
    agent = Agent(folder, documents, use)
    try:
        until(agent.motd.exists)
        yield agent
    finally:
        agent.process.kill()
        agent.process.wait()
        shutil.rmtree((agent.root / "run").resolve())


def until(holds: Callable[[], bool]) -> float:
    begun = time.perf_counter()
    while not holds():
        if time.perf_counter() - begun > PATIENCE_S:
            sys.exit("error: it did not come")
        time.sleep(0.0005)
    return time.perf_counter() - begun


def rest(agents: dict[str, Agent], span: float) -> None:
    """What they do while nothing happens, all at the same time."""
    time.sleep(SETTLED_S)
    before = {name: Count.of(agent.process.pid) for name, agent in agents.items()}
    time.sleep(span)
    print(f"\nat rest for {span:.0f} s with {FILES} files and the default interval; load {os.getloadavg()[0]:.1f}")
    for name, agent in agents.items():
        then, now = before[name], Count.of(agent.process.pid)
        memory = f"RSS {now.resident / 1024:.1f} MB, PSS {now.proportional / 1024:.1f} MB"
        woken = f"{(now.woken - then.woken) / span:.2f} wake-ups a second"
        print(f"  {name:22} {memory}, {woken}, {now.written - then.written} bytes to disk")


def react(agent: Agent, runs: int) -> None:
    pushes, repairs = [], []
    for number in range(1, runs + 1):
        pushes.append(agent.push(str(number)))
        time.sleep(1)
        repairs.append(agent.spoil(number))
        time.sleep(1)
    show(f"the agent reacts, with {FILES} files", {"commit until converged": pushes, "drift until mended": repairs})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--rest", type=float, default=125, help="seconds; two intervals are 120")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="reconciler-bench-"))
    try:
        with ExitStack() as open_:
            door = open_.enter_context(socket.create_server(("127.0.0.1", 0)))
            app = {"apps/web/app.yaml": APP.format(port=door.getsockname()[1]), "apps/web/files/x": ""}
            alone = open_.enter_context(running(folder / "alone", {}))
            with_app = open_.enter_context(running(folder / "app", app, "  apps: {web: {version: '1'}}\n"))
            until((with_app.root / "opt/web/current").exists)
            rest({"files": alone, "and an app, 2 checks": with_app}, asked.rest)
            react(alone, asked.runs)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
