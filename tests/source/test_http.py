"""A server over http is followed, whatever becomes of it: a failure ends in time, in words, and with nothing lost."""

import os
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

import reconciler
from reconciler.core.errors import BadSettings, Overdue, Transient
from reconciler.source.credentials import Credentials
from reconciler.source.power import MIB, Bounds, Identity
from tests.source.servers import Cutter, GitServer, running
from tests.source.test_least_power import plant

ROOT = Path(reconciler.__file__).parents[1]
HURRIED = Bounds(deadline=timedelta(seconds=0.8))
PATIENT = Bounds(deadline=timedelta(seconds=20))
FAULTS = {
    # mode: (how it is told, whether it hangs)
    "hang": ("no whole answer within 0.8 s", True),
    "trickle": ("no whole answer within 0.8 s", True),
    "short": ("the connection breaks off", False),
    "status 401": ("the server wants credentials", False),
    "status 403": ("the server forbids it (HTTP 403)", False),
    "status 404": ("there is no such repo, or it is hidden from us", False),
    "status 429": ("the server asks us to come less often (HTTP 429)", False),
    "status 500": ("the server is in trouble (HTTP 500)", False),
    "status 503": ("the server is in trouble (HTTP 503)", False),
    "portal": ("what answers is no git repo", False),
    "redirect http://127.0.0.1:1/login": ("the server sends us elsewhere (HTTP 302)", False),
    "lie nonsense": ("what answers is no git repo", False),
}


def refusal(ask):
    began = time.monotonic()
    with pytest.raises(Transient) as caught:
        ask()
    assert time.monotonic() - began < 8
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


def enter(source, revision, floor):
    with source.open(revision, floor) as snapshot:
        return snapshot.read("a")


def test_a_server_is_followed_through_whatever_becomes_of_it(origin, follower, web):
    floor = origin.commit({"a": "0"})
    assert follower.read("a", floor) == b"0"
    for number, (mode, (words, hangs)) in enumerate(FAULTS.items(), 1):
        revision = origin.commit({"a": str(number)})
        source = follower.source(bounds=HURRIED if hangs else PATIENT)
        web.mode = mode
        failure = refusal(source.head)
        assert words in str(failure), mode
        assert follower.url in str(failure)
        assert enter(source, floor, floor) == str(number - 1).encode()
        refusal(lambda source=source, revision=revision, floor=floor: enter(source, revision, floor))
        assert enter(source, floor, floor) == str(number - 1).encode(), mode
        web.mode = "ok"
        assert follower.source().head() == revision
        assert follower.read("a", revision, floor) == str(number).encode()
        floor = revision
    assert sorted(path.name for path in follower.clone.parent.glob("repo*")) == ["repo", "repo.lock"]


def test_a_server_is_killed_and_comes_back(origin, follower, web):
    first = origin.commit({"a": "1"})
    follower.read("a", first)
    second = origin.commit({"a": "2"})
    web.stop()
    assert "nothing answers there" in str(refusal(follower.source().head))
    assert "nothing answers there" in str(refusal(lambda: enter(follower.source(), second, first)))
    assert follower.read("a", first, first) == b"1"
    web.start()
    assert follower.source().head() == second
    assert follower.read("a", second, first) == b"2"


def test_a_line_that_breaks_after_every_512_bytes(origin, follower, web):
    first = origin.commit({"a": "1", "more": os.urandom(300_000)})
    follower.read("a", first)
    second = origin.commit({"a": "2", "more": os.urandom(300_000)})
    straight = follower.url
    cutter = Cutter(web.port)
    follower.url = straight.replace(str(web.port), str(cutter.port))
    for cutter.each in (512, 100_000):
        failure = refusal(lambda: enter(follower.source(), second, first))
        assert "the connection breaks off" in str(failure)
        assert enter(follower.source(), first, first) == b"1"
    cutter.each = 400_000  # enough for this commit, and not for a whole clone
    assert follower.read("a", second, first) == b"2"
    cutter.close()


@pytest.mark.parametrize("harm", ["packs are zeroed", "refs are junk", "objects are gone", "config is another's"])
def test_a_broken_clone_while_the_server_is_away(origin, follower, web, harm):
    first = origin.commit({"a": "1"})
    follower.read("a", first)
    if harm == "packs are zeroed":
        for pack in follower.clone.glob("objects/pack/*"):
            pack.chmod(0o600)
            pack.write_bytes(bytes(pack.stat().st_size))
    elif harm == "refs are junk":
        (follower.clone / "refs/reconciler/head").write_text("junk")
        shutil.rmtree(follower.clone / "objects/pack")
    elif harm == "objects are gone":
        shutil.rmtree(follower.clone / "objects")
    else:
        plant(follower.clone, follower.clone / "canary")
        shutil.rmtree(follower.clone / "objects/pack")
    web.mode = "status 500"
    refusal(lambda: enter(follower.source(), first, first))
    assert follower.clone.exists()
    web.mode = "ok"
    assert follower.read("a", first, first) == b"1"
    assert not (follower.clone / "canary").exists()


