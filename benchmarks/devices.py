"""One device of a large repo: what the others cost it, with 10 and with 10,000 of them."""

import argparse
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from pairs import compared, seconds
from peers import GIT, HEAD, RECONCILER, git


class Fleet:
    """A repo of so many devices, and a root of the first one of them."""

    def __init__(self, folder: Path, count: int) -> None:
        self.repo, self.root, self._commits = folder / "repo", folder / "root", 0
        (self.repo / "devices").mkdir(parents=True)
        self.root.mkdir()
        git(self.repo, "init", "-q", "-b", "main")
        for number in range(count):
            self._write(number, "0")
        self._commit()

    def sync(self) -> float:
        words = [*RECONCILER, "--root", str(self.root), "sync"]
        told = {"RECONCILER_DEVICE": "pi-0", "RECONCILER_REPO__URL": str(self.repo)}
        return seconds(lambda: subprocess.run(words, env={**os.environ, **told}, check=True, capture_output=True))

    def first(self) -> float:
        shutil.rmtree(self.root)
        self.root.mkdir()
        return self.sync()

    def after_a_commit_to(self, number: int) -> float:
        self._commits += 1
        self._write(number, str(self._commits))
        self._commit()
        return self.sync()

    def bare(self) -> float:
        """What git itself takes to say where the head is."""
        words = ["git", "ls-remote", str(self.repo), "refs/heads/main"]
        return seconds(lambda: subprocess.run(words, env=GIT, check=True, capture_output=True))

    def _write(self, number: int, text: str) -> None:
        """Some thirty lines, as devices have."""
        files = "".join(f'    /srv/{n}: {{content: "{text}", mode: "0644"}}\n' for n in range(30))
        document = f"{HEAD.replace('name: pi', f'name: pi-{number}')}  files:\n{files}"
        (self.repo / f"devices/pi-{number}.yaml").write_text(document)

    def _commit(self) -> None:
        git(self.repo, "add", "-A")
        git(self.repo, "commit", "-q", "-m", "x")


DEEDS: Mapping[str, Callable[[Fleet], float]] = {
    "the first sync": Fleet.first,
    "a sync that finds nothing new": Fleet.sync,
    "a sync after a commit to this device": lambda fleet: fleet.after_a_commit_to(0),
    "a sync after a commit to another": lambda fleet: fleet.after_a_commit_to(1),
    "git ls-remote": Fleet.bare,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10,10000")
    parser.add_argument("--runs", type=int, default=7)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="reconciler-bench-"))
    try:
        fleets = {size: Fleet(folder / size, int(size)) for size in asked.sizes.split(",")}
        for what, deed in DEEDS.items():
            deeds = {f"of {size} devices": partial(deed, fleet) for size, fleet in fleets.items()}
            compared(what, deeds, asked.runs)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
