"""What a person needs to help is gathered in one file, without contents, without secrets, and whatever is broken.

A part that cannot be had is replaced by the reason why. Nothing leaves without having been redacted.
"""

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler import __version__, durable
from reconciler.agent.deed import failure_to_json
from reconciler.agent.doctor.installation import Installation
from reconciler.agent.evidence import PARTS, Part
from reconciler.core.errors import Broken, Denied, Failure, InputOutput, NotSupported
from reconciler.core.pace import rfc3339
from reconciler.core.redact import redact, redacted


@dataclass(frozen=True, slots=True)
class Written:
    """`missing` says of parts why they could not be had."""

    path: str
    missing: dict[str, str]


def gather(installation: Installation, path: str | None, tell: Callable[[str], None]) -> Written:
    """To `path`, or a name of its own, in the current folder. Raises Denied, InputOutput or NotSupported."""
    now = installation.parts.now()
    stem = f"reconciler-{installation.settings.device}-{now:%Y%m%dT%H%M%SZ}"
    to = f"{stem}.tar.gz" if path is None else os.path.join(path, f"{stem}.tar.gz") if os.path.isdir(path) else path
    _check_free(to)
    members, missing = {}, {}
    for part in PARTS:
        tell(part.name)
        data = _collected(part, installation)
        if isinstance(data, Failure):
            missing[part.name] = redact(str(data))
            data = {"cannotBeCollected": failure_to_json(data)}
        members[part.name] = _json(data)
    members = {"README.txt": _readme(installation, now, missing).encode(), **members}
    _write(to, _archive(stem, members, now))
    return Written(to, missing)


def _collected(part: Part, installation: Installation) -> Any:
    try:
        return part.collect(installation)
    except Failure as failure:
        return failure
    except Exception as error:  # noqa: BLE001  # who asks for help is not stopped by what he needs help with
        return Broken(f"cannot collect this: reconciler itself failed: {type(error).__name__}: {error}")


def _json(data: Any) -> bytes:
    return json.dumps(redacted(data), indent=2, ensure_ascii=False).encode(errors="replace") + b"\n"


def _readme(installation: Installation, now: datetime, missing: dict[str, str]) -> str:
    device = installation.settings.device
    lines = [
        f"A support bundle of the device {device}, made by reconciler {__version__} at {rfc3339(now)}.",
        "",
        "It holds no contents of managed files, no values of variables, and nothing that looks like a secret: that is",
        "shown as «redacted». Names of hosts, files, people and commits are as they are. Look through it all the same",
        "before you hand it on.",
        "",
        *(f"{part.name:<17} {part.about}" for part in PARTS),
        "",
        "The agent's log is not in here: it is where its unit writes it, as in `journalctl -u reconciler`.",
    ]
    if missing:
        lines += ["", "Could not be collected:", *(f"{name:<17} {reason}" for name, reason in missing.items())]
    return "\n".join(lines) + "\n"


def _archive(stem: str, members: dict[str, bytes], now: datetime) -> bytes:
    """The same members at the same moment give the same bytes."""
    file, at = io.BytesIO(), int(now.timestamp())
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=at) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, content in members.items():
            member = tarfile.TarInfo(f"{stem}/{name}")
            member.size, member.mtime, member.mode = len(content), at, 0o600
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _check_free(path: str) -> None:
    if os.path.lexists(path):
        raise NotSupported("cannot write the bundle: something is there already", where=path, hint="name another file")


def _write(path: str, content: bytes) -> None:
    try:
        durable.write_atomic(path, content, mode=0o600)
    except OSError as error:
        sort = Denied if isinstance(error, PermissionError) else InputOutput
        hint = "`--to FILE` names another place"
        raise sort(f"cannot write the bundle: {error.strerror}", where=path, hint=hint) from error
