"""Nothing that another machine does, or does not do, keeps us longer than we said: one deadline for each question.

What it shows is verified, what it says is cut, and what may be secret in a URL is in no message.
"""

import errno
import os
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, IncompleteRead, RemoteDisconnected
from urllib.parse import SplitResult, unquote, urlsplit

from reconciler.core.errors import Denied, NoRoom, NotSupported, Transient
from reconciler.core.senses import Answer
from reconciler.host.commands import HostCommands
from reconciler.host.line import Deadline, Line
from reconciler.host.names import addresses, is_address
from reconciler.host.places import reached

BODY_MAX = 64 << 10

_PORTS = {"http": 80, "https": 443}


class HostNet:
    """Satisfies Net. Only paths are taken under the root: names and ports are those of the machine."""

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._commands = HostCommands()

    def connect(self, host: str, port: int, timeout: timedelta) -> float:
        who = _pair(host, port)
        deadline = Deadline(timeout, who)
        with _asking(f"connect to {who}", deadline), self._connected(host, port, deadline):
            return deadline.spent()

    def connect_local(self, path: str, timeout: timedelta) -> float:
        deadline = Deadline(timeout, path)
        with _asking(f"connect to {path}", deadline), closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(deadline.left())
            _connect_unix(connection, reached(self._root, path))
            return deadline.spent()

    def get(self, url: str, timeout: timedelta) -> Answer:
        parts = _split(url)
        who = _shown(parts)
        deadline = Deadline(timeout, who)
        with _asking(f"get {who}", deadline), self._towards(parts, deadline) as connection:
            return _converse(connection, parts, deadline)

    def certificate_end(self, host: str, port: int, timeout: timedelta) -> datetime:
        who = _pair(host, port)
        deadline = Deadline(timeout, who)
        with (
            _asking(f"see the certificate of {who}", deadline),
            self._connected(host, port, deadline) as connection,
            _verified(connection, host, deadline) as secure,
        ):
            end = (secure.getpeercert() or {})["notAfter"]
            return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(end)), UTC)

    @contextmanager
    def _towards(self, parts: SplitResult, deadline: Deadline) -> Iterator[socket.socket]:
        host = parts.hostname or ""
        with self._connected(host, parts.port or _PORTS[parts.scheme], deadline) as connection:
            if parts.scheme == "http":
                yield connection
                return
            with _verified(connection, host, deadline) as secure:
                yield secure

    @contextmanager
    def _connected(self, host: str, port: int, deadline: Deadline) -> Iterator[socket.socket]:
        found = addresses(host, self._commands, timedelta(seconds=deadline.left()))
        with closing(_first(found, port, deadline)) as connection:
            yield connection


def _first(found: tuple[str, ...], port: int, deadline: Deadline) -> socket.socket:
    """A connection to the first that accepts one; each has its share of the time, so that one that hangs is passed."""
    for tried, address in enumerate(found, 1):
        try:
            return _reach(address, port, deadline.left() / (len(found) - tried + 1))
        except OSError:
            if tried == len(found):
                raise
    raise OSError("no address")


def _reach(address: str, port: int, timeout: float) -> socket.socket:
    family, _, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(place)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_unix(connection: socket.socket, place: str) -> None:
    """By the descriptor of its folder: an address has room for 107 bytes (unix(7))."""
    folder, _, name = place.rpartition("/")
    fd = os.open(folder or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection.connect(f"/proc/self/fd/{fd}/{name}")
    finally:
        os.close(fd)


def _verified(connection: socket.socket, host: str, deadline: Deadline) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    try:
        secure = context.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
    except ValueError as error:
        raise NotSupported(f"cannot speak TLS with {host}: such a name has no certificate") from error
    try:
        secure.settimeout(deadline.left())
        secure.do_handshake()  # all of it within that time: _ssl keeps a deadline of its own
    except BaseException:
        secure.close()
        raise
    return secure


def _converse(connection: socket.socket, parts: SplitResult, deadline: Deadline) -> Answer:
    http = HTTPConnection(parts.hostname or "")
    http.sock = Line(connection, deadline)  # all of a socket that it uses
    with closing(http):
        http.request("GET", _target(parts), headers=_headers(parts))
        response = http.getresponse()
        body = response.read(BODY_MAX)
        return Answer(response.status, body, deadline.spent())


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _headers(parts: SplitResult) -> dict[str, str]:
    user, at, host = parts.netloc.rpartition("@")
    headers = {"Host": host, "User-Agent": "reconciler", "Accept": "*/*", "Connection": "close"}
    if at:
        headers["Authorization"] = "Basic " + b64encode(unquote(user).encode()).decode()
    return headers


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in _PORTS and parts.hostname and parts.port != 0 and url.isascii() and url.isprintable()
    except ValueError:
        fits = False
    if not fits or " " in url:
        raise NotSupported("cannot ask such a URL", hint="as in http://127.0.0.1:8700/health, in ASCII")
    return parts


def _shown(parts: SplitResult) -> str:
    """Without what may be secret: who asks, and what it asks for."""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _pair(host: str, port: int) -> str:
    return f"[{host}]:{port}" if is_address(host) and ":" in host else f"{host}:{port}"


@contextmanager
def _asking(deed: str, deadline: Deadline) -> Iterator[None]:
    """What the other side does to us is said in our words."""
    try:
        yield
    except TimeoutError as error:
        raise deadline.overdue() from error
    except ssl.SSLCertVerificationError as error:
        raise Transient(f"cannot {deed}: it is not to be trusted: {_reason(error.verify_message)}") from error
    except (IncompleteRead, RemoteDisconnected) as error:
        raise Transient(f"cannot {deed}: it hung up before its answer was whole") from error
    except HTTPException as error:
        raise Transient(f"cannot {deed}: what answers there does not speak HTTP") from error
    except ssl.SSLError as error:
        raise Transient(f"cannot {deed}: no TLS comes about: {_reason(error.reason or str(error))}") from error
    except OSError as error:
        raise _refused(deed, error) from error


def _refused(deed: str, error: OSError) -> Transient | Denied:
    message = f"cannot {deed}: {_reason(error.strerror or str(error))}"
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return Denied(message, hint="run the agent as root")
        case errno.EMFILE | errno.ENFILE | errno.ENOMEM | errno.ENOBUFS:
            return NoRoom(message)
    return Transient(message)


def _reason(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".").replace("_", " ")