def test_a_server_in_trouble_is_asked_once_and_the_clone_not_suspected(origin, follower, web):
    first = origin.commit({"a": "1"})
    follower.read("a", first)
    second = origin.commit({"a": "2"})
    web.mode = "status 503"
    web.requests.clear()
    refusal(lambda: enter(follower.source(), second, first))
    assert len(web.requests) == 1


def test_a_server_that_only_offers_files_is_refused(origin, follower, web):
    head = origin.commit({"a": "1"})
    origin.git("update-server-info")
    web.mode = "dumb"
    assert "the dumb http protocol" in str(refusal(lambda: enter(follower.source(), head, None)))
    assert not [path for path in web.requests if "/objects/" in path]


def test_what_floods_is_held_in_little_memory(follower, web, git_in_path, tmp_path):
    web.mode = "flood"
    git_in_path(f'sleep 0.2; grep "Max address" /proc/self/limits > {tmp_path}/limit; exec $GIT "$@"')
    refusal(follower.source(bounds=Bounds(deadline=timedelta(seconds=3))).head)
    assert str(256 * MIB) in (tmp_path / "limit").read_text()


def test_a_poll_over_http_that_finds_nothing_writes_nothing(origin, follower, web, traces):
    head = origin.commit({"a": "1"})
    follower.read("a", head)
    before = traces(follower.clone), traces(follower.lock)
    assert follower.source().head() == head
    assert follower.read("a", head, head) == b"1"
    assert (traces(follower.clone), traces(follower.lock)) == before


def test_one_new_commit_over_http_brings_that_commit_only(origin, follower, web):
    first = origin.commit({"noise": os.urandom(MIB), "a": "1"})
    follower.read("a", first)
    assert follower.read("a", origin.commit({"a": "2"}), first) == b"2"
    sizes = sorted(pack.stat().st_size for pack in follower.clone.glob("objects/pack/*.pack"))
    assert len(sizes) == 2
    assert sizes[0] < 2000


def test_a_repo_of_sha256_over_http(new_origin, follower, web):
    follower.origin = new_origin("wide", "sha256")
    follower.url = web.url("wide/.git")
    first = follower.origin.commit({"a": "1"})
    assert follower.source().head() == first
    assert follower.read("a", first) == b"1"
    assert follower.read("a", follower.origin.commit({"a": "2"}), first) == b"2"


def test_more_than_a_fetch_may_bring_over_http(origin, follower, web):
    head = origin.commit({"noise": os.urandom(3 * MIB)})
    with pytest.raises(Exception, match="more than 1 MiB"):
        enter(follower.source(bounds=Bounds(file=MIB)), head, None)


def test_nothing_of_the_agents_surroundings_reaches_git(origin, follower, web, monkeypatch, tmp_path):
    canary = tmp_path / "canary"
    script = tmp_path / "helper"
    script.write_text(f"#!/bin/sh\necho $0 >> {canary}\n")
    script.chmod(0o755)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hidden\n")
    helper = f'[credential]\n\thelper = !{script}\n[core]\n\taskPass = {script}\n[url "http://127.0.0.1:1/"]\n'
    (tmp_path / ".gitconfig").write_text(helper + "\tinsteadOf = http://127\n")
    for name in ("GIT_ASKPASS", "SSH_ASKPASS", "GIT_SSH_COMMAND", "GIT_PROXY_COMMAND"):
        monkeypatch.setenv(name, str(script))
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")
    head = origin.commit({"a": "1"})
    assert follower.read("a", head) == b"1"
    web.mode = "basic"
    web.user = b"me:hidden"
    assert "wants credentials" in str(refusal(follower.source().head))
    assert not canary.exists()


# Credentials


@pytest.fixture
def passwords(web, follower, tmp_path):
    """A file with a line for the server, which asks for it."""
    web.user, web.mode = b"me:hidden", "basic"
    path = tmp_path / "passwords"
    path.write_text(f"https://other:else@example.org\nhttp://me:hidden@127.0.0.1:{web.port}\n")
    path.chmod(0o600)
    follower.credentials = Credentials(passwords=str(path))
    return path


def test_a_server_that_wants_credentials_gets_them(origin, follower, web, passwords):
    first = origin.commit({"a": "1"})
    before = passwords.read_text(), passwords.stat().st_mtime_ns
    assert follower.source().head() == first
    assert follower.read("a", first) == b"1"
    assert (passwords.read_text(), passwords.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("http://me:hidden-too@127.0.0.1:{port}", "the server refuses the credentials"),
        ("http://hidden@127.0.0.1:{port}", "the server wants credentials"),
        ("http://me:hidden@127.0.0.2:{port}", "the server wants credentials"),
        ("https://me:hidden@127.0.0.1:{port}", "the server wants credentials"),
        ("http://me:hidden@127.0.0.1", "the server wants credentials"),
        ("hidden", "the server wants credentials"),
    ],
)
def test_credentials_that_do_not_fit_are_neither_shown_nor_forgotten(follower, web, passwords, line, words):
    follower.origin.commit()
    passwords.write_text(line.format(port=web.port) + "\n")
    failure = refusal(follower.source().head)
    assert words in str(failure)
    assert "hidden" not in f"{failure} {failure.hint}"
    assert passwords.read_text() == line.format(port=web.port) + "\n"


