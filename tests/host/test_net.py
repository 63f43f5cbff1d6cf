"""Real servers on loopback, those among them that mean no good: none of them keeps us longer than we said."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.core.errors import Failure, NotSupported, Overdue, Transient
from reconciler.host.net import BODY_MAX, HostNet

ENOUGH = timedelta(seconds=5)
SHORT = timedelta(milliseconds=400)
SLACK = 0.6
"""Seconds beyond the deadline that a busy machine may take to notice."""

Talk = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\n"

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="not run: needs openssl")


@contextmanager
def serving(talk: Talk, host: str = "127.0.0.1", *, family: int = socket.AF_INET) -> Iterator[int]:
    """Each connection in its turn; whoever hangs up ends the talk."""
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen()
        server = threading.Thread(target=_serve, args=(listener, talk))
        server.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            server.join()


def _serve(listener: socket.socket, talk: Talk) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                talk(connection)


def answer(response: bytes, heard: list[bytes] | None = None) -> Talk:
    def talk(connection: socket.socket) -> None:
        request = connection.recv(65536)
        if heard is not None:
            heard.append(request)
        connection.sendall(response)

    return talk


def hang(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def for_ever(first: bytes, again: bytes, seconds: float = 0) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(first)
        while True:
            connection.sendall(again)
            time.sleep(seconds)

    return talk


@contextmanager
def in_time(timeout: timedelta = SHORT) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < timeout.total_seconds() + SLACK


def get(port: int, path: str = "/health", timeout: timedelta = ENOUGH, host: str = "127.0.0.1") -> bytes:
    return HostNet().get(f"http://{host}:{port}{path}", timeout).body


def test_a_server_answers() -> None:
    heard: list[bytes] = []
    with serving(answer(OK + b"Content-Length: 2\r\n\r\nhi", heard)) as port:
        found = HostNet().get(f"http://127.0.0.1:{port}/a?b=1", ENOUGH)
    assert (found.status, found.body) == (200, b"hi")
    assert 0 < found.seconds < 5
    assert heard[0].startswith(b"GET /a?b=1 HTTP/1.1\r\n")
    assert b"Host: 127.0.0.1:%d\r\n" % port in heard[0]


def test_what_it_answers_is_told_whatever_it_is() -> None:
    with serving(answer(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")) as port:
        assert HostNet().get(f"http://127.0.0.1:{port}", ENOUGH).status == 503


def test_a_redirect_is_not_followed() -> None:
    with serving(answer(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")) as port:
        assert HostNet().get(f"http://127.0.0.1:{port}/", ENOUGH).status == 302


def test_chunks_are_put_together() -> None:
    with serving(answer(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")) as port:
        assert get(port) == b"abc"


def test_a_server_speaks_ipv6() -> None:
    try:
        with serving(answer(OK + b"\r\nhi"), "::1", family=socket.AF_INET6) as port:
            assert get(port, host="[::1]") == b"hi"
            assert HostNet().connect("::1", port, ENOUGH) < 5
    except OSError as error:
        pytest.skip(f"not run: needs IPv6 on loopback ({error})")


def test_localhost_is_this_machine_whoever_listens_for_whichever_family() -> None:
    with serving(answer(OK + b"\r\nhi")) as port:
        assert get(port, host="localhost") == b"hi"


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is the interface here, so it is what the test sets."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(answer(OK + b"\r\nhi")) as port:
        assert get(port) == b"hi"


def test_a_name_in_the_url_is_sent_and_not_shown() -> None:
    heard: list[bytes] = []
    with serving(answer(OK + b"\r\n", heard)) as port:
        HostNet().get(f"http://ada:p%40ss@127.0.0.1:{port}/", ENOUGH)
    assert b"Authorization: Basic YWRhOnBAc3M=\r\n" in heard[0]
    with pytest.raises(Transient) as refused:
        HostNet().get(f"http://ada:p%40ss@127.0.0.1:{port}/health?token=x#y", ENOUGH)
    assert str(refused.value) == f"cannot get http://127.0.0.1:{port}/health: connection refused"


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(hang, id="hangs after it accepted"),
        pytest.param(for_ever(b"", b"H", 0.05), id="drips a status line"),
        pytest.param(for_ever(OK, b"X", 0.05), id="drips a header"),
        pytest.param(for_ever(OK, b"X: y\r\n", 0.05), id="drips headers"),
        pytest.param(for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01), id="asks to go on for ever"),
        pytest.param(for_ever(OK + b"Content-Length: 9999\r\n\r\n", b"x", 0.05), id="drips a body"),
        pytest.param(for_ever(OK + b"\r\n", b"x", 0.05), id="drips a body without an end"),
        pytest.param(for_ever(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05), id="drips chunks"),
        pytest.param(for_ever(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"x", 0.05), id="drips a trailer"),
    ],
)
def test_it_takes_no_longer_than_we_said_if_a_server(talk: Talk) -> None:
    with serving(talk) as port, in_time(), pytest.raises(Overdue, match=r"no whole answer within 0\.4 s"):
        get(port, timeout=SHORT)


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(for_ever(OK, b"X: y\r\n"), id="sends headers without end"),
        pytest.param(for_ever(OK, b"x" * 4096), id="sends one header without end"),
        pytest.param(for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="asks to go on without end"),
        pytest.param(answer(b"SSH-2.0-OpenSSH\r\n"), id="speaks another protocol"),
        pytest.param(answer(b""), id="hangs up at once"),
        pytest.param(answer(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"), id="hangs up within a chunk"),
        pytest.param(answer(b"HTTP/1.1 abc\r\n\r\n"), id="has no status"),
    ],
)
def test_it_is_at_fault_and_we_are_not_if_a_server(talk: Talk) -> None:
    with serving(talk) as port, pytest.raises(Transient) as failed:
        get(port)
    assert str(failed.value).startswith("cannot ")


def test_an_endless_body_is_cut() -> None:
    with serving(for_ever(OK + b"\r\n", b"x" * 65536)) as port:
        assert len(get(port)) == BODY_MAX


@pytest.mark.parametrize(
    "url", ["ftp://h/", "http://", "http:///x", "http://h:0/", "http://h:x/", "http://h/ä", "http://h/a b"]
)
def test_such_a_url_is_not_asked(url: str) -> None:
    with pytest.raises(NotSupported):
        HostNet().get(url, ENOUGH)


def test_a_port_accepts_connections() -> None:
    with serving(hang) as port:
        assert 0 <= HostNet().connect("127.0.0.1", port, ENOUGH) < 5


def test_nobody_listens() -> None:
    with pytest.raises(Transient, match=r"cannot connect to 127\.0\.0\.1:1: connection refused"):
        HostNet().connect("127.0.0.1", 1, ENOUGH)


def test_a_machine_that_lets_us_wait_is_not_waited_for() -> None:
    """Its queue is full, so that it drops what comes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            with in_time(), pytest.raises(Overdue):
                HostNet().connect("127.0.0.1", listener.getsockname()[1], SHORT)
        finally:
            for filler in fillers:
                filler.close()


