"""An app is nothing more than a release, a configuration and units: what it stands for, an operator could have written.

So every value of it keeps the place where somebody wrote it, and what is said twice is a mistake.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.core.desired import App, Mode
from reconciler.core.errors import Place, Problem, Rejected
from reconciler.core.identity import ResourceId
from reconciler.core.probe import Terms
from reconciler.language.app import ArchiveSource
from reconciler.language.compose import alone, as_map
from reconciler.language.merge import merge
from reconciler.language.node import Gone, List, Map, Node, Scalar, Value, find, nothing
from reconciler.language.say import shown
from reconciler.language.tree import Tree
from reconciler.language.unit_text import unit_text
from reconciler.language.use import Used

NO_SUM = "no-sum"
"""That a release is not for one architecture says nothing of a device that has another."""


@dataclass(frozen=True, slots=True)
class Part:
    """One entry that an app stands for. `rule` is what is done about its drift, where the app says so."""

    section: str
    name: str
    node: Map
    place: Place
    app: str
    rule: Mode | None = None


Parts = Mapping[tuple[str, str], Part]
"""By section and name."""


def unfold(spec: Map, used: Iterable[Used], tree: Tree, arch: str, problems: list[Problem]) -> tuple[Map, Parts]:
    """The spec with all that its apps stand for, and which part of it that is."""
    by_name = {one.name: one for one in used}
    parts: dict[tuple[str, str], Part] = {}
    values, keys = dict(spec.values), dict(spec.keys)
    for one in by_name.values():
        for part in _parts(one, by_name, tree, arch, problems):
            if taken := _taken(part, parts, spec):
                problems.append(_conflict(part, taken))
                continue
            parts[part.section, part.name] = part
            values[part.section] = _with(values.get(part.section), part)
            keys.setdefault(part.section, part.place)
    return Map(values, keys, spec.place, spec.over), parts


def to_app(one: Used) -> App:
    terms = Terms(one.spec.health.start_timeout, one.spec.health.soak)
    services = tuple(unit_name(name) for name in one.services_in_order)
    return App(one.name, one.use.version, ResourceId("release", one.root), services, terms)


def unit_name(service: str) -> str:
    return f"{service}.service"


def _parts(one: Used, others: Mapping[str, Used], tree: Tree, arch: str, problems: list[Problem]) -> Iterator[Part]:
    release = _release(one, tree, arch, problems)
    if release is not None:
        yield release
    if one.spec.config is not None:
        yield _config(one)
    elif one.use.config:
        place = find(one.own, ("config",)).key
        hint = f"the document apps/{one.name}/app.yaml says no `config`"
        problems.append(Problem(place, f"the app {one.name} has no configuration", hint))
    before = [other for name in one.spec.after if (other := others.get(name)) and other.use.running]
    first = [unit_name(service) for other in before for service in other.services_in_order]
    for name in one.services_in_order:
        yield _unit(one, name, first, tree)


def _release(one: Used, tree: Tree, arch: str, problems: list[Problem]) -> Part | None:
    source = find(one.written, ("source",)).node
    version = find(one.own, ("version",)).node
    values: dict[str, Node] = {"version": version}
    if one.spec.source.files is not None:
        path = find(source, ("files", "path")).node.place
        values["files"] = Scalar(resolve(tree, one.name, one.spec.source.files.path), path)
    elif one.spec.source.archive is not None:
        archive = _archive(one, one.spec.source.archive, tree, arch, problems)
        if archive is None:
            return None
        values["archive"] = archive
    root = find(one.written, ("root",))
    place = version.place if root.missing else root.node.place
    rule = Mode.OBSERVE if one.use.updates == "hold" else None
    return Part("releases", one.root, _map(values, place), place, one.name, rule)


def _archive(one: Used, archive: ArchiveSource, tree: Tree, arch: str, problems: list[Problem]) -> Map | None:
    """None where no sum is said of this version."""
    at = as_map(find(one.written, ("source", "archive")).node)
    version = find(one.own, ("version",)).node.place
    sums = find(at, ("sha256",)).node
    said = archive.sha256.get(one.use.version)
    if said is None:
        message = f"apps/{one.name}/app.yaml has no sha256 for the version {one.use.version}"
        problems.append(
            Problem(version, message, f"known there: {', '.join(archive.sha256) or 'none'}", "unknown-version")
        )
        return None
    found = find(sums, (one.use.version, arch)) if isinstance(said, dict) else find(sums, (one.use.version,))
    if found.missing:
        message = f"apps/{one.name}/app.yaml has no sha256 of {one.use.version} for {arch}"
        problems.append(Problem(version, message, f"known there: {', '.join(said)}", NO_SUM))
        return None
    values: dict[str, Node] = {key: at.values[key] for key in ("url", "format") if key in at.values}
    if archive.path is not None:
        values["path"] = Scalar(resolve(tree, one.name, archive.path), at.values["path"].place)
    return _map({**values, "sha256": found.node}, at.place)


def _config(one: Used) -> Part:
    config = as_map(find(one.written, ("config",)).node)
    path = config.values["path"]
    values: dict[str, Node] = {key: node for key, node in alone(config).present() if key not in ("path", "values")}
    said = config.values.get("values")
    holds = merge(nothing(config.place), said) if isinstance(said, Map) else nothing(config.place)
    own = one.own.values.get("config")
    values["values"] = merge(holds, own) if isinstance(own, Map) else holds
    return Part("configs", str(path.plain()), _map(values, config.place), path.place, one.name)


def _unit(one: Used, name: str, first: list[str], tree: Tree) -> Part:
    service = one.spec.services[name]
    at = find(one.written, ("services", name))
    written = as_map(at.node)
    values: dict[str, Node] = {}
    if service.source is not None:
        values["source"] = Scalar(resolve(tree, one.name, service.source), written.values["source"].place)
    else:
        text = unit_text(one.name, name, service.exec or (), service.user, service.limits)
        values["content"] = Scalar(text, written.values["exec"].place)
    values["enabled"] = _said(one, "enabled", one.use.enabled)
    values["running"] = _said(one, "running", one.use.running)
    values["env"] = _env(written, one.own, at.key)
    after = find(written, ("after",)).key
    values["after"] = _list([*first, *map(unit_name, service.after)], after)
    values["reads"] = _list(_read(one), at.key)
    return Part("units", unit_name(name), _map(values, at.key), at.key, one.name)


def _read(one: Used) -> Iterator[str]:
    """What its services are started with. A release that is held is none of it: what runs goes on running."""
    if one.use.updates == "enforce":
        yield str(ResourceId("release", one.root))
    if one.spec.config is not None:
        yield str(ResourceId("config", one.spec.config.path))


def _env(written: Map, own: Map, place: Place) -> Node:
    env: Node = nothing(place)
    for part in (written.values.get("env"), own.values.get("env")):
        if isinstance(part, Map):
            env = merge(env, part)
    return env


def _said(one: Used, key: str, value: Value) -> Node:
    """Where the device says it; else where it asks for the app."""
    node = find(one.own, (key,))
    return Scalar(value, one.place) if node.missing else node.node


def resolve(tree: Tree, app: str, path: str) -> str:
    """From the root of the repo, where a path of an app leads: from its own folder, or else from the root itself."""
    own = f"apps/{app}/{path}"
    if path.startswith("/"):
        return path
    return own if _is_there(tree, own) or not _is_there(tree, path) else path


def _is_there(tree: Tree, path: str) -> bool:
    try:
        return tree.is_folder(path) or tree.size(path) is not None
    except Rejected:
        return True


def _taken(part: Part, parts: Parts, spec: Map) -> Part | None:
    """Who has its place: another app, or the device itself."""
    if other := parts.get((part.section, part.name)):
        return other
    raw = find(spec, (part.section, part.name))
    return None if raw.missing or isinstance(raw.node, Gone) else replace(part, place=raw.key, app="")


def _conflict(part: Part, taken: Part) -> Problem:
    what = f"{part.section.removesuffix('s')} {shown(part.name)}"
    if taken.app:
        message = f"the {what} is already that of the app {taken.app} at {taken.place}"
        return Problem(part.place, message, "one thing is of one app", "conflict")
    hint = "take it out here, or out of the app"
    return Problem(taken.place, f"the {what} is already made by the app {part.app} at {part.place}", hint, "conflict")


def _with(section: Node | None, part: Part) -> Node:
    if section is not None and not isinstance(section, Map) and section.plain() is not None:
        return section  # no section at all, which is told elsewhere
    around = section if isinstance(section, Map) else nothing(part.place)
    values, keys = {**around.values, part.name: part.node}, {**around.keys, part.name: part.place}
    return Map(values, keys, around.place, around.over)


def _map(values: dict[str, Node], place: Place) -> Map:
    return Map(values, {key: node.place for key, node in values.items()}, place)


def _list(texts: Iterable[str], place: Place) -> List:
    return List(tuple(Scalar(text, place) for text in texts), place)
