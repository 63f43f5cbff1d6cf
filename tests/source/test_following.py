"""A repo is followed: commits come in, each once, and nothing is written where nothing is new."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import reconciler
from reconciler.core.errors import BadSettings, NotFound, SourceUnreachable
from reconciler.core.identity import Revision
from reconciler.source.remote import Remote

ROOT = Path(reconciler.__file__).parents[1]


def test_a_first_commit_and_the_next_are_read(origin, follower):
    first = origin.commit({"devices/pi-1.yaml": "one", "fleet.yaml": "f"}, "Première · first\n\nmore")
    source = follower.source()
    assert source.head() == first
    with source.open(first, None) as snapshot:
        assert snapshot.names("") == ("devices", "fleet.yaml")
        assert snapshot.names("devices") == ("pi-1.yaml",)
        assert snapshot.size("devices/pi-1.yaml") == 3
        assert snapshot.read("devices/pi-1.yaml") == b"one"
        assert snapshot.tree_id == origin.git("rev-parse", "HEAD^{tree}")
        commit = snapshot.commit
    assert (commit.author, commit.email) == ("Ann Author", "ann@example.org")
    assert commit.subject == "Première · first"
    assert int(commit.time.timestamp()) == 1700000600
    second = origin.commit({"devices/pi-1.yaml": "two"})
    assert follower.read("devices/pi-1.yaml", second, floor=first) == b"two"


def test_an_older_revision_can_be_read_while_the_floor_is_not_above_it(origin, follower):
    first = origin.commit({"a": "1"})
    origin.commit({"a": "2"})
    assert follower.read("a", first) == b"1"


@pytest.mark.parametrize("path", ["", "/", "nope", "d", "a/b", "/a", "a/", "d/../a", "./a", "d//b", "link", "linked/b"])
def test_what_is_no_regular_file_is_not_there(origin, follower, path):
    (origin.path / "link").mkdir(parents=True)
    (origin.path / "link").rmdir()
    (origin.path / "link").symlink_to("a")
    (origin.path / "linked").symlink_to("d")
    head = origin.commit({"a": "1", "d/b": "2"})
    with follower.source().open(head, None) as snapshot:
        assert snapshot.size(path) is None
        with pytest.raises(NotFound):
            snapshot.read(path)


def test_names_of_what_is_no_folder_are_none(origin, follower):
    head = origin.commit({"a": "1"})
    with follower.source().open(head, None) as snapshot:
        assert snapshot.names("a") == snapshot.names("nope") == snapshot.names("/") == snapshot.names("..") == ()


def test_a_poll_that_finds_nothing_is_one_git_process_and_takes_no_lock(origin, follower, git_in_path, tmp_path):
    origin.commit({"a": "1"})
    git_in_path(f'echo "$1" >> {tmp_path}/calls; exec $GIT "$@"')
    follower.source().head()
    assert (tmp_path / "calls").read_text().split() == ["ls-remote"]
    assert not follower.lock.exists()
    assert not follower.clone.exists()


def test_what_the_clone_has_is_not_fetched_again(origin, follower, git_in_path, tmp_path):
    head = origin.commit({"a": "1"})
    follower.read("a", head)
    git_in_path(f'echo "$1" >> {tmp_path}/calls; exec $GIT "$@"')
    assert follower.read("a", head, floor=head) == b"1"
    assert (tmp_path / "calls").read_text().split() == ["cat-file"]


def test_one_new_commit_takes_one_fetch_and_no_walk(origin, follower, git_in_path, tmp_path):
    first = origin.commit({"a": "1"})
    follower.read("a", first)
    second = origin.commit({"a": "2"})
    git_in_path(f'echo "$1" >> {tmp_path}/calls; exec $GIT "$@"')
    assert follower.read("a", second, floor=first) == b"2"
    assert (tmp_path / "calls").read_text().split() == ["cat-file", "fetch", "cat-file"]


def test_nothing_is_written_where_nothing_is_new(origin, follower, traces):
    head = origin.commit({"a": "1"})
    follower.read("a", head)
    before = traces(follower.clone), traces(origin.path), traces(follower.lock)
    follower.source().head()
    follower.read("a", head, floor=head)
    assert (traces(follower.clone), traces(origin.path), traces(follower.lock)) == before


LOOK = """
import sys
from reconciler.source.git import Source
from reconciler.source.remote import Remote
source = Source(Remote(sys.argv[1]), sys.argv[2], sys.argv[3])
with source.open(source.head(), source.head()) as snapshot:
    snapshot.read("a")
