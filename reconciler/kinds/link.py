"""A symbolic link says where it leads; whether anything is there is not its business."""

from dataclasses import dataclass

from reconciler.core.host import FileType, Host, HostView
from reconciler.core.kind import Kind, Material, Mistake, Section, check_path, folder_need
from reconciler.core.state import ABSENT, AnyState, Occupied, State


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """`target` is absolute, or relative to the folder of the link."""

    target: str


@dataclass(frozen=True, slots=True)
class LinkState(State):
    target: str | None = None


def observe(name: str, view: HostView) -> AnyState:
    stat = view.files.stat(name)
    if stat is None:
        return ABSENT
    if stat.type is not FileType.LINK:
        return Occupied(str(stat.type))
    return LinkState(view.files.target(name))


def apply(name: str, desired: AnyState, host: Host) -> None:
    """A link that leads there already is not made again."""
    if not isinstance(desired, LinkState) or desired.target is None:
        host.files.remove(name)
    elif observe(name, host) != desired:
        host.files.link(name, desired.target)


def declare(name: str, entry: LinkEntry, _material: Material) -> LinkState:
    check_path(name)
    if not entry.target or not entry.target.isprintable() or len(entry.target.encode()) > 4000:
        raise Mistake("a link leads to a path", "target", hint="as in /usr/bin/vim or ../lib/x")
    return LinkState(entry.target)


KIND = Kind(
    name="link",
    state=LinkState,
    observe=observe,
    apply=apply,
    needs=folder_need,
    place=lambda name: name,
    section=Section("links", LinkEntry, declare, about="Symbolic links by their path."),
)
