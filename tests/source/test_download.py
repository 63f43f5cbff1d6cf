"""A payload comes from real servers on loopback, whose manners are as bad as the table says."""

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reconciler.core.errors import HostileSource, Overdue, SourceUnreachable, Transient
from reconciler.source.download import Limits, fetch
from reconciler.source.power import Identity
from tests.source.servers import certificate

NOBODY = Identity(65534, 65534)
CONTENT = os.urandom(300_000)
HASTY = Limits(size=1 << 20, deadline=timedelta(seconds=20), slowest=1024, patience=timedelta(seconds=1))


class Server:
    """Each path is a manner."""

    def __init__(self, certificate: Path | None = None) -> None:
        outer = self
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()

        class Handler(_Handler):
            server_of_test = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.handle_error = lambda *_: None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server_of_test: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server_of_test.seen.append((self.path, dict(self.headers)))
        manner, _, argument = self.path.strip("/").partition("?")[0].partition("/")
        with contextlib.suppress(OSError):
            getattr(self, f"be_{manner}")(argument)

    def head(self, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def be_good(self, _):
        self.head(Content_Length=str(len(CONTENT)))
        self.wfile.write(CONTENT)

    def be_unmeasured(self, _):
        self.head()
        self.wfile.write(CONTENT)

    def be_status(self, code):
        self.head(int(code), Content_Length="6")
        self.wfile.write(b"secret")

    def be_cut(self, _):
        self.head(Content_Length=str(len(CONTENT)))
        self.wfile.write(CONTENT[:100_000])

    def be_silent(self, _):
        self.server_of_test.over.wait(20)

    def be_hang(self, _):
        self.head(Content_Length=str(len(CONTENT)))
        self.wfile.write(CONTENT[:10])
        self.server_of_test.over.wait(20)

    def be_trickle(self, _):
        self.head()
        while not self.server_of_test.over.wait(0.05):
            self.wfile.write(b"x")

    def be_steady(self, _):
        """Slow enough for its deadline, not for our patience."""
        self.head()
        while not self.server_of_test.over.wait(0.05):
            self.wfile.write(b"x" * 1000)

    def be_endless(self, _):
        self.head()
        while True:
            self.wfile.write(b"x" * 65536)

    def be_large(self, _):
        self.head(Content_Length=str(10 << 30))

    def be_loop(self, n):
        self.head(302, Location=f"/loop/{int(n or 0) + 1}", Content_Length="0")

    def be_hops(self, n):
        self.head(307, Location=f"/hops/{int(n) - 1}" if int(n) > 1 else "/good", Content_Length="0")

    def be_to(self, where):
        self.head(302, Location=bytes.fromhex(where).decode(), Content_Length="0")


def to(where: str) -> str:
    return f"/to/{where.encode().hex()}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    file = certificate(tmp_path_factory.mktemp("tls"))
    server = Server(file)
    yield server, file
    server.stop()


@pytest.mark.parametrize("path", ["/good", "/unmeasured", "/hops/5", "/good?token=x"])
def test_what_is_there_comes_whole(server: Server, path: str) -> None:
    assert b"".join(fetch(server.url + path)) == CONTENT


@pytest.mark.parametrize(
    ("path", "says"),
    [
        pytest.param("/status/404", r"there is no such thing \(HTTP 404\)", id="is not there"),
        pytest.param("/status/403", r"forbids it \(HTTP 403\)", id="is not for us"),
        pytest.param("/status/500", r"in trouble \(HTTP 500\)", id="fails"),
        pytest.param("/status/206", r"refuses \(HTTP 206\)", id="gives a part that nobody asked for"),
        pytest.param("/cut", "breaks off", id="goes away in the midst"),
        pytest.param("/silent", "stands still", id="never answers"),
        pytest.param("/hang", "stands still", id="stops in the midst"),
        pytest.param("/trickle", "stands still", id="sends a byte now and then"),
        pytest.param("/endless", "larger than we take", id="never ends"),
        pytest.param("/large", "larger than we take", id="promises too much"),
        pytest.param("/loop/0", "again and again", id="sends us round and round"),
        pytest.param("/hops/6", "again and again", id="sends us on once too often"),
        pytest.param(to("file:///etc/passwd"), "no address of http", id="sends us to a file"),
        pytest.param(to("ftp://127.0.0.1/x"), "no address of http", id="sends us to ftp"),
        pytest.param(to("http://me:secret@127.0.0.1/x"), "no address of http", id="gives us a name and password"),
    ],
)
def test_a_server_that(server: Server, path: str, says: str) -> None:
    with pytest.raises(SourceUnreachable, match=says) as caught:
        list(fetch(f"{server.url}{path}?token=secret", limits=HASTY))
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_a_server_that_is_slow_but_steady_is_waited_for_until_the_deadline(server: Server) -> None:
    limits = Limits(deadline=timedelta(seconds=2.5), patience=timedelta(seconds=1))
    with pytest.raises(Overdue, match=r"not whole within 2\.5 s"):
        list(fetch(f"{server.url}/steady", limits=limits))


def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SourceUnreachable, match="nothing answers there"):
        list(fetch(f"http://127.0.0.1:{port}/x"))