def test_credentials_are_not_carried_elsewhere(origin, follower, web, passwords, tmp_path):
    origin.commit()
    other = GitServer(tmp_path)
    with running(other):
        web.mode = f"redirect http://127.0.0.1:{other.port}"
        assert "sends us elsewhere" in str(refusal(follower.source().head))
        assert other.requests == []


def test_credentials_that_others_may_read_are_not_used(origin, follower, web, passwords):
    origin.commit()
    for mode in (0o644, 0o604, 0o620):
        passwords.chmod(mode)
        with pytest.raises(BadSettings, match="others may read or change it") as caught:
            follower.source().head()
        assert caught.value.hint == f"chmod 600 {passwords}"
    passwords.unlink()
    with pytest.raises(BadSettings, match="cannot use the credentials file: No such file"):
        follower.source().head()
    passwords.mkdir()
    with pytest.raises(BadSettings, match="no regular file"):
        follower.source().head()


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="runs git as another user")
def test_credentials_are_read_by_the_user_who_runs_git(origin, follower, web, passwords, public):
    head = origin.commit({"a": "1"})
    follower.clone = public / "repo"
    path = public / "passwords"
    shutil.copy(passwords, path)
    follower.credentials = Credentials(passwords=str(path))
    nobody = Identity(65534, 65534)
    with pytest.raises(BadSettings, match="may not read it") as caught:
        follower.source(identity=nobody).head()
    assert caught.value.hint == f"chown 65534:65534 {path}"
    for owner, mode in (((65534, 65534), 0o600), ((0, 65534), 0o640)):
        os.chown(path, *owner)
        path.chmod(mode)
        assert follower.source(identity=nobody).head() == head
    assert enter(follower.source(identity=nobody), head, None) == b"1"
    os.chown(path, 1, 1)
    with pytest.raises(BadSettings, match="others may read or change it"):
        follower.source(identity=nobody).head()


LOOK = """
import sys
from reconciler.source.credentials import Credentials
from reconciler.source.git import Source
from reconciler.source.remote import Remote
source = Source(Remote(sys.argv[1]), sys.argv[2], sys.argv[3], credentials=Credentials(passwords=sys.argv[4]))
with source.open(source.head(), None) as snapshot:
    snapshot.read("a")
"""


@pytest.mark.strace
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_no_program_is_told_a_secret(origin, follower, web, passwords, tmp_path):
    origin.commit({"a": "1"})
    trace = tmp_path / "trace"
    where = [follower.url, str(follower.clone), str(follower.lock), str(passwords)]
    look = [sys.executable, "-B", "-c", LOOK, *where]
    strace = ["strace", "-f", "-v", "-s", "9999", "-o", str(trace), "-e", "trace=execve"]
    subprocess.run([*strace, *look], check=True, cwd=ROOT)
    said = trace.read_text()
    assert "credential-store" in said
    assert str(passwords) in said
    assert "hidden" not in said


# TLS


@pytest.fixture
def secure(origin, follower, tmp_path, pem):
    server = GitServer(tmp_path, pem)
    follower.url = server.url("origin/.git")
    with running(server):
        yield server


def test_a_server_whose_certificate_nobody_vouches_for(origin, follower, secure, tmp_path):
    head = origin.commit({"a": "1"})
    assert "certificate is not trusted" in str(refusal(follower.source().head))
    assert secure.requests == []
    follower.credentials = Credentials(authorities=str(tmp_path / "tls-certificate"))
    assert follower.source().head() == head
    assert follower.read("a", head) == b"1"
    follower.url = secure.url("origin/.git", "localhost")
    assert "certificate is for another name" in str(refusal(follower.source().head))


def test_a_file_of_certificates_that_is_none(origin, follower, secure, tmp_path):
    path = tmp_path / "junk"
    path.write_text("junk")
    follower.credentials = Credentials(authorities=str(path))
    assert "certificate" in str(refusal(follower.source().head))
    follower.credentials = Credentials(authorities=str(path) + "x")
    with pytest.raises(BadSettings, match="file of certificates"):
        follower.source().head()


def test_a_scheme_that_the_port_does_not_speak(origin, follower, secure, web):
    follower.url = web.url("origin/.git").replace("http:", "https:")
    assert "no TLS connection comes about" in str(refusal(follower.source().head))
    follower.url = secure.url("origin/.git").replace("https:", "http:")
    assert "the connection breaks off" in str(refusal(follower.source().head))


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://127.0.0.1:1/r", "nothing answers there"), ("https://nowhere.invalid/r", "its name cannot be resolved")],
)
def test_nobody_is_there(follower, url, words):
    follower.url = url
    assert words in str(refusal(follower.source().head))


def test_no_child_is_left_of_a_server_that_hangs(origin, follower, web):
    web.mode = "hang"
    with pytest.raises(Overdue):
        follower.source(bounds=HURRIED).head()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
