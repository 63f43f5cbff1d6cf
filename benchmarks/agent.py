"""The running agent: how soon a push is converged and drift is put back, and what it costs while nothing happens."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from files import GIT, RECONCILER

RUNS, IDLE_S, FILES = 15, 20, 1000
HEAD = "apiVersion: reconciler/v1\nkind: Device\nmetadata: {name: pi}\nspec:\n  files:\n"


def until(holds: Callable[[], bool]) -> float:
    begun = time.perf_counter()
    while not holds():
        if time.perf_counter() - begun > 30:
            sys.exit("error: it did not come")
        time.sleep(0.0005)
    return time.perf_counter() - begun


def commit(repo: Path, text: str) -> None:
    others = "".join(f'    /srv/d{n % 100}/f{n}: {{content: "{n}"}}\n' for n in range(FILES))
    (repo / "devices/pi.yaml").write_text(f'{HEAD}    /etc/motd: {{content: "{text}"}}\n{others}')
    for words in (["add", "-A"], ["commit", "-q", "-m", text]):
        subprocess.run(["git", *words], cwd=repo, env=GIT, check=True)


def counters(pid: int) -> tuple[int, int, int]:
    """Resident KB, voluntary switches, bytes sent to a disk."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    written = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(status["VmRSS"].split()[0]), int(status["voluntary_ctxt_switches"]), int(written["write_bytes"])


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="reconciler-bench-"))
    repo, root = folder / "repo", folder / "root"
    (repo / "devices").mkdir(parents=True)
    root.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=repo, env=GIT, check=True)
    commit(repo, "0")
    environment = {**os.environ, "RECONCILER_DEVICE": "pi", "RECONCILER_REPO__URL": str(repo)}
    words = [*RECONCILER, "--root", str(root), "run"]
    agent = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    motd = root / "etc/motd"
    try:
        until(lambda: motd.exists() and motd.read_text() == "0")
        time.sleep(2)
        before = counters(agent.pid)
        time.sleep(IDLE_S)
        after = counters(agent.pid)
        print(f"idle with {FILES} files: {after[0] / 1024:.1f} MB, ", end="")
        print(f"{(after[1] - before[1]) / IDLE_S:.2f} wake-ups a second, {after[2] - before[2]} bytes to disk")
        pushes, repairs = [], []
        for number in range(1, RUNS + 1):
            commit(repo, str(number))
            pushes.append(until(lambda text=str(number): motd.read_text() == text))
            time.sleep(0.7)
        for _ in range(4):  # a fifth in a row would be flapping
            motd.write_text("drift")
            repairs.append(until(lambda: motd.read_text() == str(RUNS)))
            time.sleep(0.7)
        for name, found in (("commit → converged", pushes), ("drift → put back", repairs)):
            median, spread = statistics.median(found) * 1000, f"{min(found) * 1000:.0f}-{max(found) * 1000:.0f}"
            print(f"{name}: median {median:.0f} ms, {spread}")
    finally:
        agent.kill()
        agent.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
