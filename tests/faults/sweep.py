"""One fault at one point, then plain syncs: what they come to is what an uninterrupted sync comes to, within two.

At once after the fault each path must hold what it held before, or what it is to hold, whole.
"""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.faults import disk as disks
from tests.faults.calls import AGENT, Point, inject, landed, look, measure, run, start
from tests.faults.scenario import DEADLINE, STATE, Ended, Scene, Snapshot, difference, snapshot, sync, torn, tree

MOST_SYNCS = 2
STOPPED = "stopped by SIGSTOP"
KILLED = "killed by SIGKILL"
INJECTED = "(INJECTED)"
MODES = {disks.KEEP_JOURNAL: "keep journal, lose data", disks.DROP_JOURNAL: "drop journal's tail"}
ERRORS = ("ENOSPC", "EIO", "EROFS")


@dataclass
class Outcome:
    """What came of one fault. `syncs` is how many plain ones it took; none where the fault itself took no harm."""

    point: Point
    fault: str
    reached: bool = True
    syncs: int = 0
    cuts: int = 0
    wrong: list[str] = field(default_factory=list)


Shot = Callable[[], Outcome]


class Range:
    """Where faults are shot: a scene, its points, and a folder for each shot."""

    def __init__(self) -> None:
        self.scene = Scene()
        try:
            with self._folder() as folder:
                root = self.scene.copy_to(folder)
                self.points, self.looks = measure(root, folder)
                self._expect_after(root)
            can_cut = disks.why_not() is None
            self.image = disks.make(self.scene.folder / "first", self.scene.folder) if can_cut else Path()
        except BaseException:
            self.scene.close()
            raise

    def close(self) -> None:
        self.scene.close()

    def kill(self, point: Point) -> Outcome:
        """The process that makes the call is killed at its entry."""
        outcome = Outcome(point, "kill -9")
        with self._folder() as folder:
            root = self.scene.copy_to(folder)
            ended = run(inject(point, "signal=SIGKILL", folder), root, folder)
            outcome.reached = landed(folder, KILLED, point, root)
            if point.process != AGENT:
                outcome.wrong += _misbehaved(ended)
            self._expect_whole(root, outcome)
            self._converge(root, outcome)
        return outcome

    def orphan(self, point: Point) -> Outcome:
        """The agent is killed while its git makes the call; git goes on, and the next sync comes while it does."""
        outcome = Outcome(point, "kill -9 of the agent alone")
        with self._folder() as folder:
            root = self.scene.copy_to(folder)
            with self._stopped_at(point, root, folder) as (agent, reached):
                outcome.reached = reached
                left = _below(agent.pid)
                agent.kill()
                agent.wait()
                self._expect_whole(root, outcome)
                next_one = ThreadPoolExecutor(1)
                following = next_one.submit(sync, root)
                time.sleep(0.2)
                for pid in left:
                    _tell(pid, signal.SIGCONT)
                outcome.wrong += _misbehaved(following.result())
                next_one.shutdown()
            self._converge(root, outcome)
        return outcome

    def error(self, point: Point, error: str) -> Outcome:
        """The call is refused. The sync says so in a line and ends with 1, or does without that call."""
        outcome = Outcome(point, error)
        with self._folder() as folder:
            root = self.scene.copy_to(folder)
            ended = run(inject(point, f"error={error}", folder), root, folder)
            outcome.reached = landed(folder, INJECTED, point, root)
            outcome.wrong += _misbehaved(ended)
            self._expect_whole(root, outcome)
            self._expect_told(root, ended, outcome)
            if point.process != AGENT and point.call.startswith("unlink"):
                # A git that may not delete says nothing of it; what it leaves goes before the next fetch.
                shutil.rmtree(root / STATE / "repo")
            self._converge(root, outcome)
        return outcome

    def cut(self, point: Point, mode: int, seed: int | None = None, skipped: str | None = None) -> Outcome:
        """The power fails when the call is made. With a seed it fails once more, somewhere in the recovery.

        A call that is `skipped` did nothing until then, as in an agent that somebody forgot it in.
        """
        outcome = Outcome(point, f"power cut, {MODES[mode]}{'' if seed is None else f', and again by seed {seed}'}")
        with self._folder() as folder, disks.copy_of(self.image, folder) as disk:
            outcome.reached = self._cut(disk, mode, point, folder, skipped)
            outcome.cuts += 1
            self._expect_whole(disk.root, outcome)
            if seed is not None:
                chance = random.Random(f"{seed} {mode} {point}")
                likely = [other for other in self.points if other.process == AGENT and other.call != "openat"]
                with self._folder() as again:
                    outcome.cuts += self._cut(disk, mode, chance.choice(likely), again)
                self._expect_whole(disk.root, outcome)
            self._converge(disk.root, outcome)
        return outcome

    def cut_after_success(self, mode: int) -> Outcome:
        """What was reported as done is on the disk."""
        outcome = Outcome(Point(AGENT, "exit", 0, "the sync ended well"), f"power cut, {MODES[mode]}", cuts=1)
        with self._folder() as folder, disks.copy_of(self.image, folder) as disk:
            outcome.wrong += [f"status {ended.status}" for ended in [sync(disk.root)] if ended.status]
            disk.cut(mode)
            disk.unplug()
            disk.plug_in()
            lines = difference(_managed(self.scene.after), tree(disk.root))
            outcome.wrong += [f"success reported, but {line}" for line in lines]
            self._converge(disk.root, outcome)
        return outcome

    def look(self) -> Outcome:
        """A second sync changes nothing, and the one before it is seen to change much."""
        outcome = Outcome(Point(AGENT, "all", 0, "a second sync"), "look")
        with self._folder() as folder:
            root = self.scene.copy_to(folder)
            first = look(root, folder)
            for deed in ("renameat(", f"{STATE}/repo/"):
                if not any(deed in line for line in first):
                    outcome.wrong.append(f"the control failed: no {deed} was seen in the first sync")
            outcome.wrong += look(root, folder)
            outcome.wrong += difference(self.scene.after, snapshot(root))
        return outcome

    def _cut(self, disk: disks.Disk, mode: int, point: Point, folder: Path, skipped: str | None = None) -> bool:
        with self._stopped_at(point, disk.root, folder, skipped) as (_, reached):
            disk.cut(mode)
        disk.unplug()
        disk.plug_in()
        return reached

    @contextmanager
    def _stopped_at(
        self, point: Point, root: Path, folder: Path, skipped: str | None = None
    ) -> Iterator[tuple["subprocess.Popen[str]", bool]]:
        """A sync that stands still at the point, or has ended before it. Afterwards nothing of it is left."""
        agent = start(inject(point, "signal=SIGSTOP", folder, skipped), root, folder)
        try:
            end = time.monotonic() + DEADLINE
            while not _is_stopped(folder) and agent.poll() is None and time.monotonic() < end:
                time.sleep(0.005)
            yield agent, landed(folder, STOPPED, point, root)
        finally:
            for pid in (*_below(agent.pid), agent.pid):
                _tell(pid, signal.SIGKILL)
            agent.wait()

    def _converge(self, root: Path, outcome: Outcome) -> None:
        lines: Sequence[str] = ()
        for outcome.syncs in range(1, MOST_SYNCS + 1):
            ended = sync(root)
            outcome.wrong += _misbehaved(ended)
            lines = difference(self.scene.after, snapshot(root))
            if not lines and ended.status == 0:
                return
        outcome.wrong += [f"after {MOST_SYNCS} syncs: {line}" for line in lines or [f"status {ended.status}"]]
        outcome.wrong += [f"said: {line}" for line in ended.err.splitlines()[-3:]]

    def _expect_whole(self, root: Path, outcome: Outcome) -> None:
        outcome.wrong += torn(tree(root), self.scene.before, self.scene.after)

    def _expect_told(self, root: Path, ended: Ended, outcome: Outcome) -> None:
        """Success is the new state, and a plan that was closed left the old one or the new one, nothing in between."""
        seen = snapshot(root)
        if ended.status == 0:
            lines = difference(_managed(self.scene.after), _managed(seen))
            outcome.wrong += [f"success reported, but {line}" for line in lines]
        elif seen["journal"] == "closed":
            is_new = seen["applied"] == self.scene.after["applied"]
            expected = self.scene.after if is_new else self.scene.before
            lines = difference(_managed(expected), _managed(seen))
            outcome.wrong += [f"the plan is closed, but {line}" for line in lines]

    def _expect_after(self, root: Path) -> None:
        if lines := difference(self.scene.after, snapshot(root)):
            raise AssertionError(f"two uninterrupted runs differ: {lines}")

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix="shot-", dir=self.scene.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def stratified(points: Iterable[Point], most: int | None, seed: int = 0) -> list[Point]:
    """The first, middle and last of each call of each process, then others by chance, up to `most`."""
    every = list(points)
    if most is None or most >= len(every):
        return every
    chosen = first_middle_last(every)
    chance = random.Random(seed)
    if len(chosen) > most:
        return chance.sample(chosen, most)
    rest = [point for point in every if point not in set(chosen)]
    return chosen + chance.sample(rest, most - len(chosen))


