"""A repo over ssh is followed with one key, from one server that is known, and with nothing else of ssh's."""

import os
import shutil
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.core.errors import BadSettings, Transient
from reconciler.source.credentials import Credentials
from reconciler.source.power import Bounds
from tests.source.servers import SSHD, GitServer, SshServer, running

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.getuid() != 0, reason="runs an sshd"),
    pytest.mark.skipif(not Path(SSHD).exists() or not shutil.which("ssh"), reason="needs openssh-server"),
]
PATIENT = Bounds(deadline=timedelta(seconds=20))


@pytest.fixture
def ssh(origin, follower, tmp_path):
    server = SshServer(tmp_path / "ssh")
    follower.url = f"ssh://root@127.0.0.1:{server.port}{origin.path}/.git"
    follower.credentials = Credentials(key=str(server.folder / "key"), known_hosts=str(server.known))
    with running(server):
        yield server


def why(follower, bounds=PATIENT):
    with pytest.raises(Transient) as caught:
        follower.source(bounds=bounds).head()
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_repo_over_ssh_is_followed(origin, follower, ssh):
    first = origin.commit({"a": "1"})
    source = follower.source()
    assert source.head() == first
    assert follower.read("a", first) == b"1"
    second = origin.commit({"a": "2"})
    assert follower.read("a", second, first) == b"2"
    ssh.stop()
    assert "nothing answers there" in why(follower)
    assert follower.read("a", second, second) == b"2"
    ssh.start()
    assert follower.source().head() == second


def test_a_server_that_is_unknown_or_another(origin, follower, ssh):
    head = origin.commit()
    ssh.know()
    assert "host key is unknown" in why(follower)
    ssh.know("other-host")
    assert "host key has changed" in why(follower)
    assert "BEGIN" not in ssh.known.read_text()
    ssh.know("host")
    assert follower.source().head() == head


def test_keys_that_do_not_open(origin, follower, ssh, tmp_path):
    origin.commit()
    known = follower.credentials.known_hosts
    follower.credentials = Credentials(key=str(ssh.folder / "wrong-key"), known_hosts=known)
    assert "refuses our ssh key" in why(follower)
    junk = tmp_path / "junk"
    junk.write_text("junk")
    follower.credentials = Credentials(key=str(junk), known_hosts=known)
    with pytest.raises(BadSettings, match="others may read or change it"):
        follower.source().head()
    junk.chmod(0o600)
    assert "ssh key cannot be used" in why(follower)


def test_a_repo_that_is_not_there(origin, follower, ssh):
    follower.url += "-nope"
    assert "there is no such repo" in why(follower)


def test_who_listens_is_no_sshd(follower, ssh, tmp_path):
    web = GitServer(tmp_path)
    with running(web):
        follower.url = f"ssh://root@127.0.0.1:{web.port}/r"
        assert "the connection breaks off" in why(follower)


def test_a_server_that_says_nothing(follower, ssh, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        follower.url = f"ssh://root@127.0.0.1:{silent.getsockname()[1]}/r"
        assert "the connection stands still" in why(follower, Bounds(deadline=timedelta(seconds=3)))
        assert "no whole answer within 0.4 s" in why(follower, Bounds(deadline=timedelta(seconds=0.4)))


@pytest.mark.parametrize(
    "credentials",
    [Credentials(), Credentials(key="/k"), Credentials(known_hosts="/k"), Credentials(key="/nope", known_hosts="/k")],
)
def test_ssh_without_what_it_needs(follower, credentials):
    follower.url = "git@127.0.0.1:r"
    follower.credentials = credentials
    with pytest.raises(BadSettings) as caught:
        follower.source().head()
    assert "ssh" in str(caught.value)


def test_a_path_that_ssh_would_read_in_its_own_way(origin, follower, ssh):
    origin.commit()
    for name in ("k %h", "k;touch x", "k~"):
        path = ssh.folder / name
        shutil.copy(ssh.folder / "key", path)
        follower.credentials = Credentials(key=str(path), known_hosts=str(ssh.known))
        with pytest.raises(BadSettings, match="cannot hand this path to ssh"):
            follower.source().head()


@pytest.mark.usefixtures("ssh")
def test_the_users_own_ssh_is_not_asked(origin, follower, git_in_path, monkeypatch, tmp_path):
    """Its agent, its configuration, the machine's: one word tells ssh to read none, and the rest stands on the line."""
    head = origin.commit()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    git_in_path(f'env > {tmp_path}/environment; exec $GIT "$@"')
    assert follower.source().head() == head
    said = (tmp_path / "environment").read_text()
    assert "SSH_AUTH_SOCK" not in said
    for word in ("-F /dev/null", "BatchMode=yes", "StrictHostKeyChecking=yes", "IdentityAgent=none", "ForwardAgent=no"):
        assert word in said
    assert "GIT_ALLOW_PROTOCOL=ssh\n" in said
