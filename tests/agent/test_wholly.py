"""Wholly old or wholly new: over random plans, with the power cut at any write, in recovery too."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from reconciler.core.decide import MAX_RESUMES
from reconciler.core.errors import Failure, Transient
from reconciler.core.identity import Digest, Generation
from reconciler.core.journal import Outcome, Purpose
from reconciler.core.state import State
from reconciler.host.simulated import PowerCut
from reconciler.kinds.config import ConfigState
from reconciler.kinds.directory import DirectoryState
from reconciler.kinds.file import FileState
from reconciler.kinds.link import LinkState
from tests.agent.world import World, desired

Story = tuple[dict[str, bytes], dict[str, State], dict[str, State]]
Cut = tuple[int, str, int, bool, bool]
"""After how many events or commits, which of them, how many unsynced changes survive, whether their data does; and
whether only the process dies, so that nothing is lost, yet."""

CONTENTS = [b"", b"one\n", b"two\n" * 50, b"\x00\xff"]
BY_DIGEST = {Digest.of(content): content for content in CONTENTS}
PATHS = ["/a", "/b", "/d", "/d/a", "/d/b", "/d/e", "/d/e/a", "/f/a"]

modes = st.sampled_from([None, 0o600, 0o644, 0o755])
states = st.one_of(
    st.builds(FileState, st.sampled_from(sorted(BY_DIGEST)), modes),
    st.builds(LinkState, st.sampled_from(["/a", "b", "/nowhere"])),
    st.builds(DirectoryState, modes),
    st.builds(ConfigState, st.just("yaml"), st.sampled_from(['{"a":1}', '{"a":2,"b":[true]}']), mode=modes),
)
KIND_OF = {FileState: "file", LinkState: "link", DirectoryState: "directory", ConfigState: "config"}


def _named(chosen: dict[str, State]) -> dict[str, State]:
    """As the language would let through: nothing below what is no directory."""
    closed = [path for path, state in chosen.items() if not isinstance(state, DirectoryState)]
    possible = {p: s for p, s in chosen.items() if not any(p.startswith(f"{above}/") for above in closed)}
    return {f"{KIND_OF[type(state)]}:{path}": state for path, state in possible.items()}


wishes = st.dictionaries(st.sampled_from(PATHS), states, max_size=7).map(_named)
found = st.dictionaries(st.sampled_from(["/a", "/d/a", "/d/e/a"]), st.sampled_from(CONTENTS), max_size=2)
cuts = st.tuples(
    st.integers(1, 30),
    st.sampled_from(["host", "before commit", "after commit"]),
    st.integers(0, 8),
    st.booleans(),
    st.booleans(),
)


@contextmanager
def world() -> Iterator[World]:
    made = World()
    try:
        yield made
    finally:
        made.close()


def old_world(made: World, there: dict[str, bytes], old: dict[str, State]) -> bool:
    for path, content in there.items():
        made.put(path, content)
    try:
        made.bring(desired(old), BY_DIGEST)
    except Failure:
        return False
    return True


def uninterrupted(
    there: dict[str, bytes], old: dict[str, State], new: dict[str, State]
) -> tuple[dict, dict, dict, dict] | None:
    """The trees and what is owned, before and after."""
    with world() as made:
        if not old_world(made, there, old):
            return None
        before, owned = made.files.tree(), made.owned
        try:
            progress = made.bring(desired(new), BY_DIGEST)
        except Failure:
            return None
        if progress is None or progress.closed is not Outcome.CONVERGED:
            return None
        return before, owned, made.files.tree(), made.owned


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """What was there before us, what was applied, what is new. Mostly such as can be brought: nothing in the way."""
    old, new = draw(wishes), draw(wishes)
    files = {id.partition(":")[2] for id in (*old, *new) if id.startswith(("file:", "config:"))}
    closed = {id.partition(":")[2] for id in (*old, *new)} - files
    there = draw(found)
    free = {path for path in there if path not in closed and not any(path.startswith(f"{above}/") for above in files)}
    return {path: there[path] for path in sorted(free)}, old, new


@given(story=stories(), plan_of_cuts=st.lists(cuts, max_size=8))
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_whatever_the_moment_of_a_power_cut(story: Story, plan_of_cuts: list[Cut]) -> None:
    there, old, new = story
    expected = uninterrupted(there, old, new)
    if expected is None:
        event("the new state cannot be brought there at all")
        return
    before, owned_before, after, owned_after = expected
    with world() as made:
        old_world(made, there, old)
        is_new = _until_it_ends(made, new, plan_of_cuts)
        event("ended on the new state" if is_new else "ended on the old state")
        made.reboot(survive=0, keep_data=False)  # what was reported is on the disk
        assert made.files.tree() == (after if is_new else before)
        assert made.owned == (owned_after if is_new else owned_before)
        assert not made.parts.store.journal.is_open()
        again = made.bring(desired(new if is_new else old), BY_DIGEST, Purpose.REPAIR)
        assert again is None, "a second pass found something to do"


def _until_it_ends(made: World, new: dict[str, State], plan_of_cuts: list[Cut]) -> bool:
    """Whether the new state is in force after all those cuts, each in whatever the one before left to be done."""
    applied = None
    for cut in [*plan_of_cuts, None]:
        _arm(made, cut)
        try:
            progress = made.recover()
            if progress is not None:
                assert progress.closed in (Outcome.CONVERGED, Outcome.REVERTED)
                assert progress.closed is Outcome.CONVERGED or progress.resumes >= MAX_RESUMES
            elif not made.parts.store.generations.get(Generation(2)):
                made.bring(desired(new), BY_DIGEST)
        except PowerCut:
            if cut[4]:
                made.restart()
            else:
                made.reboot(cut[2], cut[3])
            made.generation = 1
            continue
        applied = made.parts.store.generations.applied()
        break
    assert applied is not None
    return applied.generation.number == 2


def _arm(made: World, cut: Cut | None) -> None:
    if cut is None:
        return
    if cut[1] == "host":
        made.files.power_off_after(cut[0])
    else:
        made.database.cut_at, made.database.after = 1 + cut[0] % 8, cut[1] == "after commit"


@given(
    story=stories(),
    nth=st.integers(1, 40),
    error=st.sampled_from([errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES]),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_effect_fails(story: Story, nth: int, error: int) -> None:
    """A step that the system refuses: the plan is taken back, at once or as soon as that can be."""
    there, old, new = story
    expected = uninterrupted(there, old, new)
    if expected is None:
        return
    before, owned_before, after, owned_after = expected
    with world() as made:
        old_world(made, there, old)
        made.files.fail_next(error, nth=nth)
        try:
            progress = made.bring(desired(new), BY_DIGEST)
        except Transient:
            progress = made.recover()
        assert progress is not None
        is_new = progress.closed is Outcome.CONVERGED
        assert is_new or progress.closed is Outcome.REVERTED
        if progress.faults and is_new:
            event("what left could not be removed at first")
            made.bring(desired(new), BY_DIGEST, Purpose.REPAIR)
        assert made.files.tree() == (after if is_new else before)
        assert made.owned == (owned_after if is_new else owned_before)
        barred = made.parts.store.quarantine.all()
        assert bool(barred) == (not is_new and error == errno.EACCES), "only what is not the world's fault is barred"
