"""Many small files: what a pass costs that finds nothing to do, one that mends ten, and the first one.

Whole processes, median wall seconds, in turn. The floor is a loop in Python that looks at each file, reads and hashes
it, and nothing else.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RECONCILER = [sys.executable, "-m", "reconciler"]
FLOOR = """
import hashlib, os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = os.path.join(folder, name)
        os.lstat(path)
        fd = os.open(path, os.O_RDONLY)
        hashlib.sha256(os.read(fd, 4096)).digest()
        os.close(fd)
"""
GIT = {**os.environ, **dict.fromkeys(("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"), "/dev/null")}
GIT |= {f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def content(number: int) -> str:
    return f"{number:06d} " + "x" * 392


def paths(count: int) -> list[str]:
    return [f"/srv/d{number % (count // 10)}/f{number}" for number in range(count)]


class Ours:
    """A repo, a root, and the command."""

    def __init__(self, folder: Path, count: int) -> None:
        self.repo, self.root = folder / "repo", folder / "root"
        (self.repo / "devices").mkdir(parents=True)
        self.root.mkdir()
        files = (f'    {path}: {{content: "{content(n)}", mode: "0640"}}\n' for n, path in enumerate(paths(count)))
        head = "apiVersion: reconciler/v1\nkind: Device\nmetadata: {name: pi}\nspec:\n  files:\n"
        (self.repo / "devices/pi.yaml").write_text(head + "".join(files))
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
            subprocess.run(["git", *words], cwd=self.repo, env=GIT, check=True)
        self.environment = {**os.environ, "RECONCILER_DEVICE": "pi", "RECONCILER_REPO__URL": str(self.repo)}

    def pass_(self) -> None:
        words = [*RECONCILER, "--root", str(self.root), "sync", "-o", "json"]
        subprocess.run(words, env=self.environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class CfEngine:
    """One promise a file, run to the end, as root or not; its work directory is its own."""

    def __init__(self, folder: Path, count: int) -> None:
        self.root, self.work = folder / "cfroot", folder / "cf"
        self.root.mkdir()
        (self.work / "inputs").mkdir(parents=True)
        for name in ("bin", "outputs", "ppkeys", "state", "modules"):
            (self.work / name).mkdir(mode=0o700)
        rest = 'create => "true", perms => m, edit_defaults => whole, edit_line => line'
        promises = (f'"{self.root}{path}" {rest}("{content(n)}");\n' for n, path in enumerate(paths(count)))
        self.policy = self.work / "inputs/promises.cf"
        self.policy.write_text(
            'body common control { bundlesequence => { "main" }; }\n'
            'body perms m { mode => "0640"; }\nbody edit_defaults whole { empty_file_before_editing => "true"; '
            'edit_backup => "false"; }\nbundle edit_line line(x) { insert_lines: "$(x)"; }\n'
            f"bundle agent main {{ files:\n{''.join(promises)}}}\n"
        )
        os.chmod(self.policy, 0o600)

    def pass_(self) -> None:
        words = ["cf-agent", "-K", "-w", str(self.work), "-f", str(self.policy)]
        subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def seconds(deed: Callable[[], None]) -> float:
    begun = time.perf_counter()
    deed()
    return time.perf_counter() - begun


def spoil(root: Path, count: int) -> None:
    for path in paths(count)[:: count // 10]:
        (root / path.lstrip("/")).write_text("spoiled")


def measure(count: int, runs: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="reconciler-bench-"))
    try:
        ours = Ours(folder, count)
        rivals: list[Ours | CfEngine] = [ours]
        if shutil.which("cf-agent"):
            rivals.append(CfEngine(folder, count))
        for rival in rivals:
            print(f"{count:6}  first pass     {type(rival).__name__:9} {seconds(rival.pass_):8.3f} s")
        rows: dict[str, list[float]] = {}
        for _ in range(runs):
            rows.setdefault("floor", []).append(
                seconds(lambda: subprocess.run([sys.executable, "-c", FLOOR, str(ours.root / "srv")], check=True))
            )
            for rival in rivals:
                rows.setdefault(f"no-op {type(rival).__name__}", []).append(seconds(rival.pass_))
                spoil(rival.root, count)
                rows.setdefault(f"repair {type(rival).__name__}", []).append(seconds(rival.pass_))
        floor = statistics.median(rows["floor"])
        for name, found in rows.items():
            median = statistics.median(found)
            spread = f"{min(found):.3f}-{max(found):.3f}"
            print(f"{count:6}  {name:16} {median:8.3f} s  {spread:13}  {median / floor:6.1f} x the floor")
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="100,1000,5000")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    for size in asked.sizes.split(","):
        measure(int(size), asked.runs)


if __name__ == "__main__":
    main()
