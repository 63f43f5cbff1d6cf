"""Entries are written before and after each effect, so whoever reads the list, also after a power cut, knows how far
the plan has come.

How far it has come is a fold over what is written, and is stored nowhere else. Steps are named by their position in
the plan, counted from zero over all waves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from typing import Any, assert_never

from reconciler.core.errors import ForeignFormat
from reconciler.core.identity import Generation, ResourceId, Revision
from reconciler.core.kind import Kinds
from reconciler.core.plan import Plan, Step

FORMAT = 1


class Purpose(StrEnum):
    """Why a plan is carried out. Only a plan that changes the generation is taken back when it fails."""

    NEW = "new"
    ROLLBACK = "rollback"
    REPAIR = "repair"


class Outcome(StrEnum):
    CONVERGED = "converged"
    FAILED = "failed"
    REVERTED = "reverted"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something did not work, for people and for the decision whether to try again."""

    code: str
    message: str
    transient: bool = False


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


Entry = Opened | Resumed | Begun | Done | Failed | Turned | Undoing | Undone | Stuck | Closed


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
    """What the entries of one plan add up to."""

    opened: Opened
    marks: tuple[Mark, ...]
    faults: Mapping[int, Fault] = field(default_factory=dict)
    turned: Fault | None = None
    resumes: int = 0
    closed: Outcome | None = None

    @property
    def plan(self) -> Plan:
        return self.opened.plan

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.plan.steps


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
            return replace(progress, resumes=progress.resumes + 1)
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


_PLAIN: dict[str, type[Resumed | Begun | Done | Undoing | Undone]] = {
    "resumed": Resumed,
    "begun": Begun,
    "done": Done,
    "undoing": Undoing,
    "undone": Undone,
}


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """With the format, so that a release that does not know it says so."""
    head: dict[str, Any] = {"format": FORMAT, "entry": type(entry).__name__.lower()}
    match entry:
        case Opened(plan, generation, purpose, commit, taken_on):
            taken = [str(id) for id in taken_on]
            said = {"generation": generation.number, "purpose": str(purpose), "commit": str(commit), "takenOn": taken}
            return {**head, "plan": plan.to_json(), **said}
        case Resumed():
            return head
        case Begun(steps) | Done(steps) | Undoing(steps) | Undone(steps):
            return {**head, "steps": list(steps)}
        case Failed(step, fault) | Stuck(step, fault):
            return {**head, "step": step, "fault": _fault_to_json(fault)}
        case Turned(fault):
            return {**head, "fault": _fault_to_json(fault)}
        case Closed(outcome):
            return {**head, "outcome": str(outcome)}
        case _:
            assert_never(entry)


def entry_from_json(data: Mapping[str, Any], kinds: Kinds) -> Entry:
    """The inverse of `entry_to_json`. Raises ForeignFormat for anything else."""
    if data.get("format") != FORMAT:
        raise ForeignFormat(
            f"cannot read the journal: an entry has format {data.get('format')!r}, this release reads {FORMAT}",
            hint="run the release of reconciler that wrote it, until its plan is closed",
        )
    try:
        return _entry(data, kinds)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ForeignFormat(f"cannot read the journal: {type(error).__name__}: {error}") from error


def _entry(data: Mapping[str, Any], kinds: Kinds) -> Entry:
    match data["entry"]:
        case "opened":
            plan = Plan.from_json(data["plan"], kinds)
            taken_on = tuple(ResourceId.parse(text) for text in data["takenOn"])
            generation, purpose = Generation(data["generation"]), Purpose(data["purpose"])
            return Opened(plan, generation, purpose, Revision(data["commit"]), taken_on)
        case "resumed":
            return Resumed()
        case "begun" | "done" | "undoing" | "undone" as name:
            return _PLAIN[name](tuple(int(step) for step in data["steps"]))  # type: ignore[call-arg]
        case "failed":
            return Failed(int(data["step"]), Fault(**data["fault"]))
        case "stuck":
            return Stuck(int(data["step"]), Fault(**data["fault"]))
        case "turned":
            return Turned(Fault(**data["fault"]))
        case "closed":
            return Closed(Outcome(data["outcome"]))
        case other:
            raise ValueError(f"no entry is called {other!r}")


def _fault_to_json(fault: Fault) -> dict[str, Any]:
    return {"code": fault.code, "message": fault.message, "transient": fault.transient}
