"""Of an archive nothing is believed: it is read member by member, and nothing of it but names, modes and bytes is used.

It is not looked into before all of it is here and is what its digest says. No `extract` is ever called (Debian 12's
Python 3.11.2 has no filter for it, and follows links out of the folder). A single folder at the top is not stripped:
a member has in the tree the name that it has in the archive.
"""

import bz2
import gzip
import lzma
import os
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

from reconciler.core.errors import HostileSource
from reconciler.host import tar_archive, zip_archive
from reconciler.host.members import Account, File, Member
from reconciler.host.refusal import cannot, refusal

CHUNK = 1 << 16
XZ_MEMORY = 96 << 20
"""Bytes that unpacking an xz may take: `xz -9` asks for 65 MiB."""

_SPOOL = "/var/tmp"  # noqa: S108  # an unnamed file, on a disk where /tmp may be memory
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    RecursionError,
    NotImplementedError,
    RuntimeError,
)


def members(content: Iterable[bytes], form: str) -> Iterator[Member]:
    """Files and links of an archive of the form `tar` (as it is, or by gzip, bzip2 or xz) or `zip`; never a folder.

    Raises HostileSource for what is damaged, would be written elsewhere or is beyond the limits, at the latest when
    all is read.
    """
    with tempfile.TemporaryFile(dir=_SPOOL if os.path.isdir(_SPOOL) else None) as file:
        size = _spool(content, file)
        with _believing_nothing():
            for member in _members(file, size, form):
                yield replace(member, content=_guarded(member.content)) if isinstance(member, File) else member


def _members(file: IO[bytes], size: int, form: str) -> Iterator[Member]:
    account = Account(size)
    match form:
        case "tar":
            return tar_archive.members(_unpacked(file), account)
        case "zip":
            return zip_archive.members(file, size, account)
    raise HostileSource(f"cannot unpack the release: {form} is no form of an archive")


def _spool(content: Iterable[bytes], file: IO[bytes]) -> int:
    with cannot("spool", "an archive"):
        for chunk in content:
            file.write(chunk)
        size = file.tell()
        file.seek(0)
    return size


def _unpacked(file: IO[bytes]) -> tar_archive.Stream:
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(file)
    return _Xz(file) if magic == b"\xfd7zXZ\x00" else file


class _Xz:
    """`LZMAFile` takes as much memory as the archive asks for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        read = bytearray()
        while len(read) < size and not self._decompressor.eof:
            packed = self._file.read(CHUNK) if self._decompressor.needs_input else b""
            if self._decompressor.needs_input and not packed:
                raise EOFError("it breaks off")
            read += self._decompressor.decompress(packed, size - len(read))
        return bytes(read)


def _guarded(content: Iterator[bytes]) -> Iterator[bytes]:
    with _believing_nothing():
        yield from content


@contextmanager
def _believing_nothing() -> Iterator[None]:
    """Whatever a reader of archives stumbles over is the archive's fault; an OSError with a number is the machine's."""
    try:
        yield
    except _DAMAGED as error:
        raise _damaged(error) from error
    except OSError as error:
        if error.errno is None:  # gzip and bz2 say so that they cannot read on
            raise _damaged(error) from error
        raise refusal("read", "an archive", error) from error


def _damaged(error: Exception) -> HostileSource:
    hint = "make it anew; a digest of what is damaged does not mend it"
    return HostileSource(f"cannot unpack the release: it is damaged: {str(error).lower()[:200]}", hint=hint)
