"""Commits and trees, read from bytes that nobody vouches for: whatever is not exactly as git writes it is hostile."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NewType, Protocol

from reconciler.core.errors import HostileSource, SourceUnreachable
from reconciler.core.identity import Revision
from reconciler.source.printable import printable

ObjectId = NewType("ObjectId", str)
"""40 or 64 lowercase hex digits."""

ObjectType = Literal["commit", "tree", "blob"]

Headers = list[tuple[bytes, bytes]]

_PERSON = re.compile(rb"([^<>\n]*?) ?<([^<>\n]*)> (\d{1,12}) [-+]\d{4}")
_ENTRY = re.compile(rb"([1-7][0-7]{4,5}) (?!\.\.?\0|(?i:\.git)\0)([^\0/]+)\0")
_ID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Objects(Protocol):
    """Bytes by id, proven: whoever gets them need not trust who brought them."""

    def get(self, id: str, type: ObjectType, limit: int) -> bytes:
        """The object's content. Raises MissingObject or HostileSource."""

    def between(self, floor: Revision, revision: Revision, most: int) -> frozenset[str]:
        """A mere hint: ids on the ways from `revision` back to `floor`, `most` of them. Raises MissingObject."""


class MissingObject(SourceUnreachable):
    """An object is not in the clone, or cannot be read from it."""


class Forged(HostileSource):
    """An object's content does not have the id under which it was handed out."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as one who decides or reports needs it. `time` is the committer's, in UTC; `raw` is what was signed."""

    revision: Revision
    tree: ObjectId
    parents: tuple[Revision, ...]
    author: str
    email: str
    time: datetime
    subject: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a tree."""

    mode: int
    id: ObjectId

    @property
    def is_file(self) -> bool:
        return self.mode & 0o170000 == 0o100000

    @property
    def is_folder(self) -> bool:
        return self.mode == 0o040000


def id_of(type: ObjectType, content: bytes, width: int) -> ObjectId:
    """The id that git gives to this content; `width` is 40 or 64 and names the hash."""
    hasher = hashlib.sha1(usedforsecurity=False) if width == 40 else hashlib.sha256()
    hasher.update(b"%b %d\0" % (type.encode(), len(content)))
    hasher.update(content)
    return ObjectId(hasher.hexdigest())


def parse_commit(revision: Revision, raw: bytes) -> Commit:
    """Raises HostileSource where the headers are not git's; unknown headers and signatures may be there."""
    head, _, message = raw.partition(b"\n\n")
    headers = _headers(head)
    tree = [value for key, value in headers if key == b"tree"]
    if len(tree) != 1 or headers[0][0] != b"tree":
        raise _hostile(revision, "it names no tree, or several")
    name, email, _ = _person(revision, headers, b"author")
    seconds = _person(revision, headers, b"committer")[2]
    return Commit(
        revision=revision,
        tree=_id(revision, tree[0]),
        parents=tuple(Revision(_id(revision, value)) for key, value in headers if key == b"parent"),
        author=_text(name),
        email=_text(email),
        time=_time(revision, seconds),
        subject=_text(message.lstrip(b"\n").partition(b"\n")[0]),
        raw=raw,
    )


def find(raw: bytes, name: str, width: int) -> Entry | None:
    """The entry of that name. The whole tree is walked, so that a second one of the name cannot hide."""
    wanted, found = name.encode(errors="surrogatepass"), None
    for entry in _walk(raw, width // 2):
        if entry[2] != wanted:
            continue
        if found:
            raise HostileSource("cannot read a tree: two entries have one name", where=printable(name))
        found = entry
    if found is None:
        return None
    return Entry(int(found[1], 8), ObjectId(raw[found.end() : found.end() + width // 2].hex()))


def names(raw: bytes, width: int) -> tuple[str, ...]:
    """The names in a tree, sorted. Raises HostileSource for two of a kind and for what cannot be shown."""
    try:
        found = sorted(entry[2].decode() for entry in _walk(raw, width // 2))
    except UnicodeDecodeError as error:
        raise HostileSource("cannot read a tree: a name is not UTF-8", where=repr(error.object)) from error
    if len(set(found)) != len(found):
        raise HostileSource("cannot read a tree: two entries have one name")
    return tuple(found)


def _walk(raw: bytes, size: int) -> Iterator[re.Match[bytes]]:
    """Modes and names one after the other; ids are `size` bytes of anything, so only walking finds where they end."""
    at, end, match = 0, len(raw), _ENTRY.match
    while at < end:
        entry = match(raw, at)
        if entry is None or entry.end() + size > end:
            raise HostileSource("cannot read a tree: it is malformed, or has a name that no file may have")
        yield entry
        at = entry.end() + size


def _headers(head: bytes) -> Headers:
    """A line that begins with a space goes on with the one before: signatures do, and they are not read here."""
    parts = (line.partition(b" ") for line in head.split(b"\n") if not line.startswith(b" "))
    return [(key, value) for key, _, value in parts]


def _person(revision: Revision, headers: Headers, role: bytes) -> tuple[bytes, bytes, int]:
    values = [value for key, value in headers if key == role]
    match = _PERSON.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        raise _hostile(revision, f"it has no proper {role.decode()}")
    return match[1], match[2], int(match[3])


def _id(revision: Revision, value: bytes) -> ObjectId:
    if not _ID.fullmatch(value) or len(value) != len(revision.id):
        raise _hostile(revision, "it names an object by no proper id")
    return ObjectId(value.decode())


def _time(revision: Revision, seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _hostile(revision, "its time is out of this world") from error


def _text(raw: bytes) -> str:
    return printable(raw.decode(errors="replace"))


def _hostile(revision: Revision, why: str) -> HostileSource:
    return HostileSource(f"cannot read commit {revision.short}: {why}")
