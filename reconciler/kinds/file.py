"""A file is owned whole: its content is what the desired state says, byte for byte."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.core.host import Access, FileType, Host, HostView, Payloads
from reconciler.core.identity import Digest
from reconciler.core.kind import Content, Kind, Material, Mistake, Section, check_path, folder_need, text_of
from reconciler.core.state import ABSENT, AnyState, Mode, Occupied, State


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Its text in `content`, or in `source` the path of a payload in the repo; what else is left out is not managed."""

    content: str | None = None
    source: str | None = None
    mode: Mode | None = None
    owner: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class FileState(State):
    content: Digest | None = None
    mode: int | None = None
    owner: str | None = None
    group: str | None = None


def observe(name: str, view: HostView) -> AnyState:
    stat = view.files.stat(name)
    if stat is None:
        return ABSENT
    if stat.type is not FileType.FILE:
        return Occupied(str(stat.type))
    return FileState(Digest.of(view.files.read(name)), stat.mode, stat.owner, stat.group)


def apply(name: str, desired: AnyState, host: Host) -> None:
    """A content that is there already is not written again."""
    if not isinstance(desired, FileState):
        host.files.remove(name)
        return
    seen = observe(name, host)
    access = Access(desired.mode, desired.owner, desired.group)
    if desired.content is None or (isinstance(seen, FileState) and seen.content == desired.content):
        host.files.set_access(name, access)
    else:
        host.files.write(name, host.payloads.open(desired.content), access)


def declare(name: str, entry: FileEntry, material: Material) -> FileState:
    check_path(name)
    content = text_of(entry.content, entry.source, material)
    if content is None:
        raise Mistake("a file needs `content` or `source`", hint='an empty file is written `content: ""`')
    return FileState(content, entry.mode, entry.owner, entry.group)


def payloads(state: State) -> Iterable[Digest]:
    return (state.content,) if isinstance(state, FileState) and state.content else ()


def read(name: str, view: HostView) -> Iterator[bytes]:
    return view.files.read(name)


def render(state: State, before: bytes | None, source: Payloads) -> bytes:
    if isinstance(state, FileState) and state.content:
        return b"".join(source.open(state.content))
    return before or b""


KIND = Kind(
    name="file",
    state=FileState,
    observe=observe,
    apply=apply,
    needs=folder_need,
    place=lambda name: name,
    payloads=payloads,
    content=Content(read, render),
    section=Section("files", FileEntry, declare, about="Files by their path."),
)
