"""A device in a folder with generation 1 in force, and a commit that brings twenty-one steps of every sort.

What it came to is one flat table, so that two runs can be compared line by line; times of day are not among it.
"""

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from reconciler import probes
from reconciler.core.journal import Closed
from reconciler.durable import PREFIX
from reconciler.kinds import discover
from reconciler.store import Store

CHECKOUT = Path(__file__).parents[2]
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
STATE, RUNTIME = "var/lib/reconciler", "run/reconciler"
STEPS = 21
DEADLINE = 120
KINDS = discover()
PROBES = probes.discover()

Snapshot = Mapping[str, str]

WHO = {
    "GIT_AUTHOR_NAME": "Ann Author",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann Author",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}

POLICY = """\
apiVersion: reconciler/v1
kind: Policy
metadata: {name: home}
spec: {limits: {maxDeletes: 10, maxDeletePercent: 50}}
"""

FIRST = """\
apiVersion: reconciler/v1
kind: Device
metadata: {name: pi}
spec:
  directories:
    /etc/app: {mode: "0755"}
    /srv/data: {mode: "0750"}
  files:
    /etc/motd: {content: "one\\n", mode: "0644"}
    /etc/app/run.sh: {source: apps/app/files/run.sh, mode: "0644"}
    /etc/app/token: {content: "opensesame\\n", mode: "0644"}
    /etc/app/kept: {content: "the same in both\\n", mode: "0600"}
    /etc/gone/a: {content: "a\\n"}
    /etc/left: {content: "ours for a while\\n"}
  links:
    /etc/localtime: {target: ../usr/share/zoneinfo/Etc/UTC}
    /etc/app/current: {target: releases/1}
    /etc/dead: {target: nowhere}
  configs:
    /etc/app/config.yaml: {format: yaml, mode: "0640", values: {server: {host: 127.0.0.1, port: 8700}, level: INFO}}
    /etc/app/config.json: {format: json, values: {list: [1, 2, 3], deep: {a: {b: c}}}}
    /etc/app/config.toml: {format: toml, values: {title: one, owner: {name: ann}}}
    /etc/app/app.env: {format: env, mode: "0600", values: {TZ: UTC, LEVEL: INFO}}
  releases:
    /opt/tool: {version: "1", files: tool/1}
"""

SECOND = """\
apiVersion: reconciler/v1
kind: Device
metadata: {name: pi}
spec:
  directories:
    /etc/app: {mode: "0750"}
    /srv/data: {mode: "0750"}
  files:
    /etc/motd: {content: "two\\n", mode: "0644"}
    /etc/app/run.sh: {source: apps/app/files/run.sh, mode: "0755"}
    /etc/app/token: {content: "opensesame\\n", mode: "0600"}
    /etc/app/kept: {content: "the same in both\\n", mode: "0600"}
    /etc/app/current: {content: "a link once\\n"}
    /etc/new/deep/file: {source: apps/app/files/large, mode: "0640"}
    /etc/hosts: {content: "127.0.0.1 localhost pi\\n"}
  links:
    /etc/localtime: {target: ../usr/share/zoneinfo/Europe/Vienna}
    /etc/new/link: {target: deep/file}
  configs:
    /etc/app/config.yaml: {format: yaml, mode: "0640", values: {server: {host: 127.0.0.1, port: 8701}, level: INFO}}
    /etc/app/config.json: {format: json, values: {list: [1, 2, 4], deep: {a: {b: d}}}}
    /etc/app/config.toml: {format: toml, values: {title: two, owner: {name: ann}}}
    /etc/app/app.env: {format: env, mode: "0600", values: {TZ: UTC, LEVEL: DEBUG}}
    /etc/tool.yaml: {format: yaml, values: {interval: 30, names: [a, b]}}
  releases:
    /opt/tool: {version: "2", files: tool/2}
"""

THERE_BEFORE = {
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/left": "somebody's\n",
    "etc/tool.yaml": "# by hand, in 2019\ninterval: 10  # seconds\n\nnames: [a, b]\n",
    "etc/stranger": "nobody's business\n",
    "srv/data/stranger": "nor this\n",
}

COMMENTED = "# kept over changes\nserver:\n  host: 127.0.0.1  # loopback only\n  port: 8700\n\nlevel: INFO\n"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    err: str


class Scene:
    """All of it in one folder, which goes with it. `before` and `after` are what a crash may leave, path by path."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="reconciler-faults-", dir=MEMORY))
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def copy_to(self, folder: Path) -> Path:
        """The device with generation 1 in force, whose next sync brings twenty-one steps."""
        root = folder / "root"
        subprocess.run(["cp", "-a", self.folder / "first", root], check=True)
        return root

    def _make(self) -> None:
        origin, first, second = self.folder / "origin", self.folder / "first", self.folder / "second"
        files = {"apps/app/files/run.sh": "#!/bin/sh\n", "tool/1/run": "#!/bin/sh\n", "tool/1/lib/a": "a\n"}
        commit(origin, {"policy.yaml": POLICY, "devices/pi.yaml": FIRST, **files})
        for path, content in THERE_BEFORE.items():
            (first / path).parent.mkdir(parents=True, exist_ok=True)
            (first / path).write_text(content)
        (first / "etc/reconciler").mkdir()
        (first / "etc/reconciler/agent.yaml").write_text(f"device: pi\nrepo: {{url: {origin}}}\n")
        well(first)
        (first / "etc/app/config.yaml").write_text(COMMENTED)
        well(first)
        self.before = snapshot(first)
        large = "".join(f"line {n}\n" for n in range(20_000))
        run = "#!/bin/sh\nexec true\n"
        files = {"apps/app/files/run.sh": run, "apps/app/files/large": large, "tool/2/run": run, "tool/2/lib/b": "b\n"}
        commit(origin, {"devices/pi.yaml": SECOND, **files})
        subprocess.run(["cp", "-a", first, second], check=True)
        said = well(second, "--output", "json")
        steps = len(json.loads(said)["changes"])
        if steps != STEPS:
            raise AssertionError(f"the commit brings {steps} steps, not {STEPS}")
        self.after = snapshot(second)


def environment() -> dict[str, str]:
    """The same each time, so that the k-th call is: no cache of code is written, and sets have one order."""
    fixed = {"LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    return {"PATH": os.environ["PATH"], **fixed}


def command(root: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "reconciler", "--root", str(root), "sync", *arguments]


def sync(root: Path) -> Ended:
    """A plain one."""
    done = subprocess.run(
        command(root), cwd=CHECKOUT, env=environment(), capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    return Ended(done.returncode, done.stderr)


def well(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        command(root, *arguments), cwd=CHECKOUT, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise AssertionError(f"cannot set the scene: {done.stdout}{done.stderr}")
    return done.stdout


def commit(origin: Path, files: Mapping[str, str]) -> None:
    git = ["git", "-C", str(origin)]
    if not origin.exists():
        origin.mkdir(parents=True)
        subprocess.run([*git, "init", "-q", "-b", "main"], check=True, env={**os.environ, **WHO})
    for name, content in files.items():
        path = origin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for arguments in (["add", "-A"], ["commit", "-q", "-m", "a change"]):
        subprocess.run([*git, *arguments], check=True, env={**os.environ, **WHO})


def snapshot(root: Path) -> Snapshot:
    """All that may not differ between a run that was interrupted and one that was not."""
    return {
        **tree(root),
        **dict(_records(root)),
        **{f"left over {path}": "yes" for path in _leftovers(root)},
        **{f"lock {name}": "held" for name in ("lock", "repo.lock") if _is_held(root / RUNTIME / name)},
        **{f"process {words}": "yes" for words in _remaining(root)},
    }


def tree(root: Path) -> dict[str, str]:
    """Path by path all that is managed, or could be taken for it."""
    return {f"/{path}": _entry(root / path) for path in _walk(root, skip=(STATE, RUNTIME))}


def difference(expected: Snapshot, seen: Snapshot) -> list[str]:
    keys = sorted(key for key in expected.keys() | seen.keys() if expected.get(key) != seen.get(key))
    return [f"{key}: expected {expected.get(key, 'nothing')}, seen {seen.get(key, 'nothing')}" for key in keys]


def torn(seen: Snapshot, before: Snapshot, after: Snapshot) -> list[str]:
    """Paths that hold neither what they held before nor what they are to hold, though nobody may ever see more."""
    found = []
    for path in sorted(seen.keys() | before.keys() | after.keys()):
        allowed = {before.get(path), after.get(path)}
        changes_sort = len({str(state).partition(" ")[0] for state in allowed}) > 1
        is_ours = path.startswith("/") and PREFIX not in path
        if is_ours and seen.get(path) not in allowed and not (changes_sort and path not in seen):
            found.append(f"{path}: neither old nor new: {seen.get(path, 'nothing')}")
    return found


def _walk(root: Path, skip: Sequence[str] = ()) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        below = os.path.relpath(folder, root)
        here = "" if below == "." else f"{below}/"
        folders[:] = [name for name in folders if f"{here}{name}" not in skip]
        yield from (f"{here}{name}" for name in (*folders, *files) if f"{here}{name}" != "lost+found")


def _entry(path: Path) -> str:
    seen = path.lstat()
    mode = f"{stat.S_IMODE(seen.st_mode):04o}"
    if stat.S_ISLNK(seen.st_mode):
        return f"link to {os.readlink(path)}"
    if stat.S_ISDIR(seen.st_mode):
        return f"directory {mode}"
    content = path.read_bytes()
    shown = repr(content.decode(errors="replace"))[:40] if len(content) < 200 else f"{len(content)} bytes"
    return f"file {mode} {sha256(content).hexdigest()[:12]} {shown}"


def _records(root: Path) -> Iterator[tuple[str, str]]:
    if not (root / STATE / "state.db").exists():
        return
    store = Store.at(str(root / STATE), KINDS, PROBES)
    try:
        for id, owned in store.inventory.load().owned.items():
            yield f"inventory {id}", f"{owned.origin}{' implied' if owned.implied else ''}"
        applied = store.generations.applied()
        yield "applied", f"{applied.generation} {applied.digest} {applied.commit}" if applied else "nothing"
        for record in store.generations.all():
            told = f"{record.digest} {record.commit} {record.plan} {record.result} {record.reason}"
            yield f"history {record.generation}", told
        floor = store.floor.get()
        yield "floor", f"{floor.commit} {floor.ref} {floor.author} {floor.subject}" if floor else "nothing"
        entries = store.journal.entries()
        yield "journal", "closed" if not entries or isinstance(entries[-1], Closed) else "open"
        yield from ((f"quarantine {entry.digest}", entry.fault.message) for entry in store.quarantine.all())
        yield from ((f"hold {hold.kind}", hold.reason) for hold in store.holds.all())
    finally:
        store.close()
    yield from ((f"object {name}", "yes") for name in _names(root / STATE / "objects"))
    yield "status", _status(root / RUNTIME / "status.json")


def _status(path: Path) -> str:
    """All of it but what only says when, and how the last pass went about it."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        return f"unreadable: {error}"
    parts = ("phase", "resources", "holds", "quarantine")
    return json.dumps([{part: document[part] for part in parts}, document["applied"]["generation"]], sort_keys=True)


def _names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def _leftovers(root: Path) -> Iterator[str]:
    """Of a batch, of the store, of SQLite and of git."""
    clone = f"{STATE}/repo/"
    for path in _walk(root):
        name = path.rpartition("/")[2]
        in_clone = path.startswith(clone) and (name.endswith(".lock") or name.startswith(("tmp_", ".tmp-")))
        hot = path == f"{STATE}/state.db-journal" and (root / path).stat().st_size > 0
        if name.startswith((PREFIX, ".incoming-")) or in_clone or hot or path == f"{STATE}/repo.aside":
            yield path


def _is_held(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _remaining(root: Path) -> list[str]:
    """A git whose agent was killed reads the end of its pipe, and ends a moment later."""
    for _ in range(100):
        found = list(_processes(root))
        if not found:
            break
        time.sleep(0.02)
    return found


def _processes(root: Path) -> Iterator[str]:
    """Who still works in the root, or was asked to."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = os.readlink(f"/proc/{entry}/cwd")
        except OSError:
            continue
        if f"{place}/".startswith(f"{root}/") or f"{root} " in words or f"{root}/" in words:
            yield words
