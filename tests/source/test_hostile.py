"""Nothing that somebody can push does more than get itself refused."""

import itertools
import tracemalloc

import pytest

from reconciler.core.errors import HostileSource, SourceUnreachable
from reconciler.core.identity import Revision
from reconciler.source.objects import Forged, MissingObject, find, id_of, names, parse_commit
from reconciler.source.power import MIB, Bounds
from reconciler.source.snapshot import Snapshot

WRONG = ["..", ".", ".git", ".GIT", "a/b", ""]


@pytest.mark.parametrize("name", WRONG)
def test_a_tree_with_a_name_that_no_file_may_have(origin, follower, stream, name):
    blob = origin.blob(b"x")
    head = origin.commit_tree(origin.tree(("100644", "aa", blob), ("100644", name, blob)))
    with pytest.raises((HostileSource, SourceUnreachable)), follower.source().open(head, None):
        pass  # the source's own git refuses to hand out the worst
    snapshot = Snapshot(stream, head)
    for ask in (snapshot.names, lambda: snapshot.size("aa"), lambda: snapshot.names("nope")):
        with pytest.raises(HostileSource):
            ask()


def test_what_git_itself_finds_malformed(origin, follower):
    origin.commit_tree(origin.tree(("100644", "..", origin.blob(b"x"))))
    with pytest.raises(HostileSource, match="git finds them malformed"):
        follower.read("x")


def test_a_ref_that_leads_to_no_commit(origin, follower):
    origin.commit({"a": "1"})
    origin.git("tag", "v1", origin.blob(b"1"))
    source = follower.source("refs/tags/v1")
    with pytest.raises(HostileSource, match="it is a blob, not a commit"), source.open(source.head(), None):
        pass


def test_a_tree_with_two_of_a_name(origin, stream):
    one, two = origin.blob(b"1"), origin.blob(b"2")
    head = origin.commit_tree(origin.tree(("100644", "a", one), ("100644", "a", two)))
    with pytest.raises(HostileSource, match="two entries"):
        Snapshot(stream, head).names()
    with pytest.raises(HostileSource, match="two entries"):
        Snapshot(stream, head).size("a")


def test_a_file_and_a_folder_of_one_name(origin, stream):
    blob = origin.blob(b"1")
    folder = origin.tree(("100644", "x", blob))
    head = origin.commit_tree(origin.tree(("100644", "a", blob), ("100644", "a-", blob), ("40000", "a", folder)))
    with pytest.raises(HostileSource, match="two entries"):
        Snapshot(stream, head).size("a/x")


def test_every_truncation_of_a_tree(origin):
    raw = b"100644 a\0" + b"\0 100644 b\0/..\0" + b"\n" * 5 + b"40000 b\0" + b"7" * 20
    assert names(raw, 40) == ("a", "b")
    assert find(raw, "b", 40).is_folder
    for end in set(range(1, len(raw))) - {29}:
        with pytest.raises(HostileSource):
            names(raw[:end], 40)


def test_an_id_that_looks_like_an_entry_is_not_one():
    raw = b"100644 a\0" + b"100644 pi-1.yaml\0" + b"xxx" + b"100644 z\0" + b"z" * 20
    assert names(raw, 40) == ("a", "z")
    assert find(raw, "pi-1.yaml", 40) is None


def test_a_name_that_is_not_utf8_is_refused_where_it_is_listed():
    raw = b"100644 \xff\0" + b"z" * 20
    with pytest.raises(HostileSource, match="UTF-8"):
        names(raw, 40)
    assert find(raw, "a", 40) is None


def test_a_link_and_a_submodule_are_no_files(origin, follower):
    link = origin.blob(b"/etc/passwd")
    head = origin.commit_tree(origin.tree(("120000", "fleet.yaml", link), ("160000", "module", "12" * 20)))
    with follower.source().open(head, None) as snapshot:
        assert snapshot.names() == ("fleet.yaml", "module")
        assert [snapshot.size(name) for name in ("fleet.yaml", "module", "module/x", "fleet.yaml/x")] == [None] * 4
        assert snapshot.names("module") == snapshot.names("fleet.yaml") == ()


def test_a_huge_file_is_refused_before_it_is_read(origin, follower):
    head = origin.commit({"huge": b"\0" * (64 * MIB), "small": "s"})
    with follower.source().open(head, None) as snapshot:
        tracemalloc.start()
        with pytest.raises(HostileSource, match="67108864 bytes, 16777216 are allowed"):
            snapshot.size("huge")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MIB
        assert snapshot.read("small") == b"s"


