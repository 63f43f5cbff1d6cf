"""What a helper is told of a device, part by part: which resources and fields, never their values.

A part raises Failure where it cannot be had. Whoever hands parts on redacts them.
"""

import json
import os
import platform
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from reconciler import __version__
from reconciler.agent import command, preview
from reconciler.agent import target as targets
from reconciler.agent.deed import failure_to_json, quarantined_to_json
from reconciler.agent.doctor import host
from reconciler.agent.doctor.examine import examine
from reconciler.agent.doctor.installation import Installation
from reconciler.agent.doctor.place import room
from reconciler.agent.publish import published
from reconciler.agent.publish import status as status_of
from reconciler.agent.settings import PREFIX, Settings
from reconciler.core.errors import Failure, InputOutput
from reconciler.core.journal import Entry, Opened
from reconciler.core.pace import rfc3339
from reconciler.core.quantity import format_duration
from reconciler.core.record import FORMAT, entry_to_json
from reconciler.core.redact import redact
from reconciler.core.step import Step
from reconciler.store.generations import Record

LOG_LINES = 100
LAST_EVENTS_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One member of the bundle; `about` is its line in the README."""

    name: str
    about: str
    collect: Callable[[Installation], Any]


def status(installation: Installation) -> Any:
    _need_records_unless_published(installation)
    return status_of(installation.parts)


def why(installation: Installation) -> Any:
    _need_records_unless_published(installation)
    return [reason.to_json() for reason in command.reasons(installation.parts)]


def doctor(installation: Installation) -> Any:
    return [finding.to_json() for finding in examine(installation)]


def history(installation: Installation) -> Any:
    generations = installation.store().generations
    applied = generations.applied()
    return {
        "inForce": applied.generation.number if applied else None,
        "generations": [_record(record) for record in generations.all()],
    }


def journal(installation: Installation) -> Any:
    return [_entry(entry) for entry in installation.store().journal.entries()]


def events(installation: Installation) -> Any:
    """What the agent told of its passes last, one after another."""
    path = os.path.join(installation.settings.runtime, "events.jsonl")
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_EVENTS_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputOutput(f"cannot read the events: {error.strerror}", where=path) from error
    return [_event(line) for line in lines]


def inventory(installation: Installation) -> Any:
    owned = installation.store().inventory.load().owned
    return [
        {"resource": str(id), "origin": str(entry.origin), "implied": entry.implied}
        for id, entry in sorted(owned.items())
    ]


def holds(installation: Installation) -> Any:
    return [hold.to_json() for hold in installation.store().holds.all()]


def quarantine(installation: Installation) -> Any:
    return [quarantined_to_json(entry) for entry in installation.store().quarantine.all()]


def drift(installation: Installation) -> Any:
    installation.store()
    found, _ = preview.drifts(installation.parts)
    return [{"resource": str(drift.resource), "fields": [field.field for field in drift.fields]} for drift in found]


def logs(installation: Installation) -> Any:
    """The last lines of each service, without what looks like a secret."""
    installation.store()
    target = targets.in_force(installation.parts, None)
    names = [id.name for id in target.desired.resources if id.kind == "unit"] if target else []
    found = installation.parts.look()
    return {name: [redact(line) for line in found.units.log(name, LOG_LINES)] for name in names}


def settings(installation: Installation) -> Any:
    """Each with its name beside it, not above it: a path under `sshKey` is no key, and is shown."""
    amiss = installation.amiss
    told = sorted(name for name in os.environ if name.startswith(PREFIX))
    return {
        "cannotBeUsed": failure_to_json(amiss) if amiss else None,
        "settings": [{"setting": name, "value": value} for name, value in _settings(installation.settings)],
        "variablesSet": [{"variable": name} for name in told],
    }


def versions(installation: Installation) -> Any:
    return {
        "reconciler": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "git": _git(installation),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "model": _first_line("/proc/device-tree/model"),
        "distribution": _distribution(),
        "packages": sorted(f"{found.name} {found.version}" for found in metadata.distributions()),
    }


def machine(installation: Installation) -> Any:
    rooms = (room(folder) for folder in (installation.settings.state, installation.settings.runtime))
    memory = host.meminfo()
    return {
        "disks": [
            {"folder": r.path, "bytesFree": r.free, "bytes": r.total, "inodesFree": r.inodes_free, "inodes": r.inodes}
            for r in rooms
        ],
        "memoryBytes": {name: memory.get(name) for name in ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")},
        "load": os.getloadavg(),
        "upForSeconds": float((_first_line("/proc/uptime") or "0").split()[0]),
        "cpus": os.cpu_count(),
    }


PARTS = (
    Part("status.json", "where the device stands, as published last", status),
    Part("why.json", "why it does not change, or is not well", why),
    Part("doctor.json", "what `reconciler doctor` found", doctor),
    Part("history.json", "the generations: commit, author, result", history),
    Part("journal.json", "the entries of the last plan: which resources and fields, without their values", journal),
    Part("events.json", "the last events that the agent told of", events),
    Part("inventory.json", "what reconciler owns on the device", inventory),
    Part("holds.json", "what an operator told it to wait for", holds),
    Part("quarantine.json", "desired states that failed here, and why", quarantine),
    Part("drift.json", "resources that are not as applied: their fields, without values or contents", drift),
    Part("logs.json", "the last lines that each service wrote", logs),
    Part("settings.json", "the configuration: of secrets only the paths, of variables only the names", settings),
    Part("versions.json", "of reconciler, Python and its packages, git, the kernel, the distribution", versions),
    Part("machine.json", "disks, memory and load", machine),
)


def _need_records_unless_published(installation: Installation) -> None:
    if published(installation.parts) is None:
        installation.store()


def _record(record: Record) -> dict[str, Any]:
    return {
        "generation": record.generation.number,
        "commit": str(record.commit),
        "author": record.author,
        "subject": record.subject,
        "plan": str(record.plan),
        "specDigest": str(record.digest),
        "result": record.result,
        "reason": record.reason,
        "started": rfc3339(record.started),
        "ended": rfc3339(record.ended) if record.ended else None,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    """The states of a plan hold contents of configurations, so of its steps only what they are about is told."""
    if not isinstance(entry, Opened):
        return entry_to_json(entry)
    return {
        "format": FORMAT,
        "entry": "opened",
        "generation": entry.generation.number,
        "purpose": str(entry.purpose),
        "commit": str(entry.commit),
        "plan": str(entry.plan.digest),
        "takenOn": [str(id) for id in entry.taken_on],
        "steps": [_step(step) for step in entry.plan.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    fields = [field.field for field in step.drift]
    return {"resource": str(step.resource), "action": str(step.action), "fields": fields}


def _event(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return line  # the first one may be cut


def _settings(settings: Settings) -> Iterator[tuple[str, Any]]:
    yield "device", str(settings.device)
    yield "root", settings.root
    yield "config", settings.config
    yield "repo.url", settings.url
    yield "repo.ref", settings.ref
    yield "repo.interval", format_duration(settings.interval)
    yield "repo.mirrors", list(settings.mirrors)
    yield "repo.credentials", settings.credentials
    yield "repo.sshKey", settings.ssh_key
    yield "repo.knownHosts", settings.known_hosts
    yield "repo.caFile", settings.ca_file
    yield "logLevel", settings.log_level


def _git(installation: Installation) -> str:
    try:
        return host.git_version(installation)
    except Failure as failure:
        return str(failure)


def _distribution() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


def _first_line(path: str) -> str | None:
    """Of what the kernel tells, which may end with a zero byte."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip("\0\n ")
    except OSError:
        return None
