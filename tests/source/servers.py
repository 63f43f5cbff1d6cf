"""Real servers on loopback, whose manners change as they run: git's own http backend, a line that is cut, an sshd."""

import base64
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORTAL = b"<!DOCTYPE html><html><title>Welcome</title><a href=/login>Log in to the network</a></html>\n" * 20
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


class GitServer:
    """`mode` is looked at for each request. A server that went comes back to its port."""

    def __init__(self, root: Path, certificate: Path | None = None) -> None:
        self.root = root
        self.mode = "ok"
        self.user = b""
        self.requests: list[str] = []
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._open: set[socket.socket] = set()
        self.port = 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    def url(self, repo: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._context else 'http'}://{host}:{self.port}/{repo}"

    def start(self) -> None:
        outer = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def process_request(self, request, client_address):
                outer._open.add(request)
                super().process_request(request, client_address)

            def shutdown_request(self, request):
                outer._open.discard(request)
                super().shutdown_request(request)

            def handle_error(self, request, client_address):
                pass

        class Handler(_Handler):
            git = outer

            def setup(self):
                if outer._context:
                    self.request = outer._context.wrap_socket(self.request, server_side=True)
                super().setup()

            def finish(self):
                super().finish()
                self.request.close()

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """As a server that is killed: what it was about to say is not said."""
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    git: GitServer
    timeout = 20

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.git.requests.append(f"{self.command} {self.path}")
        mode, _, argument = self.git.mode.partition(" ")
        getattr(self, f"be_{mode}")(body, argument)

    do_POST = do_GET  # noqa: N815

    def be_ok(self, body, _=""):
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        command = ["git", "http-backend"]
        said = subprocess.run(command, input=body, env=environment, capture_output=True, check=False).stdout
        head, _, content = said.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split()[0])
        self.answer(status, content, **headers)

    def answer(self, status, content, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def be_hang(self, *_):
        time.sleep(15)

    def be_trickle(self, *_):
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        self.end_headers()
        for byte in b"001e# service=git-upload-pack\n0000" * 10:
            self.wfile.write(bytes([byte]))
            time.sleep(0.2)

    def be_flood(self, *_):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        while True:
            self.wfile.write(b"x" * 65536)

    def be_short(self, body, *_):
        """Says half of it, as an answer whose end nobody can tell: no length, the connection closes."""
        self.answer = lambda status, content, **headers: (
            self.send_response(status),
            [self.send_header(name, value) for name, value in headers.items()],
            self.end_headers(),
            self.wfile.write(content[: len(content) // 2]),
        )
        self.be_ok(body)

    def be_status(self, _, code):
        self.answer(int(code), b"no\n", WWW_Authenticate="Basic realm=git", Content_Type="text/plain")

    def be_basic(self, body, _):
        if self.headers.get("Authorization") == "Basic " + base64.b64encode(self.git.user).decode():
            return self.be_ok(body)
        return self.be_status(body, "401")

    def be_portal(self, *_):
        self.answer(200, PORTAL, Content_Type="text/html")

    def be_redirect(self, _, where):
        self.answer(302, PORTAL, Location=where + self.path, Content_Type="text/html")

    def be_lie(self, body, id):
        """Each head is `id`: the rest is true."""
        if self.command == "POST" and b"ls-refs" in body:
            line = f"{id} refs/heads/main\n".encode()
            content = b"%04x%s0000" % (len(line) + 4, line)
            return self.answer(200, content, Content_Type="application/x-git-upload-pack-result")
        return self.be_ok(body)

    def be_dumb(self, *_):
        """A web server that knows nothing of git, with a repo in its folder."""
        path = self.git.root / self.path.partition("?")[0].lstrip("/")
        if path.is_file():
            return self.answer(200, path.read_bytes(), Content_Type="text/plain")
        return self.answer(404, b"")


class Cutter:
    """A line to `port` that breaks after every `each` bytes which the server says."""

    def __init__(self, port: int, each: int = 512) -> None:
        self._target = port
        self.each = each
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._target)) as far, contextlib.suppress(OSError):
            threading.Thread(target=_pump, args=(near, far, 1 << 30), daemon=True).start()
            _pump(far, near, self.each)
            for end in (near, far):
                end.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, sink: socket.socket, left: int) -> None:
    with contextlib.suppress(OSError):
        while left and (chunk := source.recv(min(left, 65536))):
            sink.sendall(chunk)
            left -= len(chunk)


class SshServer:
    """An sshd that lets one key fetch and do nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("host", "other-host", "key", "wrong-key"):
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
            subprocess.run(keygen, check=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = 'case "$SSH_ORIGINAL_COMMAND" in git-upload-pack*) git shell -c "$SSH_ORIGINAL_COMMAND";; esac'
        (folder / "fetch").write_text(f"#!/bin/sh\nexport HOME={folder} GIT_CONFIG_NOSYSTEM=1\n{command}\n")
        (folder / "fetch").chmod(0o755)
        (folder / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
        public = (folder / "key.pub").read_text()
        (folder / "authorized").write_text(f'restrict,command="{folder}/fetch" {public}')
        self.known = folder / "known"
        self.know("host")
        settings = {
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "authorized",
            "StrictModes": "no",
            "PermitRootLogin": "prohibit-password",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "UsePAM": "no",
            "AcceptEnv": "GIT_PROTOCOL",
            "PidFile": "none",
        }
        (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        Path("/run/sshd").mkdir(exist_ok=True)
        self._server: subprocess.Popen[bytes] | None = None
        self.start()

    def know(self, *names: str) -> None:
        keys = [(self.folder / f"{name}.pub").read_text() for name in names]
        self.known.write_text("".join(f"[127.0.0.1]:{self.port} {key}" for key in keys))

    def start(self) -> None:
        command = [SSHD, "-D", "-f", str(self.folder / "config"), "-E", str(self.folder / "log")]
        self._server = subprocess.Popen(command)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        if self._server:
            self._server.kill()
            self._server.wait()


def certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that vouches for itself, in one file."""
    path = folder / "self-signed.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    where = ["-keyout", str(folder / "tls-key"), "-out", str(folder / "tls-certificate")]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *kind, *subject, *where], check=True, capture_output=True)
    path.write_bytes((folder / "tls-key").read_bytes() + (folder / "tls-certificate").read_bytes())
    return path


@contextlib.contextmanager
def running(*servers: GitServer | SshServer) -> Iterator[None]:
    try:
        yield
    finally:
        for server in servers:
            server.stop()
