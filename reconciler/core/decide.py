"""The whole state machine: from how far a plan has come to what to do next.

To start, to go on and to recover are one path. Forward, wave by wave; where a plan that changes the generation fails,
back, wave by wave, each step that may have begun; then it is closed. Nothing else can happen, so every plan ends.
"""

from dataclasses import dataclass

from reconciler.core.journal import Fault, Mark, Outcome, Progress, Purpose

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
class Close:
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Rest:
    """The plan is closed."""


Move = Apply | Turn | Undo | Close | Rest

_MAY_HAVE_HAPPENED = frozenset({Mark.BEGUN, Mark.DONE, Mark.FAILED, Mark.UNDOING})
_TO_BRING = frozenset({Mark.WAITING, Mark.BEGUN})


def decide(progress: Progress) -> Move:
    if progress.closed is not None:
        return Rest()
    return _back(progress) if progress.turned else _forward(progress)


def _forward(progress: Progress) -> Move:
    first_fault = next(iter(progress.faults.values()), None)
    is_taken_back = progress.opened.purpose is not Purpose.REPAIR
    if first_fault and is_taken_back:
        return Turn(first_fault)
    for wave in _waves(progress):
        steps = tuple(step for step in wave if progress.marks[step] in _TO_BRING and _is_free(step, progress))
        if steps and is_taken_back and progress.resumes >= MAX_RESUMES:
            return Turn(Fault("interrupted", f"the plan was interrupted {progress.resumes} times"))
        if steps:
            return Apply(steps)
    return Close(Outcome.FAILED if first_fault else Outcome.CONVERGED)


def _back(progress: Progress) -> Move:
    for wave in reversed(_waves(progress)):
        steps = tuple(step for step in wave if progress.marks[step] in _MAY_HAVE_HAPPENED)
        if steps:
            return Undo(steps)
    return Close(Outcome.STUCK if Mark.STUCK in progress.marks else Outcome.REVERTED)


def _waves(progress: Progress) -> list[range]:
    starts, first = [], 0
    for wave in progress.plan.waves:
        starts.append(range(first, first + len(wave)))
        first += len(wave)
    return starts


def _is_free(step: int, progress: Progress) -> bool:
    """Whether nothing that the step needs has failed, or waits for something that has."""
    if not progress.faults:
        return True
    steps = progress.steps
    lost = {steps[failed].resource for failed in progress.faults}
    for other in steps:
        if lost.intersection(other.needs):
            lost.add(other.resource)
    return steps[step].resource not in lost
