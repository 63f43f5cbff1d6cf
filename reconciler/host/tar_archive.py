"""A tar is read forward only, once, and no header is larger than we say: so it ends, whatever it holds."""

import tarfile
from collections.abc import Iterator
from typing import Protocol

from reconciler.core.errors import HostileSource
from reconciler.host.manifest import hostile, plain_mode
from reconciler.host.members import Account, Copy, File, Member, Symlink, inside

BLOCK = 512
CHUNK = 1 << 16
HEADER_MAX = 256 << 10
"""Bytes of all headers of one member: a name of a few kilobytes and some attributes take less than a tenth."""

HEADERS_MAX = 64 << 20
GLOBALS_MAX = 100
"""Keywords that are said of all members: git writes one."""


class Stream(Protocol):
    def read(self, size: int, /) -> bytes:
        """As many bytes as were asked for, fewer only at the end."""


def members(stream: Stream, account: Account) -> Iterator[Member]:
    """Raises HostileSource, or what `tarfile` and `stream` raise of what is damaged."""
    forward = _Forward(stream, account.most + HEADERS_MAX)
    with tarfile.TarFile(fileobj=forward, mode="r", encoding="utf-8") as tar:  # type: ignore[arg-type]
        for info in _headers(tar, forward):
            member = _member(info, forward, account)
            if member is not None:
                yield member
    forward.drain()


class _Forward:
    """What `tarfile` reads from. Only headers go through `read`."""

    def __init__(self, stream: Stream, most: int) -> None:
        self.last = b""
        self._stream = stream
        self._most = most
        self._at = 0
        self._header = 0

    def begin_header(self) -> None:
        self._header = 0

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        self._header += size
        if size < 0 or self._header > HEADER_MAX:
            raise HostileSource("cannot unpack the release: a header of its tar is too large")
        self.last = self._take(size)
        return self.last

    def seek(self, position: int) -> None:
        if position < self._at:
            raise tarfile.ReadError("it leads backwards")
        for _ in self.content(position - self._at):
            pass

    def content(self, size: int) -> Iterator[bytes]:
        while size:
            chunk = self._take(min(size, CHUNK))
            if not chunk:
                raise EOFError("it breaks off")
            size -= len(chunk)
            yield chunk

    def drain(self) -> None:
        """To the end, where compressed bytes have their checksum."""
        while self._take(CHUNK):
            pass

    def _take(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self._at += len(chunk)
        if self._at > self._most:
            raise HostileSource(f"cannot unpack the release: it unpacks to more than {self._most} bytes")
        return chunk


def _headers(tar: tarfile.TarFile, forward: _Forward) -> Iterator[tarfile.TarInfo]:
    """`tarfile` takes a damaged header for the end: the end is where a block of zeros says so."""
    while True:
        forward.begin_header()
        info = tar.next()
        if info is None:
            break
        tar.members.clear()  # type: ignore[attr-defined]  # it would keep a kilobyte of each
        if len(tar.pax_headers) > GLOBALS_MAX:
            raise HostileSource("cannot unpack the release: its tar says too much of all members")
        yield info
    if forward.last != bytes(BLOCK):
        raise EOFError("it breaks off")


def _member(info: tarfile.TarInfo, forward: _Forward, account: Account) -> Member | None:
    path = inside(info.name)
    if info.isdir():
        if path:
            account.folder(path)
        return None
    if info.sparse is not None or any(key.startswith("GNU.sparse") for key in info.pax_headers):
        raise hostile(path, "it is a sparse file")
    if info.isreg():
        account.file(path, info.size)
        return File(path, plain_mode(info.mode), forward.content(info.size))
    if info.issym():
        account.symlink(path, info.linkname)
        return Symlink(path, info.linkname)
    if info.islnk():
        account.copy(path, inside(info.linkname))
        return Copy(path, inside(info.linkname))
    raise hostile(path, "it is neither a file nor a folder nor a link")
