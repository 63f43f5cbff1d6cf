"""Mirrors are asked in their order, and who is of no use is passed over and told; none of them lowers the floor."""

import os
import shutil
import time
from datetime import timedelta

import pytest

from reconciler.core.errors import BadSettings, HostileSource, NotADescendant, SourceUnreachable
from reconciler.source.credentials import Credentials
from reconciler.source.git import Behind
from reconciler.source.power import Bounds
from tests.source.conftest import Origin


@pytest.fixture
def mirror(origin, follower, tmp_path):
    """Brought up to date by calling it; `origin` comes first."""
    path = tmp_path / "mirror"

    def update():
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(origin.path, path)
        return Origin(path)

    follower.mirrors = [str(path)]
    return update


def gone(origin):
    origin.path.rename(origin.path.with_name("away"))


def back(origin):
    origin.path.with_name("away").rename(origin.path)


def read(source, revision, floor):
    with source.open(revision, floor) as snapshot:
        return snapshot.read("a")


def told(source):
    return [(passed.remote.url, type(passed.failure)) for passed in source.passed_over]


def test_the_first_answers_and_nobody_else_is_asked(origin, follower, mirror):
    head = origin.commit({"a": "1"})
    source = follower.source()
    assert source.head() == head
    assert (source.answered, source.passed_over) == (source.remotes[0], ())


def test_the_first_is_away_and_the_mirror_stands_in(origin, follower, mirror):
    first = origin.commit({"a": "1"})
    mirror()
    gone(origin)
    source = follower.source()
    assert source.head() == first
    assert source.answered == source.remotes[1]
    assert [(str(origin.path), True)] == [(url, issubclass(sort, SourceUnreachable)) for url, sort in told(source)]
    assert read(source, first, None) == b"1"
    back(origin)
    second = origin.commit({"a": "2"})
    source = follower.source()
    assert source.head(first) == second
    assert read(source, second, first) == b"2"


def test_a_mirror_that_lags_is_passed_over_for_the_next(origin, follower, mirror, tmp_path):
    first = origin.commit({"a": "1"})
    mirror()
    second = origin.commit({"a": "2"})
    shutil.copytree(origin.path, tmp_path / "fresh")
    follower.mirrors.append(str(tmp_path / "fresh"))
    assert follower.read("a", second, first) == b"2"
    gone(origin)
    source = follower.source()
    assert source.head(second) == second
    assert source.answered == source.remotes[2]
    assert told(source)[1] == (str(tmp_path / "mirror"), Behind)
    assert f"its head {first.short} is older than {second.short}" in str(source.passed_over[1].failure)
    assert read(source, second, second) == b"2"


def test_only_a_mirror_that_lags_is_there(origin, follower, mirror):
    first = origin.commit({"a": "1"})
    mirror()
    second = origin.commit({"a": "2"})
    follower.read("a", second, first)
    gone(origin)
    source = follower.source()
    with pytest.raises(SourceUnreachable, match="cannot reach the desired-state repo") as caught:
        source.head(second)
    assert "is older than" in caught.value.hint
    assert source.answered is None
    assert read(source, second, second) == b"2"


def test_a_mirror_that_lags_but_is_not_behind_the_floor(origin, follower, mirror):
    first = origin.commit({"a": "1"})
    second = origin.commit({"a": "2"})
    mirror()
    third = origin.commit({"a": "3"})
    follower.read("a", first)
    gone(origin)
    source = follower.source()
    assert source.head(first) == second
    assert read(source, second, first) == b"2"
    back(origin)
    assert follower.source().head(second) == third


def test_the_first_was_set_back_and_a_mirror_was_not(origin, follower, mirror):
    base = origin.commit({"a": "0"})
    good = origin.commit({"a": "1"})
    follower.read("a", good, base)
    mirror()
    for message in ("behind", "forced"):
        origin.git("reset", "-q", "--hard", base.id)
        if message == "forced":
            origin.commit({"a": "2"})
        source = follower.source()
        assert source.head(good) == good
        assert told(source) == [(str(origin.path), NotADescendant)]


def test_the_first_was_set_back_and_so_were_all(origin, follower, mirror):
    base = origin.commit({"a": "0"})
    good = origin.commit({"a": "1"})
    follower.read("a", good, base)
    origin.git("reset", "-q", "--hard", base.id)
    origin.commit({"a": "2"})
    mirror()
    with pytest.raises(NotADescendant, match="does not descend from"):
        follower.source().head(good)


def test_a_first_that_lies_about_its_head(origin, follower, mirror, web, tmp_path):
    first = origin.commit({"a": "1"})
    follower.read("a", first)
    second = origin.commit({"a": "2"})
    mirror()
    web.mode = "lie " + "12" * 20
    source = follower.source()
    assert source.head(first) == second
    assert source.answered == source.remotes[1]
    assert read(source, second, first) == b"2"


def test_a_first_that_hands_out_what_is_malformed(origin, follower, mirror):
    first = origin.commit({"a": "1"})
    follower.read("a", first)
    second = origin.commit({"a": "2"})
    mirror()
    origin.commit_tree(origin.tree(("100644", "..", origin.blob(b"x"))), second)
    source = follower.source()
    assert source.head(first) == second
    assert told(source) == [(str(origin.path), HostileSource)]
    assert read(source, second, first) == b"2"


def test_the_first_goes_after_it_named_its_head(origin, follower, mirror):
    first = origin.commit({"a": "1"})
    follower.read("a", first)
    second = origin.commit({"a": "2"})
    mirror()
    source = follower.source()
    assert source.head() == second
    gone(origin)
    assert read(source, second, first) == b"2"


def test_the_clone_is_broken_and_the_first_is_away(origin, follower, mirror):
    head = origin.commit({"a": "1"})
    follower.read("a", head)
    mirror()
    gone(origin)
    for pack in follower.clone.glob("objects/pack/*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(b"junk")
    assert follower.read("a", head, head) == b"1"


def test_a_revision_that_only_the_mirror_has(origin, follower, mirror):
    first = origin.commit({"a": "1"})
    follower.read("a", first)
    second = mirror().commit({"a": "2"})
    assert follower.read("a", second, first) == b"2"


def test_nobody_is_there(origin, follower, mirror):
    with pytest.raises(SourceUnreachable, match="cannot find main") as caught:
        follower.source().head()
    assert str(follower.mirrors[0]) in caught.value.hint


def test_a_first_that_hangs_leaves_time_for_the_next(origin, follower, mirror, web):
    head = origin.commit({"a": "1"})
    mirror()
    web.mode = "hang"
    source = follower.source(bounds=Bounds(deadline=timedelta(seconds=4)))
    began = time.monotonic()
    assert source.head() == head
    assert time.monotonic() - began < 4
    assert "no whole answer within 2 s" in str(source.passed_over[0].failure)


def test_settings_that_cannot_be_used_are_not_passed_over(origin, follower, mirror, web):
    origin.commit()
    mirror()
    follower.credentials = Credentials(passwords="/nope")
    with pytest.raises(BadSettings):
        follower.source().head()


def test_at_rest_a_mirror_costs_nothing(origin, follower, mirror, git_in_path, tmp_path):
    head = origin.commit({"a": "1"})
    follower.read("a", head)
    git_in_path(f'echo "$1" >> {tmp_path}/calls; exec $GIT "$@"')
    assert follower.source().head(head) == head
    assert (tmp_path / "calls").read_text().split() == ["ls-remote"]
    assert os.path.exists(follower.lock)
