"""A release is built whole beside those that were, and then becomes current by one rename of one link.

So going back is one rename too: nothing that an app may go back to is changed or removed by going on. For the same
reason a tree is replaced only by one of the same source (it was damaged); where a version comes again with another
content, the new tree stands beside the first, as `1.0.0~` and the beginning of its digest.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, TypeVar

from reconciler.core.drift import FieldDrift, compare
from reconciler.core.errors import Broken
from reconciler.core.host import Access, FileType, Host, HostView, Leaf
from reconciler.core.identity import Digest
from reconciler.core.kind import Kind, Material, Mistake, Section, check_path, folder_need
from reconciler.core.state import ABSENT, AnyState, Occupied, State

CURRENT, RELEASES, ACCOUNT = "current", "releases", "version.json"
DEADLINE = timedelta(minutes=15)

_VERSION = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,63}")
_LEADS_TO = re.compile(rf"{RELEASES}/(({_VERSION.pattern})(?:~[0-9a-f]{{12}})?)")
_URL = re.compile(r"https?://(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::\d+)?/[^\s#@]*(?:\?[^\s#]*)?")
_PROGRAM = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,254}")
_HEX = re.compile(r"[0-9a-f]{64}")

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """At `url`, or at `path` in the repo; `binary` is one program, not packed. `sha256` is 64 hex digits."""

    format: Literal["tar", "zip", "binary"]
    sha256: str
    url: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseEntry:
    """What is released: the folder `files` of the repo, or an `archive`."""

    version: str
    files: str | None = None
    archive: ArchiveEntry | None = None


@dataclass(frozen=True, slots=True)
class ReleaseState(State):
    """Desired with its `form`, and with `leaves` ("0755 sha256:… path") where it is `files`; observed with its `link`.

    `source` is the digest of the archive, or of all leaves. `damage` is what is not as the release's manifest says,
    in words, and empty where all is well. `link` is what `current` says, and `kept` are the names of all releases.
    """

    version: str | None = None
    source: Digest | None = None
    form: str | None = None
    leaves: tuple[str, ...] | None = None
    damage: str | None = None
    link: str | None = None
    kept: tuple[str, ...] | None = None


def observe(name: str, view: HostView) -> AnyState:
    """Every content is read: a flipped bit has neither another size nor another date."""
    root = view.files.stat(name)
    if root is None:
        return ABSENT
    if root.type is not FileType.DIRECTORY:
        return Occupied(str(root.type))
    releases, current = (view.files.stat(f"{name}/{each}") for each in (RELEASES, CURRENT))
    if releases is not None and releases.type is not FileType.DIRECTORY:
        return Occupied(f"{releases.type} called {RELEASES}")
    if current is None:
        return ABSENT
    if current.type is not FileType.LINK:
        return Occupied(f"{current.type} called {CURRENT}")
    return _observe(name, view.files.target(f"{name}/{CURRENT}"), view)


def _observe(name: str, link: str, view: HostView) -> ReleaseState:
    led, kept = _LEADS_TO.fullmatch(link), _kept(name, view)
    if led is None:
        return ReleaseState(f"none: {CURRENT} leads to {link}", link=link, kept=kept)
    tree = f"{name}/{link}"
    damage = view.trees.damage(tree, thorough=True) or ""
    return ReleaseState(led[2], view.trees.source(tree), damage=damage, link=link, kept=kept)


def diff(desired: AnyState, observed: AnyState) -> tuple[FieldDrift, ...]:
    """What was damaged before need not be damaged again, and which others are kept is nobody's wish."""
    if isinstance(desired, ReleaseState):
        desired = replace(desired, damage=None if desired.damage else desired.damage, kept=None)
    return compare(desired, observed)


def apply(name: str, desired: AnyState, host: Host) -> None:
    """A tree is on the disk before `current` leads to it. Raises Broken where one to go back to is not there."""
    if not isinstance(desired, ReleaseState):
        _remove(name, host)
        return
    link = _bring(name, desired, host) if desired.form else _sound(name, desired, host)
    if _link(name, host) != link:
        host.files.link(f"{name}/{CURRENT}", link)
        host.files.settle()
    _tidy(name, host)
    if desired.kept is not None:
        _forget(name, {*desired.kept, link.rpartition("/")[2]}, host)


