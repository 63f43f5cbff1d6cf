"""Each name has a type of its own, and a value of the type is proof that the name is well-formed."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

_DEVICE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_REVISION = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_KIND = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, order=True)
class ResourceId:
    """A kind and a name, written `kind:name`, as in `file:/etc/motd`."""

    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError where `text` is not `kind:name`."""
        kind, colon, name = text.partition(":")
        if not colon or not name or not _KIND.fullmatch(kind):
            raise ValueError(f"{text!r} is not a resource id, which reads kind:name")
        return cls(kind, name)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Revision:
    """A commit id: 40 (SHA-1) or 64 (SHA-256) lowercase hex digits."""

    id: str

    def __post_init__(self) -> None:
        if not _REVISION.fullmatch(self.id):
            raise ValueError(f"{self.id!r} is not a commit id")

    @property
    def short(self) -> str:
        return self.id[:12]

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True, order=True)
class Generation:
    """The nth desired state that this device accepted, counted from one."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError("generations count from one")

    def __str__(self) -> str:
        return str(self.number)


@dataclass(frozen=True, slots=True, order=True)
class DeviceName:
    """A DNS name in lowercase (RFC 1123), 253 characters at most: it is also a file's stem."""

    text: str

    def __post_init__(self) -> None:
        if not _DEVICE.fullmatch(self.text):
            raise ValueError(f"{self.text!r} is not a device name: lowercase letters, digits, '-' and '.' only")

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """`sha256:` and 64 lowercase hex digits."""

    text: str

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.text):
            raise ValueError(f"{self.text!r} is not a digest")

    @classmethod
    def of(cls, content: bytes | Iterable[bytes]) -> Self:
        hasher = hashlib.sha256()
        for chunk in (content,) if isinstance(content, bytes) else content:
            hasher.update(chunk)
        return cls(f"sha256:{hasher.hexdigest()}")

    @property
    def hex(self) -> str:
        return self.text[7:]

    @property
    def short(self) -> str:
        return self.text[:19]

    def __str__(self) -> str:
        return self.text
