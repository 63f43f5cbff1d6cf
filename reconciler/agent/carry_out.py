"""Moves become effects, effects become entries; and after each effect the resource is looked at again.

A wave's entries are written together before its effects, its effects are brought to the disk together, and only then
is it written that they happened.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, assert_never

from reconciler.agent.deadline import deadline
from reconciler.agent.observe import see
from reconciler.core.decide import MAY_HAVE_HAPPENED, Apply, Close, Prove, Rest, Turn, Undo, decide
from reconciler.core.errors import Broken, CorruptStore, Failure, Transient
from reconciler.core.host import Host
from reconciler.core.journal import (
    Begun,
    Done,
    Entry,
    Failed,
    Fault,
    Mark,
    Outcome,
    Progress,
    Proved,
    Resumed,
    Stuck,
    Turned,
    Undoing,
    Undone,
    advance,
)
from reconciler.core.kind import Kinds
from reconciler.core.state import AnyState
from reconciler.core.step import Step
from reconciler.core.trial import Pending, Proven, Unproven

Watch = Callable[[Step, Mark], None]
"""Told of each step as it comes along: for progress on a terminal, for logs."""


class Ledger(Protocol):
    """Where entries go; `is_ours` once this process has written some."""

    is_ours: bool

    def append(self, entries: Iterable[Entry]) -> None:
        """They are on the disk when this returns."""


@dataclass(frozen=True, slots=True)
class Hands:
    """All that carrying out a plan takes; `prove` looks at what was brought, once."""

    host: Host
    kinds: Kinds
    ledger: Ledger
    watch: Watch
    prove: Callable[[Progress], Pending | Proven | Unproven]


def carry_out(progress: Progress, hands: Hands) -> tuple[Progress, Outcome | None]:
    """From wherever the plan stands to the outcome with which it is to be closed; None while it is on trial.

    Raises Transient where a step cannot be taken back for now: the plan stays open, and is gone on with next time.
    """
    while True:
        match decide(progress):
            case Apply(steps):
                progress = _apply(steps, progress, hands)
            case Undo(steps):
                progress = _undo(steps, progress, hands)
            case Turn(fault):
                progress = _write((Turned(fault),), progress, hands)
            case Prove():
                verdict = _proof(progress, hands)
                if isinstance(verdict, Pending):
                    return progress, None
                progress = _judged(verdict, progress, hands)
            case Close(outcome):
                return progress, outcome
            case Rest():
                raise RuntimeError("a closed plan is not carried out")
            case unreachable:
                assert_never(unreachable)


def _proof(progress: Progress, hands: Hands) -> Pending | Proven | Unproven | Fault:
    """What cannot be asked, since what to ask was lost, has not proven itself either."""
    try:
        return hands.prove(progress)
    except Failure as failure:
        return _fault(failure)


def _judged(verdict: Proven | Unproven | Fault, progress: Progress, hands: Hands) -> Progress:
    """Where nothing is left to leave, the end of the plan says that it was proven."""
    if isinstance(verdict, Unproven):
        verdict = Fault("not-healthy", verdict.reason, evidence=verdict.trace)
    if isinstance(verdict, Fault):
        return _write((Turned(verdict),), progress, hands)
    if progress.plan.farewell == len(progress.plan.waves):
        return advance(progress, (Proved(),))
    return _write((Proved(),), progress, hands)


def resume(progress: Progress, hands: Hands) -> Progress:
    """What an interrupted process left beside its resources goes; its plan then goes on like any other.

    A plan that this process itself could not end, as on a full disk, took nobody down with it.
    """
    for step, mark in zip(progress.steps, progress.marks, strict=True):
        if mark in (Mark.BEGUN, Mark.UNDOING):
            _clean(step, hands)
    is_known = progress.turned or hands.ledger.is_ours
    return progress if is_known else _write((Resumed(),), progress, hands)


def _apply(steps: tuple[int, ...], progress: Progress, hands: Hands) -> Progress:
    if any(progress.marks[step] is not Mark.BEGUN for step in steps):
        progress = _write((Begun(steps),), progress, hands)
    planned = progress.steps
    wanted = {step: planned[step].after for step in steps}
    faults = _bring(wanted, progress, hands)
    failed = (Failed(step, fault) for step, fault in faults.items())
    done = Done(tuple(step for step in steps if step not in faults))
    return _told(steps, _write((done, *failed), progress, hands), hands)


def _undo(steps: tuple[int, ...], progress: Progress, hands: Hands) -> Progress:
    if any(progress.marks[step] is not Mark.UNDOING for step in steps):
        progress = _write((Undoing(steps),), progress, hands)
    _still(steps, progress, hands)
    planned = progress.steps
    wanted = {step: planned[step].before for step in steps}
    faults = _bring(wanted, progress, hands)
    for step, fault in faults.items():
        if fault.transient and fault.code != CorruptStore.code:  # a pre-image that is lost does not come back
            raise Transient(f"cannot take back {planned[step].resource} for now: {fault.message}")
    stuck = (Stuck(step, fault) for step, fault in faults.items())
    undone = Undone(tuple(step for step in steps if step not in faults))
    return _told(steps, _write((undone, *stuck), progress, hands), hands)


def _still(steps: tuple[int, ...], progress: Progress, hands: Hands) -> None:
    """What runs on these is stopped before they are taken back, last started first; it is brought back after them."""
    planned = progress.steps
    if any(planned[step].runs for step in steps):
        return
    for step, mark in reversed(tuple(zip(planned, progress.marks, strict=True))):
        still = hands.kinds[step.resource.kind].still
        if still and step.runs and mark in MAY_HAVE_HAPPENED:
            with suppress(Broken), deadline(hands.kinds[step.resource.kind].deadline, str(step.resource)):
                still(step.resource.name, hands.host)  # what cannot be stopped says so when its own turn comes


def _bring(wanted: Mapping[int, AnyState], progress: Progress, hands: Hands) -> dict[int, Fault]:
    """The faults of those that are not as wanted. Who is at work on one at this very moment is given another try."""
    faults, steps = _effect(wanted, progress, hands), progress.steps
    seen = {index: _amiss(steps[index], wanted[index], hands) for index in wanted if index not in faults}
    again = {index: wanted[index] for index, fault in seen.items() if fault}
    if again:
        faults |= _effect(again, progress, hands)
        for index in again.keys() - faults.keys():
            if fault := _amiss(steps[index], wanted[index], hands):
                faults[index] = fault
    return faults


def _effect(wanted: Mapping[int, AnyState], progress: Progress, hands: Hands) -> dict[int, Fault]:
    """The faults of those that could not be done, or are not surely on the disk."""
    faults: dict[int, Fault] = {}
    steps = progress.steps
    for index, state in wanted.items():
        step = steps[index]
        try:
            kind = hands.kinds[step.resource.kind]
            with deadline(kind.deadline, str(step.resource)):
                if step.anew and kind.still:
                    kind.still(step.resource.name, hands.host)
                kind.apply(step.resource.name, state, hands.host)
        except Failure as failure:
            faults[index] = _fault(failure)
        except Exception as error:  # noqa: BLE001  # a kind that is at fault itself fails its own step, and no other
            faults[index] = Fault("kind-at-fault", f"{step.resource}: {type(error).__name__}: {error}")
    try:
        hands.host.files.settle()
    except Failure as failure:
        return {index: faults.get(index, _fault(failure)) for index in wanted}
    return faults


def _amiss(step: Step, wanted: AnyState, hands: Hands) -> Fault | None:
    """Success is seen, not returned."""
    try:
        observed = see(step.resource, hands.kinds, hands.host)
    except Failure as failure:
        return _fault(failure)
    drift = hands.kinds[step.resource.kind].diff(wanted, observed)
    if not drift:
        return None
    seen = ", ".join(str(field) for field in drift)
    return Fault("not-converged", f"{step.resource} is not as it should be after the step: {seen}")


def _write(entries: tuple[Entry, ...], progress: Progress, hands: Hands) -> Progress:
    said = tuple(entry for entry in entries if not (isinstance(entry, (Done, Undone)) and not entry.steps))
    hands.ledger.append(said)
    return advance(progress, said)


def _told(steps: tuple[int, ...], progress: Progress, hands: Hands) -> Progress:
    planned = progress.steps
    for step in steps:
        hands.watch(planned[step], progress.marks[step])
    return progress


def _clean(step: Step, hands: Hands) -> None:
    """Where nobody may go any more, nothing is cleaned: the step itself will tell."""
    kind, name = hands.kinds[step.resource.kind], step.resource.name
    place = kind.place(name)
    for path in kind.touches(name) if kind.touches else (place,) if place else ():
        with suppress(Broken):
            hands.host.files.clean(path)


def _fault(failure: Failure) -> Fault:
    """What our own store lost is no fault of the desired state: it is stored again when that is read again."""
    return Fault(failure.code, str(failure), isinstance(failure, (Transient, CorruptStore)))
