"""The floor never falls: a revision is accepted exactly if the floor is an ancestor of it, whoever lies."""

import itertools
import random

import pytest

from reconciler.core.errors import NotADescendant
from reconciler.core.identity import Revision
from reconciler.source.trust import accept


def test_the_law_over_a_tangled_history(origin, stream):
    history = tangle(origin, 14)
    for floor, revision in itertools.product(history, history):
        assert accepted(stream, revision, floor) == is_ancestor(origin, floor, revision), (floor, revision)


class Liar:
    """Hands out objects truly, but hints whatever suits it."""

    def __init__(self, objects, hint):
        self.objects, self.hint = objects, hint

    def get(self, id, type, limit):
        return self.objects.get(id, type, limit)

    def between(self, floor, revision, most):
        return frozenset(id.id for id in self.hint)


@pytest.mark.parametrize("seed", range(5))
def test_no_hint_makes_the_floor_fall(origin, stream, seed):
    history = tangle(origin, 10)
    hints = [[], history, random.Random(seed).sample(history, 5)]
    for hint, floor, revision in itertools.product(hints, history, history):
        if accepted(Liar(stream, hint), revision, floor):
            assert is_ancestor(origin, floor, revision)


def test_the_commits_on_the_way_are_handed_on(origin, stream):
    floor, *ways = [origin.commit(message=str(number)) for number in range(5)]
    assert accept(stream, ways[-1], floor).passed == tuple(reversed(ways))
    assert accept(stream, floor, floor).passed == ()


def test_a_forced_push_is_refused_and_the_floor_stays(origin, follower, git_in_path, tmp_path):
    base = origin.commit({"a": "0"})
    good = origin.commit({"a": "1"})
    source = follower.source()
    with source.open(good, base):
        pass
    origin.git("reset", "-q", "--hard", base.id)
    forced = origin.commit({"a": "2"})
    with pytest.raises(NotADescendant) as caught, source.open(source.head(), good):
        pass
    assert forced.short in str(caught.value)
    assert good.short in str(caught.value)
    assert "git revert" in caught.value.hint
    git_in_path(f'echo "$1" >> {tmp_path}/calls; exec $GIT "$@"')
    with pytest.raises(NotADescendant), source.open(forced, good):
        pass
    assert not (tmp_path / "calls").exists(), "refused once is refused again without a look"
    origin.git("reset", "-q", "--hard", good.id)
    assert follower.read("a", origin.commit({"a": "3"}), good) == b"3"


def test_an_older_commit_is_refused(origin, follower):
    first, second = origin.commit({"a": "1"}), origin.commit({"a": "2"})
    follower.read("a", second, first)
    with pytest.raises(NotADescendant):
        follower.read("a", first, second)


def test_a_floor_that_a_fresh_clone_does_not_have_is_no_ancestor(origin, follower):
    head = origin.commit({"a": "1"})
    with pytest.raises(NotADescendant):
        follower.read("a", head, Revision("12" * 20))


def test_a_descendant_through_merges_is_accepted(origin, follower):
    origin.commit({"a": "1"})
    origin.git("checkout", "-q", "-b", "side")
    floor = origin.commit({"b": "2"})
    origin.git("checkout", "-q", "main")
    origin.commit({"c": "3"})
    origin.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    head = origin.commit({"d": "4"})
    assert follower.read("b", head, floor) == b"2"


def tangle(origin, count):
    """Commits with one to three parents each, or none."""
    dice, tree = random.Random(7), origin.tree()
    history: list[Revision] = []
    for number in range(count):
        parents = dice.sample(history, min(len(history), dice.choice([0, 1, 1, 1, 2, 3]))) if number > 1 else history
        flags = [flag for parent in parents for flag in ("-p", parent.id)]
        history.append(Revision(origin.git("commit-tree", tree, "-m", f"c{number}", *flags)))
    return history


def accepted(objects, revision, floor):
    try:
        accept(objects, revision, floor)
    except NotADescendant:
        return False
    return True


def is_ancestor(origin, floor, revision):
    return not origin.git("rev-list", "--max-count=1", floor.id, f"^{revision.id}")