def test_more_than_a_fetch_may_bring(origin, follower):
    noise = b"".join(id_of("blob", b"%d" % number, 64).encode() for number in range(60_000))
    head = origin.commit({"noise": noise})
    source = follower.source(bounds=Bounds(file=MIB))
    with pytest.raises(HostileSource, match="more than 1 MiB"), source.open(head, None):
        pass
    assert not [path for path in follower.clone.rglob("*") if path.is_file() and path.stat().st_size > MIB]


def test_an_object_under_another_id(origin, stream):
    head = origin.commit({"a": "good", "b": "evil"})
    good, evil = (origin.git("rev-parse", f"HEAD:{name}") for name in "ab")
    paths = [origin.path / ".git/objects" / id[:2] / id[2:] for id in (good, evil)]
    paths[0].chmod(0o644)
    paths[0].write_bytes(paths[1].read_bytes())
    with pytest.raises(Forged):
        Snapshot(stream, head).read("a")
    assert Snapshot(stream, head).read("b") == b"evil"


def test_an_object_of_another_type(origin, stream):
    head = origin.commit({"a": "1"})
    tree = origin.git("rev-parse", "HEAD^{tree}")
    with pytest.raises(HostileSource, match="it is a tree, not a commit"):
        Snapshot(stream, Revision(tree)).names()
    with pytest.raises(MissingObject):
        Snapshot(stream, Revision("12" * 20)).names()
    assert Snapshot(stream, head).names() == ("a",)


def test_a_commit_whose_tree_is_a_file(origin, stream):
    blob = origin.blob(b"x")
    who = "Ann <a@x> 1700000000 +0000"
    raw = f"tree {blob}\nauthor {who}\ncommitter {who}\n\nm\n".encode()
    head = Revision(origin.git("hash-object", "-t", "commit", "--literally", "-w", "--stdin", stdin=raw))
    with pytest.raises(HostileSource, match="it is a blob, not a tree"):
        Snapshot(stream, head).names()


COMMIT = (
    b"tree %b\nparent %b\nauthor A \xc4 <a@x> 1 +0000\ncommitter C <c@x> 1700000000 -0230\nencoding latin1\n"
    b"gpgsig -----BEGIN SSH SIGNATURE-----\n tree 1\n author\n -----END SSH SIGNATURE-----\n\n\x1b[31msubject\nbody\n"
) % (b"1" * 40, b"2" * 40)
ID = Revision("3" * 40)


def test_a_signed_commit_in_an_old_encoding_is_read():
    commit = parse_commit(ID, COMMIT)
    assert commit.tree == "1" * 40
    assert commit.parents == (Revision("2" * 40),)
    assert (commit.author, commit.subject) == ("A �", "�[31msubject")
    assert commit.time.isoformat() == "2023-11-14T22:13:20+00:00"
    assert commit.raw == COMMIT


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"tree",
        COMMIT.replace(b"tree 1", b"tree g"),
        COMMIT.replace(b"tree 1", b"tree 11"),
        b"tree %b\n%b" % (b"4" * 40, COMMIT),
        COMMIT.replace(b"parent 2", b"parent -"),
        COMMIT.replace(b"author A", b"nobody A"),
        COMMIT.replace(b"1700000000", b"999999999999"),
        COMMIT.replace(b"committer", b"committer C <c@x> 1 +0000\ncommitter"),
    ],
)
def test_a_malformed_commit(raw):
    with pytest.raises(HostileSource):
        parse_commit(ID, raw)


def test_flipped_bits_of_trees_and_commits_are_refused_or_read_but_never_crash():
    tree = b"100644 a.yaml\0" + bytes(range(20)) + b"40000 b\0" + b"7" * 20
    for raw, position in itertools.chain(
        ((COMMIT, at) for at in range(len(COMMIT))), ((tree, at) for at in range(len(tree)))
    ):
        bent = raw[:position] + bytes([raw[position] ^ 0xFF]) + raw[position + 1 :]
        for read in (lambda raw: parse_commit(ID, raw), lambda raw: names(raw, 40), lambda raw: find(raw, "b", 40)):
            try:
                read(bent)
            except HostileSource:
                continue


def test_ids_are_those_of_git(origin):
    assert id_of("blob", b"x" * 12, 40) == origin.blob(b"x" * 12)


@pytest.mark.parametrize("devices", [10, 10_000])
def test_a_device_reads_what_is_its_own_however_many_there_are(origin, counting, devices):
    head = origin.import_files({f"devices/pi-{n}.yaml": f"device {n}" for n in range(devices)} | {"fleet.yaml": "f"})
    snapshot = Snapshot(counting, head)
    assert snapshot.read("devices/pi-1.yaml") == b"device 1"
    assert snapshot.size("devices/pi-1.yaml") == 8
    assert snapshot.size("devices/pi-x.yaml") is None
    assert counting.asked == ["commit", "tree", "tree", "blob"]
