"""A plan closes within a bounded number of entries, whatever happens; and a journal of another format is an error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.decide import MAX_RESUMES, Apply, Close, Prove, Rest, Turn, Undo, decide
from reconciler.core.errors import ForeignFormat
from reconciler.core.identity import Digest, Generation, Revision
from reconciler.core.journal import (
    Begun,
    Closed,
    Done,
    Entry,
    Failed,
    Fault,
    Opened,
    Outcome,
    Proved,
    Purpose,
    Resumed,
    Stuck,
    Turned,
    Undoing,
    Undone,
    advance,
    replay,
)
from reconciler.core.record import entry_from_json, entry_to_json
from reconciler.kinds.file import FileState
from tests.agent.world import KINDS
from tests.core.test_plan import plan

NEW = FileState(Digest.of(b"new"))
PLAN = plan({"file:/d/a": NEW, "file:/d/b": NEW, "file:/c": NEW}, {})
FAULT = Fault("no-room", "cannot write", transient=True)
UNWELL = Fault("not-healthy", "web 2: http: answers 500", evidence=("after 1.0 s: http: answers 500",))


def opened(purpose: Purpose = Purpose.NEW) -> Opened:
    return Opened(PLAN, Generation(2), purpose, Revision("a" * 40))


SITUATIONS: list[tuple[str, list[Entry], object]] = [
    ("nothing done yet", [], Apply((0, 1))),
    ("the first wave had begun", [Begun((0, 1))], Apply((0, 1))),
    ("one step of it was seen done", [Begun((0, 1)), Done((0,))], Apply((1,))),
    ("the first wave is done", [Begun((0, 1)), Done((0, 1))], Apply((2, 3))),
    ("all is done", [Done((0, 1, 2, 3))], Prove()),
    ("it has proven itself", [Done((0, 1, 2, 3)), Proved()], Close(Outcome.CONVERGED)),
    ("a step failed", [Begun((0, 1)), Done((0,)), Failed(1, FAULT)], Turn(FAULT)),
    ("it turned", [Begun((0, 1)), Done((0,)), Failed(1, FAULT), Turned(FAULT)], Undo((0, 1))),
    ("it turned in the second wave", [Done((0, 1)), Begun((2, 3)), Failed(2, FAULT), Turned(FAULT)], Undo((2, 3))),
    ("the second wave is undone", [Done((0, 1)), Turned(FAULT), Undone((2, 3))], Undo((0, 1))),
    ("all is undone", [Turned(FAULT), Undone((0, 1))], Close(Outcome.REVERTED)),
    ("one is stuck", [Turned(FAULT), Undone((0,)), Stuck(1, FAULT)], Close(Outcome.STUCK)),
    (
        "it was interrupted often",
        [Begun((0, 1)), *[Resumed()] * MAX_RESUMES],
        Turn(Fault("interrupted", "the plan was interrupted 3 times")),
    ),
    (
        "it was interrupted often, and then all was done",
        [*[Resumed()] * MAX_RESUMES, Done((0, 1, 2, 3)), *[Resumed()] * (MAX_RESUMES - 1)],
        Prove(),
    ),
    (
        "what it brought takes the device down again and again",
        [Done((0, 1, 2, 3)), *[Resumed()] * MAX_RESUMES],
        Turn(Fault("interrupted", "the plan was interrupted 3 times")),
    ),
    ("it is closed", [Closed(Outcome.CONVERGED)], Rest()),
]


@pytest.mark.parametrize(("situation", "entries", "move"), SITUATIONS, ids=[s[0] for s in SITUATIONS])
def test_what_to_do_next(situation: str, entries: list[Entry], move: object) -> None:
    progress = replay([opened(), *entries])
    assert progress is not None
    assert decide(progress) == move


def test_what_leaves_waits_until_what_came_has_proven_itself() -> None:
    swap = plan({"file:/new": NEW}, {"file:/old": NEW}, {"file:/old": "created"})
    entries: list[Entry] = [Opened(swap, Generation(2), Purpose.NEW, Revision("a" * 40)), Begun((0,)), Done((0,))]

    def move() -> object:
        progress = replay(entries)
        assert progress is not None
        return decide(progress)

    assert move() == Prove()
    entries.append(Proved())
    assert move() == Apply((1,))
    entries += [Begun((1,)), Done((1,))]
    assert move() == Close(Outcome.CONVERGED)


def test_a_repair_goes_on_without_what_failed_and_what_needs_it() -> None:
    entries: list[Entry] = [opened(Purpose.REPAIR), Begun((0, 1)), Done((1,)), Failed(0, FAULT)]
    progress = replay(entries)
    assert progress is not None
    resources = [str(step.resource) for step in progress.steps]
    assert resources == ["file:/c", "directory:/d", "file:/d/a", "file:/d/b"]
    assert decide(progress) == Apply((2, 3))
    lost_folder = replay([opened(Purpose.REPAIR), Begun((0, 1)), Done((0,)), Failed(1, FAULT)])
    assert lost_folder is not None
    assert decide(lost_folder) == Close(Outcome.FAILED)


@given(st.data(), st.sampled_from(Purpose))
def test_every_plan_ends_within_a_bounded_number_of_entries(data: st.DataObject, purpose: Purpose) -> None:
    """Each effect works, fails or is interrupted, as it likes."""
    entries: list[Entry] = [opened(purpose)]
    resumes = 0
    while True:
        progress = replay(entries)
        assert progress is not None
        move = decide(progress)
        if isinstance(move, Rest):
            break
        if not progress.turned and resumes < 10 and data.draw(st.booleans()):
            entries.append(Resumed())
            resumes += 1
            continue
        entries += _carried_out(move, data)
        assert len(entries) <= 4 + resumes + 4 * len(PLAN.steps)


def _carried_out(move: object, data: st.DataObject) -> list[Entry]:
    match move:
        case Apply(steps):
            failed = [step for step in steps if data.draw(st.integers(0, 3)) == 0]
            return [Begun(steps), Done(tuple(set(steps) - set(failed))), *(Failed(step, FAULT) for step in failed)]
        case Undo(steps):
            stuck = [step for step in steps if data.draw(st.integers(0, 3)) == 0]
            return [Undoing(steps), Undone(tuple(set(steps) - set(stuck))), *(Stuck(step, FAULT) for step in stuck)]
        case Turn(fault):
            return [Turned(fault)]
        case Prove():
            return [Turned(FAULT) if data.draw(st.booleans()) else Proved()]
        case Close(outcome):
            return [Closed(outcome)]
    raise AssertionError(move)


EVERY_ENTRY: list[Entry] = [
    Opened(PLAN, Generation(2), Purpose.NEW, Revision("b" * 40), tuple(step.resource for step in PLAN.steps)),
    Resumed(),
    Begun((0, 1)),
    Done((0,)),
    Proved(),
    Failed(1, FAULT),
    Turned(FAULT),
    Undoing((0, 1)),
    Undone((0,)),
    Stuck(1, FAULT),
    Closed(Outcome.STUCK),
]


@pytest.mark.parametrize("entry", EVERY_ENTRY, ids=lambda entry: type(entry).__name__)
def test_an_entry_survives_json(entry: Entry) -> None:
    assert entry_from_json(json.loads(json.dumps(entry_to_json(entry))), KINDS) == entry


def test_what_was_seen_survives_json() -> None:
    assert entry_from_json(json.loads(json.dumps(entry_to_json(Turned(UNWELL)))), KINDS) == Turned(UNWELL)


def test_to_fold_is_to_advance() -> None:
    whole = replay(EVERY_ENTRY)
    first = replay(EVERY_ENTRY[:1])
    assert first is not None
    assert advance(first, EVERY_ENTRY[1:]) == whole


@pytest.mark.parametrize(
    "data",
    [
        {"format": 2, "entry": "resumed"},
        {"entry": "resumed"},
        {"format": 1, "entry": "resumed!"},
        {"format": 1},
        {"format": 1, "entry": "begun"},
        {"format": 1, "entry": "begun", "steps": "x"},
        {"format": 1, "entry": "begun", "steps": 1},
        {"format": 1, "entry": "failed", "step": 0, "fault": {"no": "such"}},
        {"format": 1, "entry": "opened", "plan": {}, "generation": 1, "purpose": "new"},
        {"format": 1, "entry": "closed", "outcome": "so-so"},
    ],
)
def test_a_foreign_entry_is_an_error_and_not_a_wait(data: dict[str, object]) -> None:
    with pytest.raises(ForeignFormat):
        entry_from_json(data, KINDS)


@pytest.mark.parametrize(
    "entries",
    [
        [Resumed()],
        [opened(), opened()],
        [opened(), Closed(Outcome.CONVERGED), Begun((0,))],
        [opened(), Begun((99,))],
        [opened(), Begun((-1,))],
    ],
)
def test_an_impossible_journal_is_an_error(entries: list[Entry]) -> None:
    with pytest.raises(ForeignFormat):
        replay(entries)
