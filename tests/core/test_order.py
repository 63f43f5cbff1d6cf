import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import Cycle
from reconciler.core.order import waves


def test_what_is_needed_comes_first() -> None:
    needs = {"app": ["config", "user"], "config": ["folder"], "folder": [], "user": []}
    assert waves(needs) == (("folder", "user"), ("config",), ("app",))


def test_a_cycle_shows_its_path() -> None:
    with pytest.raises(Cycle, match=r"cannot order what needs itself: . → . → . → ."):
        waves({"a": ["b"], "b": ["c"], "c": ["a"], "d": []})


def test_a_need_that_is_met_already_does_not_count() -> None:
    assert waves({"a": ["somewhere else"]}) == (("a",),)


@given(st.dictionaries(st.integers(0, 20), st.sets(st.integers(0, 20)), max_size=20))
def test_each_comes_once_and_after_all_it_needs(graph: dict[int, set[int]]) -> None:
    below = {item: {need for need in needs if need < item} for item, needs in graph.items()}
    seen: set[int] = set()
    for wave in waves(below):
        assert all(need in seen for item in wave for need in below[item] if need in below)
        seen |= set(wave)
    assert seen == set(below)
