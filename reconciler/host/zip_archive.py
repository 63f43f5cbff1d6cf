"""A zip says everything twice, in its directory and before each member: where the two disagree, neither is believed."""

import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO

from reconciler.core.errors import HostileSource
from reconciler.host.manifest import PATH_MAX, hostile, plain_mode
from reconciler.host.members import MEMBERS_MAX, Account, File, Member, Symlink, inside

CHUNK = 1 << 16
_END = b"PK\x05\x06"
_END_FORM = struct.Struct("<4s4H2LH")
_END_REACH = _END_FORM.size + 0xFFFF
_END_64 = b"PK\x06\x07"
_END_64_BYTES = 20
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _SAID_AFTER = 0x1 | 0x40 | 0x2000, 0x8
_UNIX = 3
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DIRECTORY_MAX = 32 << 20


def members(file: IO[bytes], size: int, account: Account) -> Iterator[Member]:
    """Raises HostileSource, or what `zipfile` raises of what is damaged."""
    count = _check_end(file, size)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        if len(infos) != count:
            raise zipfile.BadZipFile("its directory disagrees with its end")
        _check_apart(infos)
        for info in infos:
            member = _member(archive, file, info, account)
            if member is not None:
                yield member


def _check_end(file: IO[bytes], size: int) -> int:
    """How many members there are, before a directory of any size is read. Zip64 is for more than we take."""
    start = max(0, size - _END_REACH - _END_64_BYTES)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + _END_FORM.size:
        raise zipfile.BadZipFile("it has no end")
    if tail[max(0, at - _END_64_BYTES) : at].startswith(_END_64):
        raise HostileSource("cannot unpack the release: it is a zip64, for archives that are too large")
    _, _, _, _, count, length, _, _ = _END_FORM.unpack_from(tail, at)
    if count > MEMBERS_MAX or length > _DIRECTORY_MAX:
        raise HostileSource(f"cannot unpack the release: its zip has more than {MEMBERS_MAX} members")
    return int(count)


def _check_apart(infos: Iterable[zipfile.ZipInfo]) -> None:
    """Members that share bytes are how a small zip holds petabytes (Fifield, A better zip bomb, 2019)."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise hostile(info.orig_filename, "it shares its bytes with another member")
        end = info.header_offset + _LOCAL.size + info.compress_size


def _member(archive: zipfile.ZipFile, file: IO[bytes], info: zipfile.ZipInfo, account: Account) -> Member | None:
    """The name as it is written: `filename` ends at the first NUL."""
    name = info.orig_filename
    path, mode = inside(name), _mode(info)
    _check_local(file, info)
    if name.endswith("/") or stat.S_ISDIR(mode):
        if not name.endswith("/") or info.file_size:
            raise hostile(name, "it is a folder and a file")
        if path:
            account.folder(path)
        return None
    if stat.S_ISLNK(mode):
        target = _target(archive, info)
        account.symlink(path, target)
        return Symlink(path, target)
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise hostile(name, "it is neither a file nor a folder nor a link")
    account.file(path, info.file_size)
    return File(path, plain_mode(mode), _content(archive, info))


def _mode(info: zipfile.ZipInfo) -> int:
    return info.external_attr >> 16 if info.create_system == _UNIX else 0


def _check_local(file: IO[bytes], info: zipfile.ZipInfo) -> None:
    file.seek(info.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise zipfile.BadZipFile("it breaks off")
    _, _, flags, method, _, _, crc, packed, unpacked, _, _ = _LOCAL.unpack(header)
    if (flags | info.flag_bits) & _ENCRYPTED:
        raise hostile(info.orig_filename, "it is encrypted")
    if method not in _METHODS:
        raise hostile(info.orig_filename, "it is packed by another method than deflate")
    said = (info.CRC, info.compress_size, info.file_size)
    if method != info.compress_type or not (flags & _SAID_AFTER or (crc, packed, unpacked) == said):
        raise hostile(info.orig_filename, "what is said before it disagrees with the directory")


def _target(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    if info.file_size > PATH_MAX:
        raise hostile(info.orig_filename, "it is a link to what can be no path")
    return b"".join(_content(archive, info)).decode(errors="surrogateescape")


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """`zipfile` compares the checksum at the end; that the length is right too is seen here."""
    left = info.file_size
    with archive.open(info) as member:
        while chunk := member.read(CHUNK):
            left -= len(chunk)
            yield chunk
    if left:
        raise zipfile.BadZipFile("a member has another length than it says")
