"""Gets one payload by http(s) and says it to stdout: run as a process of its own that may nothing else.

It knows the standard library alone, so that it needs no file of ours that its user may not read. It asks no proxy, has
no cookies and no credentials, follows few redirects, and none to where it would not have been sent itself.
"""

import http.client
import json
import socket
import ssl
import sys
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

REDIRECTS_MAX = 5
CHUNK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)


class Unfetched(Exception):
    """Its text is the cause, a word that who started us knows, and perhaps a number."""


_CAUSES: dict[type[Exception], str] = {
    ssl.SSLCertVerificationError: "certificate",
    ssl.SSLEOFError: "broken-off",
    ssl.SSLError: "tls",
    ConnectionResetError: "broken-off",
    BrokenPipeError: "broken-off",
    http.client.IncompleteRead: "broken-off",
    TimeoutError: "slow",
    socket.gaierror: "name",
    OSError: "unreachable",
    http.client.HTTPException: "no-http",
    ValueError: "no-http",
}
"""The first that fits."""


@dataclass(frozen=True, slots=True)
class Order:
    """`authorities` is a file of PEM certificates in the place of the system's; `most` is in bytes."""

    url: str
    most: int
    seconds: float
    authorities: str | None = None


def main() -> int:
    try:
        _get(Order(**json.load(sys.stdin)))
        sys.stdout.buffer.flush()
    except Unfetched as cause:
        return _fail(str(cause))
    except tuple(_CAUSES) as error:
        return _fail(next(cause for sort, cause in _CAUSES.items() if isinstance(error, sort)))
    return 0


def _fail(cause: str) -> int:
    sys.stderr.write(f"{cause}\n")
    return 1


def _get(order: Order) -> None:
    url = _checked(order.url, None)
    for _ in range(REDIRECTS_MAX + 1):
        connection = _connect(url, order)
        try:
            connection.request("GET", _path(url), headers={"User-Agent": "reconciler", "Accept-Encoding": "identity"})
            answer = connection.getresponse()
            if answer.status == 200:
                _say(answer, order.most)
                return
            if answer.status not in _REDIRECTS:
                raise Unfetched(f"status {answer.status}")
            url = _checked(urljoin(url.geturl(), answer.getheader("Location") or ""), url)
        finally:
            connection.close()
    raise Unfetched("redirects")


def _checked(text: str, before: SplitResult | None) -> SplitResult:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc:
        raise Unfetched("astray")
    if before is not None and (before.scheme, url.scheme) == ("https", "http"):
        raise Unfetched("downgrade")
    return url


def _connect(url: SplitResult, order: Order) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "http":
        return http.client.HTTPConnection(host, url.port or 80, timeout=order.seconds)
    try:
        context = ssl.create_default_context(cafile=order.authorities)
    except OSError as error:
        raise Unfetched("authorities") from error
    return http.client.HTTPSConnection(host, url.port or 443, timeout=order.seconds, context=context)


def _path(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _say(answer: http.client.HTTPResponse, most: int) -> None:
    """`read` says nothing of a body that is shorter than its head promised."""
    promised, said = answer.length, 0
    if promised is not None and promised > most:
        raise Unfetched("large")
    while chunk := answer.read1(CHUNK):
        said += len(chunk)
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    if promised is not None and said < promised:
        raise Unfetched("broken-off")


if __name__ == "__main__":
    sys.exit(main())