def test_a_name_that_nobody_knows() -> None:
    with in_time(ENOUGH), pytest.raises(Failure) as failed:
        HostNet().connect("no-such-host.invalid", 80, ENOUGH)
    assert isinstance(failed.value, Transient)


@pytest.mark.parametrize("deep", ["", "/a-folder-whose-name-is-long" * 6])
def test_a_local_socket_is_found_under_the_root(tmp_path: Path, deep: str) -> None:
    folder = tmp_path / "run" / deep.lstrip("/")
    folder.mkdir(parents=True)
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to("/run")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(folder, os.O_PATH)
        listener.bind(f"/proc/self/fd/{here}/app.sock")
        os.close(here)
        listener.listen()
        assert HostNet(str(tmp_path)).connect_local(f"/var/run{deep}/app.sock", ENOUGH) < 5
    with pytest.raises(Transient, match="connection refused"):
        HostNet(str(tmp_path)).connect_local(f"/var/run{deep}/app.sock", ENOUGH)


def test_there_is_no_local_socket(tmp_path: Path) -> None:
    with pytest.raises(Transient, match=r"cannot connect to /run/app\.sock: no such file or directory"):
        HostNet(str(tmp_path)).connect_local("/run/app.sock", ENOUGH)


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own, and what it signs."""

    folder: Path

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def make(self) -> None:
        config = (
            "[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n"
        )
        (self.folder / "ca.cnf").write_text(config)
        self.key("ca")
        self.openssl(
            *("req", "-x509", "-key", "ca.key", "-out", "ca.pem", "-days", "90", "-subj", "/CN=test authority"),
            *("-config", "ca.cnf", "-extensions", "ca"),
        )

    def key(self, name: str) -> None:
        self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")

    def sign(self, name: str, days: int, names: str, *, itself: bool = False) -> ssl.SSLContext:
        self.key(name)
        (self.folder / f"{name}.ext").write_text(
            f"subjectAltName={names}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
        )
        self.openssl(
            "req", "-new", "-key", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", "-config", "ca.cnf"
        )
        by = ("-signkey", f"{name}.key") if itself else ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        self.openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", "-days", str(days)),
            *("-extfile", f"{name}.ext", *by),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.make()
    return made


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """OpenSSL takes what the machine trusts from there (SSL_CERT_FILE): the environment is its interface."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.folder / "ca.pem"))
    return authority


