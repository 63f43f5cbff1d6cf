"""A kind knows one sort of thing: how to see it, how to tell two states of it apart, how to make it so.

Taking back is not another verb: revert is `apply` with the two states swapped. So an observed state carries all
that is needed to bring it back, large contents by digest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from reconciler.core.drift import FieldDrift, compare
from reconciler.core.host import Host, HostView, Leaf, Payloads, above
from reconciler.core.identity import Digest, ResourceId
from reconciler.core.state import ABSENT, AnyState, State


class Mistake(Exception):
    """Something in one entry of a section cannot be. `keys` leads from the entry to the value at fault."""

    def __init__(self, message: str, *keys: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.keys = keys
        self.hint = hint


OUR_OWN = ("/run/reconciler", "/var/run/reconciler", "/var/lib/reconciler", "/var/log/reconciler")
OFF_LIMITS = ("/proc", "/sys", "/dev", *OUR_OWN)
"""No resource lies here: kernels' file systems, and our own records (`/var/run` is `/run` by another name)."""


def check_path(path: str) -> None:
    """A name that is a path is absolute, normal and not ours. Raises Mistake."""
    parts = path.split("/")
    if path == "/":
        raise Mistake("the root itself cannot be managed")
    if not path.startswith("/"):
        raise Mistake(f"{path!r} is not an absolute path", hint="write it from the root, as in /etc/motd")
    if any(part in ("", ".", "..") for part in parts[1:]) or not path.isprintable():
        raise Mistake(f"{path!r} is not a normal path", hint="no empty part, no '.', no '..', no control character")
    if any(len(part.encode()) > 255 for part in parts) or len(path.encode()) > 4000:
        raise Mistake(f"{path[:40]!r}… is too long for a path", hint="255 bytes a part, 4000 in all")
    closed = next((place for place in OFF_LIMITS if path == place or path.startswith(f"{place}/")), None)
    if closed:
        raise Mistake(f"{path!r} cannot be managed: {closed} is off limits")


def folder_need(path: str, _state: AnyState = ABSENT) -> tuple[ResourceId, ...]:
    """What lies in a folder needs that folder, except in the root."""
    folder = above(path)
    return (ResourceId("directory", folder),) if folder else ()


class Material(Protocol):
    """What an entry may be made of."""

    def file(self, path: str) -> Digest:
        """The payload at a relative path of the desired state. Raises Mistake where there is none."""

    def inline(self, content: bytes) -> Digest:
        """A payload that stands in the entry itself."""

    def folder(self, path: str) -> tuple[Leaf, ...]:
        """All files below a folder of the desired state, by their paths below it. Raises Mistake."""

    def remote(self, url: str, digest: Digest) -> Digest:
        """A payload that is fetched before it is needed, and is what its digest says."""


def text_of(content: str | None, source: str | None, material: Material) -> Digest | None:
    """Of an entry that has its text in `content`, or in `source` the path of a payload; None with neither."""
    if content is not None and source is not None:
        raise Mistake("the text comes from `content` or from `source`, not from both", "source")
    if content is not None:
        return material.inline(content.encode())
    if source is None:
        return None
    try:
        return material.file(source)
    except Mistake as mistake:
        raise Mistake(mistake.message, "source", hint=mistake.hint) from mistake


@dataclass(frozen=True, slots=True)
class Section:
    """The part of a Device spec in which a kind is declared: a map from names to entries.

    `entry` is a dataclass of plain types, Mode, Literal, and further such dataclasses; its field names are written
    in camelCase. `declare` turns one checked entry into a state and raises Mistake where it cannot.
    """

    key: str
    entry: type[Any]
    declare: Callable[[str, Any, Material], State]
    about: str = ""


def _nothing(_name: str, _state: AnyState) -> Iterable[ResourceId]:
    return ()


def _never(_state: AnyState) -> bool:
    return False


def _no_payloads(_state: State) -> Iterable[Digest]:
    return ()


def _no_place(_name: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Content:
    """For kinds whose resource is a text: the bytes it has, and the bytes that `apply` would give it."""

    read: Callable[[str, HostView], Iterator[bytes]]
    render: Callable[[State, bytes | None, Payloads], bytes]


@dataclass(frozen=True, slots=True)
class Kind:
    """The name is that of the module and of the schema, and the first half of a resource id.

    `needs` names what must be there first, for a state that is desired or was observed. `place` is the path that the
    resource takes up, if it does.
    `implied` is the state in which a resource of this kind comes in where another needs it and nobody declares it.
    `payloads` names the bytes without which the state cannot be brought (back).
    `deadline` is how long one effect may take.
    `bind` gives a desired state what it has from the states of what it needs.
    `touches` names the paths that an effect makes something ready beside; `place`, if it says nothing.
    `still` stops what runs, so that what it runs on can be taken back from under it; it is brought back last.
    `rests` says of a desired state that nothing runs in it: then what needs others stops before they do.
    """

    name: str
    state: type[State]
    observe: Callable[[str, HostView], AnyState]
    apply: Callable[[str, AnyState, Host], None]
    section: Section | None = None
    needs: Callable[[str, AnyState], Iterable[ResourceId]] = _nothing
    place: Callable[[str], str | None] = _no_place
    implied: State | None = None
    diff: Callable[[AnyState, AnyState], tuple[FieldDrift, ...]] = compare
    payloads: Callable[[State], Iterable[Digest]] = _no_payloads
    content: Content | None = None
    deadline: timedelta = timedelta(seconds=60)
    bind: Callable[[State, Mapping[ResourceId, State]], State] | None = None
    touches: Callable[[str], Iterable[str]] | None = None
    still: Callable[[str, Host], None] | None = None
    rests: Callable[[AnyState], bool] = _never


Kinds = Mapping[str, Kind]