"""
WRITES = (
    "openat creat mkdir mkdirat rename renameat renameat2 unlink unlinkat rmdir link linkat symlink symlinkat "
    "chmod fchmod fchmodat chown fchown fchownat truncate ftruncate utimensat"
)


@pytest.mark.strace
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_no_call_that_writes_is_made_where_nothing_is_new(origin, follower, tmp_path):
    follower.read("a", origin.commit({"a": "1"}))
    trace = tmp_path / "trace"
    calls = ",".join(f"?{call}" for call in WRITES.split())
    look = [sys.executable, "-B", "-c", LOOK, str(origin.path), str(follower.clone), str(follower.lock)]
    subprocess.run(["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={calls}", *look], check=True, cwd=ROOT)
    lines = [line for line in trace.read_text().splitlines() if "(" in line]
    assert any("objects/pack" in line for line in lines)
    writes = [line for line in lines if "openat(" not in line or re.search("O_WRONLY|O_RDWR|O_CREAT", line)]
    assert [line for line in writes if '"/dev/null"' not in line and str(follower.lock) not in line] == []


def test_a_repo_that_goes_and_comes_back(origin, follower, tmp_path):
    first = origin.commit({"a": "1"})
    follower.read("a", first)
    origin.path.rename(tmp_path / "gone")
    with pytest.raises(SourceUnreachable, match=r"cannot reach the desired-state repo .*origin: ") as caught:
        follower.source().head()
    assert caught.value.hint
    assert follower.read("a", first, floor=first) == b"1"
    with pytest.raises(SourceUnreachable):
        follower.read("a", Revision("1" * 40), floor=first)
    assert follower.read("a", first, floor=first) == b"1"
    (tmp_path / "gone").rename(origin.path)
    assert follower.read("a", origin.commit({"a": "2"}), floor=first) == b"2"


def test_a_branch_that_does_not_exist_is_named_with_those_that_do(origin, follower):
    with pytest.raises(SourceUnreachable) as caught:
        follower.source().head()
    assert "no branches yet" in caught.value.hint
    origin.commit()
    origin.git("branch", "other/main")
    with pytest.raises(SourceUnreachable, match="cannot find prod in") as caught:
        follower.source("prod").head()
    assert caught.value.hint == "it has the branches main, other/main"


def test_a_tag_is_followed_to_its_commit(origin, follower):
    head = origin.commit({"a": "1"})
    origin.git("tag", "-m", "release", "v1")
    source = follower.source("refs/tags/v1")
    assert source.head() == head
    with source.open(head, None) as snapshot:
        assert snapshot.read("a") == b"1"


def test_a_longer_ref_with_the_same_end_is_not_meant(origin, follower):
    origin.commit()
    origin.git("update-ref", "refs/other/refs/heads/prod", "HEAD")
    with pytest.raises(SourceUnreachable):
        follower.source("prod").head()


def test_a_repo_of_sha256_is_followed(new_origin, follower):
    follower.origin = new_origin("wide", "sha256")
    first = follower.origin.commit({"d/a": "1"})
    assert len(first.id) == 64
    assert follower.read("d/a", first) == b"1"
    assert follower.read("d/a", follower.origin.commit({"d/a": "2"}), floor=first) == b"2"


def test_the_clone_stays_small_in_files_over_many_commits(origin, follower):
    floor = origin.commit({"a": "0"})
    for number in range(1, 60):
        head = origin.commit({"a": str(number)})
        assert follower.read("a", head, floor) == str(number).encode()
        floor = head
    assert len(list(follower.clone.glob("objects/pack/*.pack"))) < 50


@pytest.mark.parametrize(
    "ref", ["", "-x", "a b", "a..b", "a\n", "a*", "+a", "a:b", "refs/heads/a.lock", "/a", "a/", "@{1}"]
)
def test_a_ref_that_could_be_something_else_is_refused(ref):
    if ref == "+a":
        assert Remote("/r", ref).refname == "refs/heads/+a"
        return
    with pytest.raises(BadSettings):
        Remote("/r", ref)


def test_a_url_of_a_file_is_decoded_as_git_does(new_origin, follower):
    follower.origin = new_origin("with space", "sha1")
    head = follower.origin.commit()
    url = "file://" + str(follower.origin.path).replace(" ", "%20")
    assert re.search("%20", url)
    assert Remote(url).head(follower.source()._power) == head