def declare(name: str, entry: ReleaseEntry, material: Material) -> ReleaseState:
    check_path(name)
    if not _VERSION.fullmatch(entry.version):
        hint = "up to 64 letters, digits and ._+-, of which '.' is not the first"
        raise Mistake(f"{entry.version[:80]!r} is not a version", "version", hint=hint)
    if (entry.files is None) == (entry.archive is None):
        raise Mistake("a release is made of `files` or of an `archive`: exactly one")
    if entry.archive is not None:
        return _of_archive(entry.version, entry.archive, material)
    return _of_leaves(entry.version, _folder(entry.files or "", material))


def payloads(state: State) -> Iterable[Digest]:
    if not isinstance(state, ReleaseState) or state.form is None:
        return ()
    if state.leaves is not None:
        return {leaf.content for leaf in _leaves(state)}
    return (state.source,) if state.source else ()


def _bring(name: str, desired: ReleaseState, host: Host) -> str:
    """What `current` is to say."""
    if desired.source is None or desired.version is None:
        raise TypeError("a release that is to be built has a version and a source")
    for folder in (name, f"{name}/{RELEASES}"):
        host.files.make_directory(folder, Access())
    link = f"{RELEASES}/{_place(name, desired.version, desired.source, host)}"
    tree = f"{name}/{link}"
    if host.trees.source(tree) == desired.source and host.trees.damage(tree, thorough=True) is None:
        return link
    if desired.leaves is not None:
        host.trees.plant(tree, desired.source, _leaves(desired))
    else:
        host.trees.unpack(tree, desired.source, desired.form or "")
    return link


def _place(name: str, version: str, source: Digest, host: Host) -> str:
    """The version, unless something else has that name."""
    tree = f"{name}/{RELEASES}/{version}"
    if host.files.stat(tree) is None or host.trees.source(tree) == source:
        return version
    return f"{version}~{source.hex[:12]}"


def _sound(name: str, before: ReleaseState, host: Host) -> str:
    """What `current` said before. A tree that was damaged then may be so now."""
    link = before.link or f"{RELEASES}/{before.version}"
    damage = host.trees.damage(f"{name}/{link}", thorough=True) if _LEADS_TO.fullmatch(link) else None
    if damage and not before.damage:
        hint = "push a commit that asks for this release: it is made anew"
        raise Broken(f"cannot go back to release {before.version} of {name}: {damage}", hint=hint)
    return link


def _link(name: str, host: Host) -> str | None:
    seen = host.files.stat(f"{name}/{CURRENT}")
    return host.files.target(f"{name}/{CURRENT}") if seen and seen.type is FileType.LINK else None


def _tidy(name: str, host: Host) -> None:
    """What interrupted effects left goes: no version begins with a dot."""
    if _hidden(name, host):
        for path in (CURRENT, RELEASES):
            host.files.clean(f"{name}/{path}")
    for leftover in _hidden(f"{name}/{RELEASES}", host):
        if _is_directory(f"{name}/{RELEASES}/{leftover}", host):
            host.trees.remove(f"{name}/{RELEASES}/{leftover}")


def _kept(name: str, view: HostView) -> tuple[str, ...]:
    return tuple(tree for tree in view.trees.names(f"{name}/{RELEASES}") if not tree.startswith("."))


def _forget(name: str, kept: set[str], host: Host) -> None:
    """Taken back, what failed leaves nothing: not the release that it brought, either."""
    for tree in _kept(name, host):
        if tree not in kept and host.trees.source(f"{name}/{RELEASES}/{tree}") is not None:
            host.trees.remove(f"{name}/{RELEASES}/{tree}")


