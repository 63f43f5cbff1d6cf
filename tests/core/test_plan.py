"""Plans, by thinking alone: situations with their steps, and laws over all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.desired import Mode
from reconciler.core.errors import OverLimit, Protected
from reconciler.core.identity import Digest, ResourceId
from reconciler.core.inventory import Inventory, Limits, Origin, Owned
from reconciler.core.observed import Observed
from reconciler.core.plan import Plan, make
from reconciler.core.state import ABSENT, AnyState, Occupied, State, Unreadable
from reconciler.core.step import Action
from reconciler.kinds.directory import DirectoryState
from reconciler.kinds.file import FileState
from reconciler.kinds.link import LinkState
from tests.agent.world import KINDS, desired

OLD, NEW = FileState(Digest.of(b"old"), 0o644), FileState(Digest.of(b"new"), 0o644)
FOLDER = DirectoryState(0o755)


def plan(
    wanted: dict[str, State],
    seen: dict[str, AnyState],
    owned: dict[str, str] | None = None,
    limits: Limits | None = None,
    rules: dict[str, Mode] | None = None,
) -> Plan:
    """What is not said to be seen is absent."""
    goal = desired(wanted, limits, rules)
    inventory = Inventory.of(Owned(ResourceId.parse(id), Origin(origin)) for id, origin in (owned or {}).items())
    ids = goal.resources.keys() | inventory.owned.keys()
    return make(goal, Observed({id: seen.get(str(id), ABSENT) for id in ids}), inventory, KINDS)


def trace(made: Plan) -> str:
    """`+` creates, `~` updates, `-` prunes; waves are separated by bars."""
    sign = {Action.CREATE: "+", Action.UPDATE: "~", Action.PRUNE: "-"}
    return " | ".join(" ".join(f"{sign[s.action]}{s.resource}" for s in wave) for wave in made.waves)


SITUATIONS = [
    ("nothing is there", {"file:/d/a": NEW}, {}, {}, "+directory:/d | +file:/d/a"),
    ("all is as desired", {"file:/d/a": NEW}, {"directory:/d": FOLDER, "file:/d/a": NEW}, {}, ""),
    ("one field differs", {"file:/a": NEW}, {"file:/a": OLD}, {}, "~file:/a"),
    ("it is no longer desired and was made by us", {}, {"file:/a": OLD}, {"file:/a": "created"}, "-file:/a"),
    ("it is no longer desired and was there before us", {}, {"file:/a": OLD}, {"file:/a": "adopted"}, ""),
    ("it went by itself", {}, {}, {"file:/a": "created"}, ""),
    (
        "a folder leaves after what is in it",
        {},
        {"file:/d/e/a": OLD, "directory:/d/e": FOLDER, "directory:/d": FOLDER},
        {"file:/d/e/a": "created", "directory:/d/e": "created", "directory:/d": "created"},
        "-file:/d/e/a | -directory:/d/e | -directory:/d",
    ),
    (
        "what leaves, leaves last",
        {"file:/b": NEW},
        {"file:/a": OLD},
        {"file:/a": "created"},
        "+file:/b | -file:/a",
    ),
    (
        "a link becomes a file",
        {"file:/a": NEW},
        {"link:/a": LinkState("x"), "file:/a": Occupied("link")},
        {"link:/a": "created"},
        "-link:/a | +file:/a",
    ),
    (
        "a folder becomes a file",
        {"file:/d": NEW},
        {"directory:/d": FOLDER, "file:/d/a": OLD, "file:/d": Occupied("directory")},
        {"directory:/d": "created", "file:/d/a": "created"},
        "-file:/d/a | -directory:/d | +file:/d",
    ),
    (
        "a link that led to a folder becomes one",
        {"file:/d/a": NEW},
        {"link:/d": LinkState("/e"), "directory:/d": DirectoryState(), "file:/d/a": NEW},
        {"link:/d": "created"},
        "-link:/d | +directory:/d | +file:/d/a",
    ),
    (
        "a stranger stands in the way",
        {"file:/a": NEW, "file:/b": NEW},
        {"file:/a": Occupied("directory")},
        {},
        "+file:/b",
    ),
    ("it cannot be seen", {"file:/a": NEW}, {"file:/a": Unreadable("denied")}, {}, ""),
    ("what it needs is blocked", {"file:/d/e/a": NEW}, {"directory:/d": Occupied("file")}, {}, ""),
]


@pytest.mark.parametrize(
    ("situation", "wanted", "seen", "owned", "expected"), SITUATIONS, ids=[s[0] for s in SITUATIONS]
)
def test_situation(
    situation: str, wanted: dict[str, State], seen: dict[str, AnyState], owned: dict[str, str], expected: str
) -> None:
    assert trace(plan(wanted, seen, owned)) == expected


def test_what_is_let_go_and_what_went_are_said() -> None:
    made = plan({}, {"file:/a": OLD}, {"file:/a": "adopted", "file:/b": "created"})
    assert [str(id) for id in made.released] == ["file:/a"]
    assert [str(id) for id in made.gone] == ["file:/b"]


def test_what_is_only_observed_has_no_steps_not_even_its_creation() -> None:
    made = plan(
        {"file:/a": NEW, "file:/b": NEW}, {"file:/b": OLD}, rules={"file:/a": Mode.OBSERVE, "file:/b": Mode.OBSERVE}
    )
    assert made.is_empty
    assert [str(drift.resource) for drift in made.withheld] == ["file:/a", "file:/b"]


def test_what_needs_something_that_is_only_observed_is_blocked() -> None:
    made = plan({"directory:/d": FOLDER, "file:/d/a": NEW}, {}, rules={"directory:/d": Mode.OBSERVE})
    assert made.is_empty
    assert [str(blocked.resource) for blocked in made.blocked] == ["file:/d/a"]


def owned_files(count: int) -> dict[str, str]:
    return {f"file:/{n}": "created" for n in range(count)}


@pytest.mark.parametrize(
    ("situation", "count", "kept", "limits", "fits"),
    [
        ("as many as the limit", 5, 0, Limits(max_deletes=5), True),
        ("one more than the limit", 6, 0, Limits(max_deletes=5), False),
        ("all of nine: a percentage counts from ten", 9, 0, Limits(max_deletes=10, max_delete_percent=1), True),
        ("two of ten at 20 percent", 10, 8, Limits(), True),
        ("three of ten at 20 percent", 10, 7, Limits(), False),
        ("none allowed", 1, 0, Limits(max_deletes=0), False),
        ("none allowed, none deleted", 1, 1, Limits(max_deletes=0), True),
    ],
)
def test_limits(situation: str, count: int, kept: int, limits: Limits, fits: bool) -> None:
    owned = owned_files(count)
    wanted = dict.fromkeys(list(owned)[:kept], OLD)
    seen = dict.fromkeys(owned, OLD)
    if fits:
        assert len(plan(wanted, seen, owned, limits).prunes) == count - kept
    else:
        with pytest.raises(OverLimit):
            plan(wanted, seen, owned, limits)


@pytest.mark.parametrize("pattern", ["/etc/ssh/**", "file:/etc/ssh/config", "/etc/ssh/config", "file", "/etc/**"])
def test_what_is_protected_is_not_deleted(pattern: str) -> None:
    id = "file:/etc/ssh/config"
    with pytest.raises(Protected, match="policy protects"):
        plan({}, {id: OLD}, {id: "created"}, Limits(protected=(pattern,)))


@pytest.mark.parametrize("pattern", ["/etc/sshd/**", "/etc/ssh", "link", "etc", "/etc/ssh/conf"])
def test_what_a_pattern_does_not_name_is_not_protected(pattern: str) -> None:
    id = "file:/etc/ssh/config"
    assert plan({}, {id: OLD}, {id: "created"}, Limits(protected=(pattern,))).prunes == (ResourceId.parse(id),)


PATHS = ["/a", "/b", "/d", "/d/a", "/d/e", "/d/e/a"]
STATES = st.sampled_from([OLD, NEW]) | st.just(FOLDER) | st.just(LinkState("x"))
KIND_OF = {FileState: "file", DirectoryState: "directory", LinkState: "link"}


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[str, State], dict[str, AnyState], dict[str, str], Limits]:
    """Anything at all: what is seen need not fit what is owned."""
    ids = st.sampled_from([f"{kind}:{path}" for kind in KIND_OF.values() for path in PATHS])
    chosen = draw(st.dictionaries(st.sampled_from(PATHS), STATES, max_size=6))
    wanted = {f"{KIND_OF[type(state)]}:{path}": state for path, state in chosen.items()}
    others: st.SearchStrategy[AnyState] = st.sampled_from([ABSENT, Occupied("socket"), Unreadable("denied")])
    own = {
        name: st.sampled_from([s for s in (OLD, NEW, FOLDER, LinkState("x")) if KIND_OF[type(s)] == name])
        for name in KIND_OF.values()
    }
    seen = {id: draw(others | own[id.partition(":")[0]]) for id in draw(st.sets(ids, max_size=10))}
    owned = draw(st.dictionaries(ids, st.sampled_from(["created", "adopted"]), max_size=8))
    limits = Limits(
        draw(st.integers(0, 8)), draw(st.integers(0, 100)), tuple(draw(st.sets(st.sampled_from(["/d/**", "link"]))))
    )
    return wanted, seen, owned, limits


@given(situations())
def test_a_plan_never_prunes_beyond_its_limits(situation: tuple[dict, dict, dict, Limits]) -> None:
    wanted, _seen, owned, limits = situation
    try:
        made = plan(*situation)
    except (OverLimit, Protected):
        return
    assert len(made.prunes) <= limits.max_deletes
    assert not any(limits.protects(id) for id in made.prunes)
    assert all(owned[str(id)] == "created" and str(id) not in wanted for id in made.prunes)


@given(situations())
def test_a_plan_survives_json_and_has_one_digest(situation: tuple[dict, dict, dict, Limits]) -> None:
    wanted, seen, owned, _ = situation
    made = plan(wanted, seen, owned, Limits(100, 100))
    again = Plan.from_json(made.to_json(), KINDS)
    assert again.digest == made.digest == plan(wanted, dict(reversed(seen.items())), owned, Limits(100, 100)).digest
    assert again.waves == made.waves


@given(situations())
def test_each_resource_has_one_step_at_most_and_its_needs_come_before(
    situation: tuple[dict, dict, dict, Limits],
) -> None:
    wanted, seen, owned, _ = situation
    made = plan(wanted, seen, owned, Limits(100, 100))
    position = {step.resource: n for n, wave in enumerate(made.waves) for step in wave}
    assert len(position) == len(made.steps)
    for step in made.steps:
        assert all(position[need] < position[step.resource] for need in step.needs if need in position)
