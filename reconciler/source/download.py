"""A payload comes through a child that has less power than we, bounded in time and size; only its digest makes it good.

What a server says is neither looked at here nor shown, but for its status. A URL is shown without its query, which may
hold a secret, and for the same reason is no argument of a process.
"""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from reconciler.core.errors import BadSettings, Denied, HostileSource, NoRoom, Overdue, SourceUnreachable
from reconciler.source.child import reap
from reconciler.source.power import CHUNK, MIB, Bounds, Identity, Power, limit, own_limits
from reconciler.source.printable import printable

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "getter.py")
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_SYSTEM = "/usr/bin:/bin:/usr/local/bin"
_REASON_CHARS = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one download: `size` in bytes, and `slowest` in bytes a second over `patience` of waiting."""

    size: int = 512 * MIB
    deadline: timedelta = timedelta(minutes=15)
    slowest: int = 1024
    patience: timedelta = timedelta(seconds=30)
    authorities: str | None = None


LIMITS = Limits()

_LATER = "nothing to do here: it is tried again"
_CAUSES = {
    "astray": ("the server sends us to what is no address of http or https", "give the address where it is now"),
    "downgrade": ("the server sends us from https to http", "give the address where it is now"),
    "redirects": ("the server sends us elsewhere again and again", "give the address where it is now"),
    "certificate": ("the server's certificate is not trusted", "check the address and the device's clock"),
    "tls": ("no TLS connection comes about", "check the address and its port"),
    "authorities": ("the file of certificates cannot be used", "it must hold PEM certificates that its user may read"),
    "slow": ("the connection stands still", _LATER),
    "broken-off": ("the connection breaks off", _LATER),
    "name": ("its name cannot be resolved", "check the name and the device's DNS"),
    "unreachable": ("nothing answers there", "check the network, the name and the port"),
    "no-http": ("what answers does not speak http", "check the address and its port"),
    "large": ("it is larger than we take", "check the address: perhaps it leads to something else"),
}


def fetch(url: str, identity: Identity | None = None, limits: Limits = LIMITS) -> Iterator[bytes]:
    """What is at an http(s) URL, in chunks: whole only if this ends without an error, and then still not trusted.

    The child runs as `identity`. Raises SourceUnreachable or Overdue, both Transient, for all that the network or the
    server does, also in the midst of it; HostileSource for what is no such URL.
    """
    shown = _shown(url)
    child = _start(url, identity, limits)
    try:
        yield from _chunks(child, shown, limits)
        if (said := _reason(child, shown, limits)) is not None:
            raise _failure(shown, said)
    finally:
        reap(child)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or not url.isprintable():
        where = printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
        hint = "give https://HOST/PATH, without a name or a password"
        raise HostileSource("cannot fetch a payload from such an address", where=where, hint=hint)
    return url.partition("?")[0]


def _start(url: str, identity: Identity | None, limits: Limits) -> subprocess.Popen[bytes]:
    """Our program is handed over as text: the child's user may not be able to enter the folder that it lies in."""
    power = Power(identity, Bounds(limits.deadline, memory=512 * MIB, file=0))
    with open(_PROGRAM, encoding="utf-8") as program:
        python = [_python(identity), "-I", "-S", "-B", "-c", program.read()]
    try:
        child = subprocess.Popen(
            [*own_limits(power), *python],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            user=identity.uid if identity else None,
            group=identity.gid if identity else None,
            extra_groups=[] if identity else None,
            umask=0o077,
        )
    except FileNotFoundError as error:
        raise BadSettings(f"cannot fetch: there is no {error.filename}", hint="apt install util-linux") from error
    except PermissionError as error:
        raise Denied(f"cannot fetch as {identity or 'this user'}: {error.strerror}") from error
    except OSError as error:
        raise NoRoom(f"cannot start to fetch: {error.strerror}") from error
    if identity is None:
        limit(child, power.bounds)
    _tell(child, url, limits)
    return child


def _python(identity: Identity | None) -> str:
    """Ours may lie where another user may not go (below /root); the system's lies where everybody may."""
    system = shutil.which("python3", path=_SYSTEM) if identity else None
    return system or os.path.realpath(sys.executable)


def _environment() -> dict[str, str]:
    """No proxy, and nothing of Python's own: but for where the system's certificates are."""
    trust = {name: os.environ[name] for name in _TRUST if name in os.environ}
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **trust}


def _tell(child: subprocess.Popen[bytes], url: str, limits: Limits) -> None:
    seconds = limits.patience.total_seconds()
    order = {"url": url, "most": limits.size, "seconds": seconds, "authorities": limits.authorities}
    if child.stdin:
        with suppress(BrokenPipeError):
            child.stdin.write(json.dumps(order).encode())
        child.stdin.close()
        child.stdin = None


def _chunks(child: subprocess.Popen[bytes], shown: str, limits: Limits) -> Iterator[bytes]:
    end = time.monotonic() + limits.deadline.total_seconds()
    patience = limits.patience.total_seconds()
    said, lately, waited = 0, 0, 0.0
    while True:
        began = time.monotonic()
        chunk = _next(child, min(end - began, patience - waited))
        waited, lately = waited + time.monotonic() - began, lately + len(chunk or b"")
        if chunk == b"":
            return
        if time.monotonic() >= end:
            raise Overdue(f"cannot wait longer for {shown}: not whole within {limits.deadline.total_seconds():g} s")
        if waited >= patience:
            if lately < limits.slowest * patience:
                raise _failure(shown, "slow")
            lately, waited = 0, 0.0
        said += len(chunk or b"")
        if said > limits.size:
            raise _failure(shown, "large")
        if chunk:
            yield chunk


def _next(child: subprocess.Popen[bytes], seconds: float) -> bytes | None:
    """None where nothing comes in this time, empty at the end."""
    if not child.stdout:
        return b""
    ready = select.poll()
    ready.register(child.stdout, select.POLLIN)
    if not ready.poll(max(0.0, seconds) * 1000):
        return None
    return os.read(child.stdout.fileno(), CHUNK)


def _reason(child: subprocess.Popen[bytes], shown: str, limits: Limits) -> str | None:
    """What the child says that it failed by; None where it ended well."""
    try:
        _, err = child.communicate(timeout=limits.patience.total_seconds())
    except subprocess.TimeoutExpired as error:
        raise Overdue(f"cannot wait longer for {shown}: its child does not end") from error
    return None if child.returncode == 0 else err.decode(errors="replace").strip()[-_REASON_CHARS:]


def _failure(shown: str, said: str) -> SourceUnreachable | Denied:
    if said.startswith("status "):
        words, hint = _status(said.removeprefix("status "))
    elif said in _CAUSES:
        words, hint = _CAUSES[said]
    else:
        return Denied(f"cannot fetch {shown}: the child that fetches failed: {printable(said) or 'it was ended'}")
    return SourceUnreachable(f"cannot fetch {shown}: {words}", hint=hint)


def _status(number: str) -> tuple[str, str]:
    match number:
        case "404" | "410":
            return f"there is no such thing (HTTP {number})", "check the address"
        case "401" | "403":
            return f"the server forbids it (HTTP {number})", "it must be open to all who know its address"
        case "429":
            return "the server asks us to come less often (HTTP 429)", _LATER
    if number.startswith("5"):
        return f"the server is in trouble (HTTP {number})", _LATER
    return f"the server refuses (HTTP {number})", "check the address"
