"""A directory is managed, never what is in it: one that others still use stays when it leaves the desired state."""

from dataclasses import dataclass, replace

from reconciler.core.drift import FieldDrift, compare
from reconciler.core.host import Access, FileType, Host, HostView
from reconciler.core.kind import Kind, Material, Section, check_path, folder_need
from reconciler.core.state import ABSENT, Absent, AnyState, Mode, Occupied, State


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """What is left out is not managed; a new directory is 0755."""

    mode: Mode | None = None
    owner: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class DirectoryState(State):
    """`empty` is only ever observed."""

    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    empty: bool | None = None


def observe(name: str, view: HostView) -> AnyState:
    """A link that leads to a directory is as good as one (`/bin`, `/var/run`)."""
    stat = view.files.stat(name)
    if stat is None:
        return ABSENT
    if stat.type is FileType.DIRECTORY:
        return DirectoryState(stat.mode, stat.owner, stat.group, view.files.is_empty(name))
    led_to = view.files.stat(name, follow=True) if stat.type is FileType.LINK else None
    if led_to is None or led_to.type is not FileType.DIRECTORY:
        return Occupied(str(stat.type))
    return DirectoryState(led_to.mode, led_to.owner, led_to.group)


def diff(desired: AnyState, observed: AnyState) -> tuple[FieldDrift, ...]:
    """A directory that holds what is not ours, or is led to by a link, is as absent as it can be."""
    if isinstance(desired, Absent) and isinstance(observed, DirectoryState) and observed.empty is not True:
        return ()
    if isinstance(desired, DirectoryState):
        desired = replace(desired, empty=None)
    return compare(desired, observed)


def apply(name: str, desired: AnyState, host: Host) -> None:
    if not isinstance(desired, DirectoryState):
        if _is_ours_to_remove(name, host):
            host.files.remove_directory(name)
        return
    access = Access(desired.mode, desired.owner, desired.group)
    if host.files.stat(name) is None:
        host.files.make_directory(name, access)
    else:
        host.files.set_access(name, access)


def _is_ours_to_remove(name: str, view: HostView) -> bool:
    """We never make the links that are as good as a directory."""
    seen = observe(name, view)
    return not isinstance(seen, DirectoryState) or seen.empty is not None


def declare(name: str, entry: DirectoryEntry, _material: Material) -> DirectoryState:
    check_path(name)
    return DirectoryState(entry.mode, entry.owner, entry.group)


KIND = Kind(
    name="directory",
    state=DirectoryState,
    observe=observe,
    apply=apply,
    diff=diff,
    needs=folder_need,
    place=lambda name: name,
    implied=DirectoryState(),
    section=Section("directories", DirectoryEntry, declare, about="Directories by their path."),
)
