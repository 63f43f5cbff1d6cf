"""Entries are written before and after each effect, so whoever reads the list, also after a power cut, knows how far
the plan has come.

How far it has come is a fold over what is written, and is stored nowhere else. Steps are named by their position in
the plan, counted from zero over all waves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from typing import assert_never

from reconciler.core.errors import ForeignFormat
from reconciler.core.identity import Generation, ResourceId, Revision
from reconciler.core.plan import Plan
from reconciler.core.step import Step


class Purpose(StrEnum):
    """Why a plan is carried out. Only a plan that changes the generation is taken back when it fails."""

    NEW = "new"
    ROLLBACK = "rollback"
    REPAIR = "repair"


class Outcome(StrEnum):
    CONVERGED = "converged"
    FAILED = "failed"
    REVERTED = "reverted"
    SUPERSEDED = "superseded"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something did not work, for people and for the decision whether to try again.

    `evidence` is what was seen, line by line: what was asked and answered, and the last lines of a log.
    """

    code: str
    message: str
    transient: bool = False
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """The plan will be carried out; its pre-images and payloads are stored.

    `commit` is the one that asks for it now; `taken_on` is what we own from here on.
    """

    plan: Plan
    generation: Generation
    purpose: Purpose
    commit: Revision
    taken_on: tuple[ResourceId, ...] = ()


@dataclass(frozen=True, slots=True)
class Resumed:
    """A process found the plan open: the one before it ended in the middle."""


@dataclass(frozen=True, slots=True)
class Begun:
    """From now on the effects of these steps may have happened, whole or in part."""

    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """These resources were seen to be as desired."""

    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Proved:
    """What was brought has proven itself; what leaves may leave."""


@dataclass(frozen=True, slots=True)
class Failed:
    step: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Turned:
    """The plan is being taken back from here on, whatever happens."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Undoing:
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """These resources were seen to be as they were before."""

    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stuck:
    """This step could not be taken back."""

    step: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Closed:
    outcome: Outcome


Entry = Opened | Resumed | Begun | Done | Proved | Failed | Turned | Undoing | Undone | Stuck | Closed


class Mark(Enum):
    """How far one step has come."""

    WAITING = auto()
    BEGUN = auto()
    DONE = auto()
    FAILED = auto()
    UNDOING = auto()
    UNDONE = auto()
    STUCK = auto()


_MARK_OF: Mapping[type[Entry], Mark] = {
    Begun: Mark.BEGUN,
    Done: Mark.DONE,
    Failed: Mark.FAILED,
    Undoing: Mark.UNDOING,
    Undone: Mark.UNDONE,
    Stuck: Mark.STUCK,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """What the entries of one plan add up to. `lost_trials` of the `resumes` found it on trial."""

    opened: Opened
    marks: tuple[Mark, ...]
    faults: Mapping[int, Fault] = field(default_factory=dict)
    turned: Fault | None = None
    resumes: int = 0
    lost_trials: int = 0
    is_proven: bool = False
    closed: Outcome | None = None

    @property
    def plan(self) -> Plan:
        return self.opened.plan

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.plan.steps

    @property
    def is_on_trial(self) -> bool:
        """Whether all that comes has come, and nothing says yet that it is well."""
        coming = sum(len(wave) for wave in self.plan.waves[: self.plan.farewell])
        return not (self.is_proven or self.turned) and all(mark is Mark.DONE for mark in self.marks[:coming])


def replay(entries: Iterable[Entry]) -> Progress | None:
    """None where nothing was opened. Raises ForeignFormat where the entries are in an impossible order."""
    progress: Progress | None = None
    for entry in entries:
        if isinstance(entry, Opened):
            if progress is not None and progress.closed is None:
                raise ForeignFormat("cannot read the journal: a plan was opened while another was open")
            progress = Progress(entry, (Mark.WAITING,) * len(entry.plan.steps))
        elif progress is None or progress.closed is not None:
            raise ForeignFormat("cannot read the journal: an entry belongs to no open plan")
        else:
            progress = _advance(progress, entry)
    return progress


def advance(progress: Progress, entries: Iterable[Entry]) -> Progress:
    """The progress after these entries, too."""
    for entry in entries:
        progress = _advance(progress, entry)
    return progress


def _advance(progress: Progress, entry: Entry) -> Progress:
    match entry:
        case Begun(steps) | Done(steps) | Undoing(steps) | Undone(steps):
            return _mark(progress, steps, _MARK_OF[type(entry)])
        case Failed(step, fault) | Stuck(step, fault):
            marked = _mark(progress, (step,), _MARK_OF[type(entry)])
            return replace(marked, faults={**progress.faults, step: fault})
        case Turned(fault):
            return replace(progress, turned=fault)
        case Resumed():
            lost = progress.lost_trials + progress.is_on_trial
            return replace(progress, resumes=progress.resumes + 1, lost_trials=lost)
        case Proved():
            return replace(progress, is_proven=True)
        case Closed(outcome):
            return replace(progress, closed=outcome)
        case Opened():
            raise ForeignFormat("cannot read the journal: a plan was opened while another was open")
        case _:
            assert_never(entry)


def _mark(progress: Progress, steps: tuple[int, ...], mark: Mark) -> Progress:
    marks = list(progress.marks)
    for step in steps:
        if not 0 <= step < len(marks):
            raise ForeignFormat(f"cannot read the journal: the plan has no step {step}")
        marks[step] = mark
    return replace(progress, marks=tuple(marks))
