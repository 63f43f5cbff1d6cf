"""Wholly old or wholly new, with releases and services: code, configuration and processes never part.

Over random plans, with the power cut or the process killed at any write or commit, in recovery too, and with new
releases that do not prove themselves.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from reconciler.core.decide import MAX_RESUMES
from reconciler.core.desired import App, Desired
from reconciler.core.errors import Transient
from reconciler.core.identity import Digest, Generation, ResourceId
from reconciler.core.journal import Outcome, Purpose
from reconciler.core.probe import Terms
from reconciler.core.state import State
from reconciler.host.simulated import PowerCut
from reconciler.kinds.config import ConfigState
from reconciler.kinds.file import FileState
from reconciler.kinds.release import ReleaseState
from reconciler.kinds.unit import UnitState
from tests.agent.test_wholly import Cut, _arm, cuts
from tests.agent.world import KINDS, World, desired

AT_ONCE = Terms(start=timedelta(0), soak=timedelta(0))
"""On a device whose clock stands still a trial ends with its first look."""

CODE = {version: f"code {version}\n".encode() for version in ("1", "2", "3")}
UNIT = b"[Service]\nExecStart=/opt/web/current/run\n[Install]\nWantedBy=multi-user.target\n"
BY_DIGEST = {Digest.of(content): content for content in (*CODE.values(), UNIT, b"motd")}
SERVICES = ("web.service", "worker.service")

Seen = tuple[dict[str, dict[str, object]], dict[str, str]]


@dataclass(frozen=True)
class Wish:
    """An app at a version, with a setting and so many services; none at all where there is no version."""

    version: str | None
    setting: int = 1
    services: int = 1
    motd: bool = False


wishes = st.builds(Wish, st.sampled_from(["1", "2", "3", None]), st.integers(1, 2), st.integers(1, 2), st.booleans())


def asked(wish: Wish) -> Desired:
    states: dict[str, State] = {}
    if wish.motd:
        states["file:/etc/motd"] = FileState(Digest.of(b"motd"))
    if wish.version:
        leaf = f"0755 {Digest.of(CODE[wish.version])} run"
        states["release:/opt/web"] = ReleaseState(wish.version, Digest.of(leaf.encode()), "files", (leaf,), damage="")
        states["config:/etc/web.yml"] = ConfigState("yaml", f'{{"setting":{wish.setting}}}')
        for number, name in enumerate(SERVICES[: wish.services]):
            after = SERVICES[:number]
            reads = ("config:/etc/web.yml", "release:/opt/web")
            states[f"unit:{name}"] = UnitState(Digest.of(UNIT), None, None, True, True, after, reads, ())
    bare = desired(states)
    resources = {}
    for id, resource in bare.resources.items():
        bind = KINDS[id.kind].bind
        state = bind(resource.state, {need: bare.resources[need].state for need in resource.needs}) if bind else None
        resources[id] = replace(resource, state=state or resource.state, app="web" if id.kind != "file" else None)
    app = App("web", wish.version or "", ResourceId("release", "/opt/web"), SERVICES[: wish.services], AT_ONCE)
    return replace(bare, resources=resources, apps={"web": app} if wish.version else {})


def stamps(wish: Wish) -> set[str]:
    return {s.state.stamp for s in asked(wish).resources.values() if isinstance(s.state, UnitState) and s.state.stamp}


def seen(made: World) -> Seen:
    """All files but the account of versions, whose moments differ, and what each process was started with."""
    tree = {path: shown for path, shown in made.files.tree().items() if not path.endswith("version.json")}
    looks = {name: made.files.units.look(name) for name in SERVICES}
    return tree, {name: look.stamp for name, look in looks.items() if look.running}


def reached(wishes_: list[Wish]) -> Seen | None:
    """What the device is like where nothing goes wrong."""
    made = World()
    try:
        for wish in wishes_:
            progress = made.bring(asked(wish), BY_DIGEST)
            if progress is None or progress.closed is not Outcome.CONVERGED:
                return None
        return seen(made)
    finally:
        made.close()


@given(old=wishes, new=wishes, plan_of_cuts=st.lists(cuts, max_size=6), is_well=st.booleans())
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_code_configuration_and_processes_move_together(
    old: Wish, new: Wish, plan_of_cuts: list[Cut], is_well: bool
) -> None:
    before, after = reached([old]), reached([old, new])
    assert before is not None
    assert after is not None
    made = World()
    try:
        made.bring(asked(old), BY_DIGEST)
        if not is_well:
            made.files.units.fails_to_start |= stamps(new) - stamps(old)
        is_new = _until_it_ends(made, new, plan_of_cuts)
        event("ended on the new state" if is_new else "ended on the old state")
        assert is_well or not is_new or not stamps(new) - stamps(old), "what never ran was taken for good"
        assert seen(made) == (after if is_new else before)
        made.reboot(survive=0, keep_data=False)  # what was reported is on the disk
        assert seen(made) == (after if is_new else before)
        assert not made.parts.store.journal.is_open()
        again = made.bring(asked(new if is_new else old), BY_DIGEST, Purpose.REPAIR)
        assert again is None, "a second pass found something to do"
    finally:
        made.close()


def _until_it_ends(made: World, new: Wish, plan_of_cuts: list[Cut]) -> bool:
    """Whether the new state is in force after all those cuts."""
    for cut in [*plan_of_cuts, None]:
        _arm(made, cut)
        try:
            progress = made.recover()
            if progress is None and not made.parts.store.generations.get(Generation(2)):
                progress = made.bring(asked(new), BY_DIGEST)
            if progress is not None:
                well = progress.closed is Outcome.CONVERGED
                assert well or progress.closed is Outcome.REVERTED, progress.faults
                is_barred = bool(made.files.units.fails_to_start)
                assert well or is_barred or max(progress.resumes, progress.lost_trials) >= MAX_RESUMES
        except PowerCut:
            made.parts.trials.forget()
            if cut is not None and cut[4]:
                made.restart()
            elif cut is not None:
                made.reboot(cut[2], cut[3])
            made.generation = 1
            continue
        break
    applied = made.parts.store.generations.applied()
    assert applied is not None
    return applied.generation.number == 2


def test_what_leaves_stays_until_what_comes_has_proven_itself() -> None:
    made = World()
    try:
        made.bring(asked(Wish("1", motd=True)), BY_DIGEST)
        before = seen(made)
        made.files.units.fails_to_start |= stamps(Wish("2"))
        progress = made.bring(asked(Wish("2")), BY_DIGEST)
        assert progress is not None
        assert progress.closed is Outcome.REVERTED
        marks = {str(s.resource): mark.name for s, mark in zip(progress.steps, progress.marks, strict=True)}
        assert marks["file:/etc/motd"] == "WAITING", "it was not even touched"
        assert seen(made) == before
        assert [call for call in made.files.units.calls if "web" in call][-2:] == [
            "stop web.service",
            "start web.service",
        ]
    finally:
        made.close()


def test_a_second_look_is_transient_only_where_the_world_is_at_fault() -> None:
    """A disk that is full during the way back leaves the plan open; the next pass ends it."""
    made = World()
    try:
        made.bring(asked(Wish("1")), BY_DIGEST)
        before = seen(made)
        made.files.units.fails_to_start |= stamps(Wish("2", 2))
        made.files.fail_next(28, path="/etc/web.yml", nth=3)
        try:
            progress = made.bring(asked(Wish("2", 2)), BY_DIGEST)
        except Transient:
            progress = made.recover()
        assert progress is not None
        assert progress.closed is Outcome.REVERTED
        assert seen(made) == before
    finally:
        made.close()