def secured(context: ssl.SSLContext, talk: Talk) -> Talk:
    def over_tls(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            talk(secure)

    return over_tls


@needs_openssl
class TestTls:
    def test_the_end_of_a_certificate_is_seen(self, trusted: Authority) -> None:
        good = trusted.sign("good", 10, "DNS:localhost,IP:127.0.0.1")
        with serving(secured(good, hang)) as port:
            for host in ("localhost", "127.0.0.1"):
                left = HostNet().certificate_end(host, port, ENOUGH) - datetime.now(UTC)
                assert timedelta(days=9) < left <= timedelta(days=10)

    def test_https_is_spoken(self, trusted: Authority) -> None:
        good = trusted.sign("spoken", 10, "DNS:localhost")
        with serving(secured(good, answer(OK + b"Content-Length: 2\r\n\r\nhi"))) as port:
            assert HostNet().get(f"https://localhost:{port}/", ENOUGH).body == b"hi"

    @pytest.mark.parametrize(
        ("days", "names", "itself", "why"),
        [
            pytest.param(-1, "DNS:localhost", False, "certificate has expired", id="ended"),
            pytest.param(9, "DNS:elsewhere.example", False, "hostname mismatch", id="is another's"),
            pytest.param(9, "DNS:localhost", True, "self-signed", id="is signed by nobody else"),
        ],
    )
    def test_nobody_is_trusted_whose_certificate(
        self, trusted: Authority, days: int, names: str, *, itself: bool, why: str
    ) -> None:
        bad = trusted.sign("bad", days, names, itself=itself)
        with serving(secured(bad, hang)) as port:
            with pytest.raises(Transient, match=f"not to be trusted: {why}"):
                HostNet().certificate_end("localhost", port, ENOUGH)
            with pytest.raises(Transient, match=f"not to be trusted: {why}"):
                HostNet().get(f"https://localhost:{port}/", ENOUGH)

    def test_a_handshake_that_hangs_or_drips(self) -> None:
        for talk in (hang, for_ever(b"", b"\x16", 0.05), for_ever(b"\x16\x03\x03\x10\x00", b"\x02", 0.05)):
            with serving(talk) as port, in_time(), pytest.raises((Overdue, Transient)):
                HostNet().certificate_end("127.0.0.1", port, SHORT)

    def test_a_slow_body_over_tls(self, trusted: Authority) -> None:
        good = trusted.sign("slow", 10, "DNS:localhost")
        with serving(secured(good, for_ever(OK + b"\r\n", b"x", 0.05))) as port, in_time(), pytest.raises(Overdue):
            HostNet().get(f"https://localhost:{port}/", SHORT)

    def test_a_server_that_speaks_no_tls(self) -> None:
        with serving(answer(OK + b"\r\n")) as port, pytest.raises(Transient, match="no TLS comes about"):
            HostNet().certificate_end("127.0.0.1", port, ENOUGH)