def first_middle_last(points: Iterable[Point]) -> list[Point]:
    """Of each call of each process."""
    chosen = []
    for _, group in groupby(sorted(points, key=_stratum), key=_stratum):
        same = list(group)
        chosen += [same[n] for n in sorted({0, len(same) // 2, len(same) - 1})]
    return chosen


def shoot(shots: Sequence[Shot], jobs: int) -> Iterator[Outcome]:
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda shot: shot(), shots)


def _managed(seen: Snapshot) -> Snapshot:
    return {key: state for key, state in seen.items() if key.startswith("/")}


def _stratum(point: Point) -> tuple[str, str]:
    return point.process, point.call


def _is_stopped(folder: Path) -> bool:
    with suppress(FileNotFoundError):
        return STOPPED in (folder / "landed.log").read_text(errors="replace")
    return False


def _misbehaved(ended: Ended) -> list[str]:
    """How a sync that met a fault may not end."""
    lines = ended.err.splitlines()
    wrong = [line for line in lines if "Traceback" in line or "reconciler itself failed" in line]
    if ended.status not in (0, 1):
        wrong.append(f"ended with {ended.status}: {ended.err[-200:]}")
    if ended.status == 1 and not any(line.startswith("error: ") for line in lines):
        wrong.append(f"ended with 1 and said no error: {ended.err[-200:]}")
    return wrong


def _below(pid: int) -> list[int]:
    """All descendants, also those that lead a session of their own."""
    found = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
            found += [each for child in children for each in (int(child), *_below(int(child)))]
    return found


def _tell(pid: int, what: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, what)