def test_something_else_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(SourceUnreachable, match="does not speak http"):
            list(fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/x", limits=HASTY))


def test_a_name_that_is_nobodys() -> None:
    with pytest.raises(Transient, match="cannot be resolved"):
        list(fetch("http://nobody.invalid/x", limits=HASTY))


def test_a_certificate_is_verified(secure: tuple[Server, Path]) -> None:
    server, file = secure
    with pytest.raises(SourceUnreachable, match="certificate is not trusted"):
        list(fetch(f"{server.url}/good", limits=HASTY))
    assert b"".join(fetch(f"{server.url}/good", limits=Limits(authorities=str(file)))) == CONTENT


def test_the_systems_own_file_of_certificates_may_be_named(
    secure: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, file = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert b"".join(fetch(f"{server.url}/good")) == CONTENT


def test_nobody_is_sent_from_https_to_http(server: Server, secure: tuple[Server, Path]) -> None:
    tls, file = secure
    with pytest.raises(SourceUnreachable, match="from https to http"):
        list(fetch(tls.url + to(f"{server.url}/good"), limits=Limits(authorities=str(file))))
    assert b"".join(fetch(server.url + to(f"{tls.url}/good"), limits=Limits(authorities=str(file)))) == CONTENT


def test_a_file_of_certificates_that_is_none(secure: tuple[Server, Path], tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match="file of certificates cannot be used"):
        list(fetch(f"{secure[0].url}/good", limits=Limits(authorities=str(tmp_path / "none"))))


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://x/y", "/etc/passwd", "http://", "https://me:secret@example.org/x", "http://h/a\nb"],
)
def test_an_address_that_is_not_asked(url: str) -> None:
    with pytest.raises(HostileSource, match="cannot fetch a payload") as caught:
        list(fetch(url))
    assert "secret" not in str(caught.value)


def test_no_proxy_of_ours_is_asked_and_no_secret_is_shown(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("PYTHONSTARTUP", "/nonexistent")
    server.seen.clear()
    chunks = fetch(f"{server.url}/good?token=secret")
    next(chunks)
    arguments = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children()]
    assert arguments
    assert not any(b"token=secret" in argument for argument in arguments)
    assert sum(len(chunk) for chunk in chunks)
    path, headers = server.seen[0]
    assert path == "/good?token=secret"
    assert {"Cookie", "Authorization"}.isdisjoint(headers)


def test_who_stops_listening_leaves_nothing_behind(server: Server) -> None:
    chunks = fetch(f"{server.url}/endless")
    next(chunks)
    assert children()
    chunks.close()
    assert not children()


def test_a_reader_that_takes_its_time_is_not_the_servers_fault(server: Server) -> None:
    limits = Limits(deadline=timedelta(seconds=20), patience=timedelta(seconds=0.5), slowest=100_000)
    chunks = fetch(f"{server.url}/good", limits=limits)
    first = next(chunks)
    time.sleep(1)
    assert first + b"".join(chunks) == CONTENT


@pytest.mark.skipif(os.getuid() != 0, reason="fetches as another user")
def test_the_child_is_another_user_who_may_nothing(server: Server) -> None:
    chunks = fetch(f"{server.url}/endless", NOBODY)
    next(chunks)
    (child,) = children()
    status = Path(f"/proc/{child}/status").read_text()
    limits = Path(f"/proc/{child}/limits").read_text()
    chunks.close()
    assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert "CapEff:\t0000000000000000" in status
    assert any(line.split()[:5] == ["Max", "file", "size", "0", "0"] for line in limits.splitlines())
    assert b"".join(fetch(f"{server.url}/good", NOBODY)) == CONTENT


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
