"""With what a run was started is told by the run itself, never by a definition that may have changed since.

A record names a run and its stamp; it is written right after we start one, in a folder that ends with the machine's
uptime. Runs of others' making (a boot, a crash) show it in the environment of their process, and those without a
process by being younger than all definitions.
"""

import os
from contextlib import suppress

from reconciler.core.errors import Denied
from reconciler.core.senses import STAMP
from reconciler.durable import publish
from reconciler.host.refusal import cannot

RECORDS = "/run/reconciler/started"

_RECORD_MAX = 4096
_ENVIRONMENT_MAX = 1 << 20


def write_record(name: str, invocation: str, stamp: str) -> None:
    """Raises Failure."""
    with cannot("note the start of", name):
        os.makedirs(RECORDS, mode=0o755, exist_ok=True)
        publish(f"{RECORDS}/{name}", f"{invocation} {stamp}\n".encode())


def read_record(name: str, invocation: str) -> str | None:
    """The stamp of this run; None where another one, or none, was noted."""
    try:
        with open(f"{RECORDS}/{name}", encoding="utf-8", errors="replace") as file:
            noted, _, stamp = file.read(_RECORD_MAX).strip("\n").partition(" ")
    except OSError:
        return None
    return stamp if noted == invocation else None


def stamp_of_process(name: str, pid: int, invocation: str) -> str | None:
    """None where it does not tell: it wrote over its environment, or is not the service yet, or not any more.

    systemd tells each process of a service its run (systemd.exec(5), $INVOCATION_ID).
    """
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read(_ENVIRONMENT_MAX)
    except PermissionError as error:
        raise Denied(f"cannot see with what {name} was started", hint="run it as root") from error
    except OSError:
        return None
    said = dict(part.split(b"=", 1) for part in environment.split(b"\0") if b"=" in part)
    if said.get(b"INVOCATION_ID") != invocation.encode():
        return None
    return said.get(STAMP.encode(), b"").decode(errors="replace")


def stamp_of_definition(environment: list[str]) -> str:
    """Of assignments as systemd has read them, the last one counts."""
    stamps = [text.removeprefix(f"{STAMP}=") for text in environment if text.startswith(f"{STAMP}=")]
    return stamps[-1] if stamps else ""


def definitions(folder: str = "/etc/systemd/system") -> frozenset[tuple[str, int, int, int]]:
    """What tells whether a file below it was changed, came or went."""
    found = set()
    for place, _, names in os.walk(folder):
        for name in (".", *names):
            with suppress(OSError):
                stat = os.lstat(f"{place}/{name}")
                found.add((f"{place}/{name}", stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return frozenset(found)
