"""The whole state machine: from how far a plan has come to what to do next.

To start, to go on and to recover are one path. Forward, wave by wave; then what came has to prove itself; then leaves
what is to leave. Where a plan that changes the generation fails before that, back, wave by wave, each step that may
have begun, and what runs last, since it runs on the others; then it is closed. What has proven itself is not taken back
because something old could not be removed: that is drift, and a later plan's. So every plan ends.
"""

from dataclasses import dataclass

from reconciler.core.identity import ResourceId
from reconciler.core.journal import Fault, Mark, Outcome, Progress, Purpose
from reconciler.core.state import Absent
from reconciler.core.step import Step

MAX_RESUMES = 3
"""A plan that takes the agent down with it this often is taken back: it may be what takes it down."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Bring these steps; they may run together."""

    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """Take the plan back from here on."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Undo:
    """Take these steps back; they may run together."""

    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prove:
    """All of it was brought: is it well, and does it stay so?"""


@dataclass(frozen=True, slots=True)
class Close:
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Rest:
    """The plan is closed."""


Move = Apply | Turn | Undo | Prove | Close | Rest

MAY_HAVE_HAPPENED = frozenset({Mark.BEGUN, Mark.DONE, Mark.FAILED, Mark.UNDOING})
_TO_BRING = frozenset({Mark.WAITING, Mark.BEGUN})


def decide(progress: Progress) -> Move:
    if progress.closed is not None:
        return Rest()
    return _back(progress) if progress.turned else _forward(progress)


def _forward(progress: Progress) -> Move:
    first_fault = next(iter(progress.faults.values()), None)
    is_taken_back = progress.opened.purpose is not Purpose.REPAIR and not progress.is_proven
    if first_fault and is_taken_back:
        return Turn(first_fault)
    lost = _lost(progress)
    planned = progress.steps
    for number, wave in enumerate(_waves(progress)):
        if number == progress.plan.farewell and is_taken_back:
            break
        steps = tuple(n for n in wave if progress.marks[n] in _TO_BRING and planned[n].resource not in lost)
        if steps and is_taken_back and progress.resumes >= MAX_RESUMES:
            return _interrupted(progress.resumes)
        if steps:
            return Apply(steps)
    if progress.is_proven:
        return Close(Outcome.CONVERGED)
    if not is_taken_back:
        return Close(Outcome.FAILED if first_fault else Outcome.CONVERGED)
    return _interrupted(progress.lost_trials) if progress.lost_trials >= MAX_RESUMES else Prove()


def _interrupted(times: int) -> Turn:
    return Turn(Fault("interrupted", f"the plan was interrupted {times} times"))


def _back(progress: Progress) -> Move:
    """First what does not run, or did not before; then what ran before, on what is as it was then."""
    waves, steps = _waves(progress), progress.steps
    first = [[step for step in wave if not _ran(steps[step])] for wave in reversed(waves)]
    gone = [[step for step in wave if _ran(steps[step]) and _left(steps[step])] for wave in reversed(waves)]
    last = [[step for step in wave if _ran(steps[step]) and not _left(steps[step])] for wave in waves]
    for wave in (*first, *gone, *last):
        undo = tuple(step for step in wave if progress.marks[step] in MAY_HAVE_HAPPENED)
        if undo:
            return Undo(undo)
    return Close(Outcome.STUCK if Mark.STUCK in progress.marks else Outcome.REVERTED)


def _ran(step: Step) -> bool:
    return step.runs and not isinstance(step.before, Absent)


def _left(step: Step) -> bool:
    return isinstance(step.after, Absent)


def _waves(progress: Progress) -> list[range]:
    starts, first = [], 0
    for wave in progress.plan.waves:
        starts.append(range(first, first + len(wave)))
        first += len(wave)
    return starts


def _lost(progress: Progress) -> set[ResourceId]:
    """What has failed, and what needs that, or waits for something that does."""
    planned = progress.steps
    lost = {planned[failed].resource for failed in progress.faults}
    for step in planned if lost else ():
        if lost.intersection(step.needs):
            lost.add(step.resource)
    return lost
