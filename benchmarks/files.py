"""Many small files: the first pass, one that finds nothing to do, one that mends ten; as a command, and in the agent.

The floor is a loop in Python that looks at each file, and one that also reads and hashes it, and nothing else.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pairs import Deed, compared, seconds, show, timed
from peers import ALL, Peer, Puppet, Reconciler, there

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


class Resident:
    """A process that has assembled an agent; it does one thing at a time, and says how long that took."""

    def __init__(self, ours: Peer) -> None:
        words = [sys.executable, str(Path(__file__).with_name("resident.py")), str(ours.root)]
        self._process = subprocess.Popen(
            words, env=ours.environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def deed(self, what: str) -> Deed:
        def ask() -> float:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(f"{what}\n")
            self._process.stdin.flush()
            return float(self._process.stdout.readline())

        return ask

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def resident(ours: Peer) -> Iterator[Resident]:
    process = Resident(ours)
    try:
        yield process
    finally:
        process.close()


def measure(kinds: list[type[Peer]], count: int, runs: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="reconciler-bench-"))
    try:
        peers = [kind(folder, count) for kind in kinds]
        first(peers, count, max(runs // 2, 3))
        nothing_to_do(peers, count, runs)
        repair(peers, count, runs)
    finally:
        shutil.rmtree(folder)


def first(peers: list[Peer], count: int, runs: int) -> None:
    found: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for _ in range(runs):
        for peer in peers:
            peer.forget()
            found[peer.name].append(seconds(peer.pass_))
            peer.check()
    show(f"{count} files, the first pass", found)


def nothing_to_do(peers: list[Peer], count: int, runs: int) -> None:
    ours = peers[0]
    bare = [sys.executable, "-c", FLOOR, str(ours.root / "srv")]
    commands = {peer.name: timed(peer.pass_) for peer in peers}
    floor = {"a Python that reads and hashes": timed(lambda: subprocess.run(bare, check=True))}
    compared(f"{count} files, nothing to do, as a command", {**commands, **floor}, runs)
    with resident(ours) as agent:
        agent.deed("pass")()
        inside = {
            "a pass of the agent": agent.deed("pass"),
            "a loop of lstat": agent.deed("lstat"),
            "a loop that reads and hashes": agent.deed("read"),
        }
        commands = {name: deed for name, deed in commands.items() if name not in (Reconciler.name, Puppet.name)}
        compared(f"{count} files, nothing to do, in the agent", {**inside, **commands}, runs)


def repair(peers: list[Peer], count: int, runs: int) -> None:
    found: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for _ in range(runs):
        for peer in peers:
            peer.spoil()
            found[peer.name].append(seconds(peer.pass_))
    for peer in peers:
        peer.check()
    show(f"{count} files, ten to mend, as a command", found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="100,1000,5000")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="without the others")
    asked = parser.parse_args()
    kinds = there(ALL[:1] if asked.alone else ALL)
    for size in asked.sizes.split(","):
        measure(kinds, int(size), asked.runs)


if __name__ == "__main__":
    main()
