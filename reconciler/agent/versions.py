"""`version.json` beside the releases of an app says which one is in force, which was good before, and how it went.

It is written before and after a change, for people and for scripts that know nothing of us; nothing is decided by it.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from reconciler.core.desired import App
from reconciler.core.errors import Broken, Failure, Moved
from reconciler.core.host import Access, FilesView, Host
from reconciler.core.journal import Outcome
from reconciler.core.pace import rfc3339

MAX_BYTES = 64 * 1024

Record = dict[str, Any]

_STATUS = {Outcome.CONVERGED: "succeeded", Outcome.REVERTED: "rolled_back"}

_NOTHING: Record = {"current_version": None, "previous_good_version": None}
_IN_PROGRESS = {"status": "in_progress"}


def read(files: FilesView, app: App) -> Record | None:
    """None where there is none that can be read."""
    try:
        stat = files.stat(_path(app))
        if stat is None or stat.size > MAX_BYTES:
            return None
        data = json.loads(b"".join(files.read(_path(app))))
    except (Failure, ValueError):
        return None
    return data if isinstance(data, dict) and isinstance(data.get("last_update"), dict) else None


def begin(apps: Iterable[App], host: Host, now: datetime) -> None:
    """Before a plan that changes their releases."""
    for app in apps:
        before = read(host.files, app)
        if before and before.get("current_version") == app.version:
            continue
        record = {
            "current_version": app.version,
            "previous_good_version": _last_good(before),
            "last_update": {"status": "in_progress", "timestamp": rfc3339(now)},
            "before": _settled(before),
        }
        _write(host, app, record)
    host.files.settle()


def end(apps: Iterable[App], host: Host, outcome: Outcome, now: datetime) -> None:
    """After it; a second time says the same."""
    for app in apps:
        record = read(host.files, app)
        if record is None and outcome is Outcome.CONVERGED:
            record = {"current_version": app.version, "previous_good_version": None, "last_update": _IN_PROGRESS}
        if record is None or record["last_update"].get("status") != "in_progress":
            continue
        before = record.get("before")
        if outcome is Outcome.REVERTED:
            record = before if isinstance(before, dict) and before else _NOTHING
        update = {"status": _STATUS.get(outcome, "failed"), "timestamp": rfc3339(now)}
        _write(host, app, {**_without_before(record), "last_update": update})
    host.files.settle()


def _last_good(record: Record | None) -> str | None:
    """An update that was overtaken by another is not good, whatever became of it."""
    if record is None:
        return None
    is_good = record["last_update"].get("status") != "in_progress"
    found = record.get("current_version") if is_good else record.get("previous_good_version")
    return found if isinstance(found, str) else None


def _settled(record: Record | None) -> Record:
    """What was told before an update that was overtaken, whose end nobody will tell."""
    if record and record["last_update"].get("status") == "in_progress":
        before = record.get("before")
        return before if isinstance(before, dict) else {}
    return _without_before(record)


def _without_before(record: Record | None) -> Record:
    return {key: value for key, value in (record or {}).items() if key != "before"}


def _write(host: Host, app: App, record: Record) -> None:
    """Where the app has no folder (any more), there is nothing to tell."""
    if host.files.stat(app.release.name) is None:
        return
    try:
        host.files.write(_path(app), (json.dumps(record, indent=2).encode() + b"\n",), Access(0o644))
    except Moved as error:
        raise Broken(f"cannot write the version of {app.name}: {error}") from error


def _path(app: App) -> str:
    return f"{app.release.name}/version.json"