def _remove(name: str, host: Host) -> None:
    """First nothing is current any more; then goes what we made, and the folders if nobody else uses them."""
    for path in (f"{name}/{CURRENT}", f"{name}/{ACCOUNT}"):
        host.files.remove(path)
    host.files.settle()
    _tidy(name, host)
    releases = f"{name}/{RELEASES}"
    for tree in host.trees.names(releases):
        if host.trees.source(f"{releases}/{tree}") is not None:
            host.trees.remove(f"{releases}/{tree}")
    for folder in (releases, name):
        if _is_directory(folder, host) and host.files.is_empty(folder):
            host.files.remove_directory(folder)


def _hidden(path: str, host: Host) -> list[str]:
    return [name for name in host.trees.names(path) if name.startswith(".")]


def _is_directory(path: str, host: Host) -> bool:
    seen = host.files.stat(path)
    return seen is not None and seen.type is FileType.DIRECTORY


def _of_archive(version: str, entry: ArchiveEntry, material: Material) -> ReleaseState:
    digest = _archived(entry, material)
    if entry.format == "binary":
        return _of_leaves(version, (Leaf(_program(entry), 0o755, digest),))
    return ReleaseState(version, digest, entry.format, damage="")


def _program(entry: ArchiveEntry) -> str:
    """Called as what it comes from is."""
    key, where = ("path", entry.path) if entry.path is not None else ("url", (entry.url or "").partition("?")[0])
    name = where.rpartition("/")[2]
    if not _PROGRAM.fullmatch(name):
        raise Mistake("a program is called as the last part of its address: that is no name for it", "archive", key)
    return name


def _archived(entry: ArchiveEntry, material: Material) -> Digest:
    said = entry.sha256.removeprefix("sha256:")
    if not _HEX.fullmatch(said):
        raise Mistake("a sha256 has 64 hex digits in lowercase", "archive", "sha256", hint="see `sha256sum`")
    digest = Digest(f"sha256:{said}")
    if (entry.url is None) == (entry.path is None):
        raise Mistake("an archive is found at its `url` or at its `path`: exactly one", "archive")
    if entry.url is not None:
        return _remote(entry.url, digest, material)
    found = _at(("archive", "path"), lambda: material.file(entry.path or ""))
    if found != digest:
        raise Mistake(f"{entry.path} is another archive: its sha256 is {found.hex}", "archive", "sha256")
    return found


def _remote(url: str, digest: Digest, material: Material) -> Digest:
    if not _URL.fullmatch(url) or not url.isprintable():
        hint = "as in https://example.org/tool-1.0.tar.gz, without a name or a password"
        raise Mistake("an archive is fetched from an address of http or https", "archive", "url", hint=hint)
    return _at(("archive", "url"), lambda: material.remote(url, digest))


def _folder(path: str, material: Material) -> tuple[Leaf, ...]:
    leaves = _at(("files",), lambda: material.folder(path))
    if not leaves:
        raise Mistake(f"there is no file in the folder {path}", "files")
    return leaves


def _of_leaves(version: str, leaves: tuple[Leaf, ...]) -> ReleaseState:
    in_order = sorted(leaves, key=lambda leaf: leaf.path)
    said = tuple(f"{'0755' if leaf.mode & 0o100 else '0644'} {leaf.content} {leaf.path}" for leaf in in_order)
    return ReleaseState(version, Digest.of("\n".join(said).encode()), "files", said, damage="")


def _leaves(state: ReleaseState) -> tuple[Leaf, ...]:
    parts = (leaf.split(" ", 2) for leaf in state.leaves or ())
    return tuple(Leaf(path, int(mode, 8), Digest(content)) for mode, content, path in parts)


def _at(keys: tuple[str, ...], find: Callable[[], _Found]) -> _Found:
    try:
        return find()
    except Mistake as mistake:
        raise Mistake(mistake.message, *keys, hint=mistake.hint) from mistake


KIND = Kind(
    name="release",
    state=ReleaseState,
    observe=observe,
    apply=apply,
    diff=diff,
    needs=folder_need,
    place=lambda name: name,
    payloads=payloads,
    deadline=DEADLINE,
    section=Section("releases", ReleaseEntry, declare, about="Releases of apps, by the folder that an app has."),
)
