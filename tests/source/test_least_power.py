"""Git runs with less power than we have, and nothing planted in a repo gets any of it."""

import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.core.errors import Overdue, SourceUnreachable
from reconciler.source.child import run
from reconciler.source.power import Bounds, Identity, Power

NOBODY = Identity(65534, 65534)
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="runs git as another user")


def plant(repo: Path, canary: Path) -> None:
    """Whatever git could be made to run by the files of a bare repo."""
    script = repo / "canary.sh"
    script.write_text(f"#!/bin/sh\necho $0 >> {canary}\n")
    script.chmod(0o755)
    hooks = repo / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "reference-transaction", "pre-auto-gc", "post-update", "pre-receive", "post-merge"):
        shutil.copy(script, hooks / name)
    settings = {
        "core.hooksPath": hooks,
        "core.fsmonitor": script,
        "core.sshCommand": script,
        "core.gitProxy": script,
        "core.pager": script,
        "core.alternateRefsCommand": script,
        "uploadpack.packObjectsHook": script,
        "filter.x.smudge": script,
        "filter.x.process": script,
        "credential.helper": f"!{script}",
        "gpg.program": script,
        "diff.external": script,
        "protocol.allow": "always",
        "protocol.ext.allow": "always",
        "remote.origin.uploadpack": script,
        "gc.auto": "1",
    }
    for key, value in settings.items():
        subprocess.run(["git", "config", "--file", repo / "config", key, str(value)], check=True)
    subprocess.run(["git", "config", "--file", repo / "config", f"url.ext::sh {script} .insteadOf", "/"], check=True)
    (repo / "info").mkdir(exist_ok=True)
    (repo / "info/attributes").write_text("* filter=x diff=x\n")


@pytest.mark.parametrize("where", ["the source", "the clone"])
def test_what_is_planted_in_a_repo_does_not_run(origin, follower, tmp_path, where):
    canary = tmp_path / "canary"
    first = origin.commit({"a": "1", ".gitattributes": "* filter=x"})
    follower.read("a", first)
    second = origin.commit({"a": "2"})
    plant(origin.path / ".git" if where == "the source" else follower.clone, canary)
    source = follower.source()
    assert source.head() == second
    assert follower.read("a", first, first) == b"1"
    assert follower.read("a", second, first) == b"2"
    assert follower.read("a", second, second) == b"2"
    assert not canary.exists(), canary.read_text()


def test_the_canary_sings_for_a_git_that_is_not_ours(origin, tmp_path):
    origin.commit({"a": "1"})
    plant(origin.path / ".git", tmp_path / "canary")
    subprocess.run(["git", "-C", origin.path, "update-ref", "refs/heads/x", "HEAD"], check=True)
    assert (tmp_path / "canary").exists()


def test_the_environment_of_the_agent_stays_with_the_agent(origin, follower, monkeypatch, tmp_path):
    head = origin.commit({"a": "1"})
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.hooksPath=/tmp'")
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("GIT_EXEC_PATH", str(tmp_path))
    assert follower.read("a", head) == b"1"
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("identity", [None, pytest.param(NOBODY, marks=[pytest.mark.root, needs_root])])
def test_a_child_is_bounded_by_the_kernel(git_in_path, identity):
    git_in_path("sleep 0.2; cat /proc/self/limits; cut -d' ' -f6 /proc/$$/stat; echo $$; id -u; id -G")
    bounds = Bounds(memory=1 << 28, file=1 << 20, cpu=timedelta(seconds=7), descriptors=33)
    said = run(["x"], Power(identity, bounds)).out.decode()
    limits = {line[:26].strip(): line[26:].split()[:2] for line in said.splitlines() if line.startswith("Max ")}
    assert limits["Max address space"] == [str(1 << 28)] * 2
    assert limits["Max file size"] == [str(1 << 20)] * 2
    assert limits["Max cpu time"] == ["7"] * 2
    assert limits["Max open files"] == ["33"] * 2
    assert limits["Max core file size"] == ["0"] * 2
    leader, own, uid, groups = said.split("\n")[-5:-1]
    assert leader.strip() == own
    if identity:
        assert (uid, groups) == ("65534", "65534")


@pytest.mark.root
@needs_root
def test_git_runs_as_another_user(new_origin, follower, public):
    follower.origin = new_origin(public / "origin", "sha1")
    follower.clone = public / "repo"
    head = follower.origin.commit({"a": "1"})
    source = follower.source(identity=NOBODY)
    with source.open(source.head(), None) as snapshot:
        assert snapshot.read("a") == b"1"
    assert {path.stat().st_uid for path in [follower.clone, *follower.clone.rglob("*")]} == {NOBODY.uid}
    assert follower.lock.stat().st_uid == os.getuid()
    second = follower.origin.commit({"a": "2"})
    with source.open(second, head) as snapshot:
        assert snapshot.read("a") == b"2"


@pytest.mark.root
@needs_root
def test_a_git_of_another_user_that_hangs(follower, git_in_path):
    git_in_path("sleep 60 & sleep 60")
    with pytest.raises(Overdue):
        follower.source(identity=NOBODY, bounds=Bounds(deadline=timedelta(seconds=0.3))).head()


@pytest.mark.root
@needs_root
def test_a_repo_that_the_other_user_may_not_read(origin, follower):
    origin.commit({"a": "1"})
    origin.path.chmod(0o700)
    with pytest.raises(SourceUnreachable, match="cannot reach") as caught:
        follower.source(identity=NOBODY).head()
    assert "may read it" in caught.value.hint
