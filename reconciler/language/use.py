"""Which apps a device uses: only their documents are read, each filled in for this device, and judged as a whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from reconciler.core.errors import Cycle, Place, Problem, Rejected
from reconciler.core.order import waves
from reconciler.language.app import LATER_APP, AppSpec, AppUse
from reconciler.language.check import check_alone as check_checks_alone
from reconciler.language.complaint import Skip, complaints, is_open, keep_all
from reconciler.language.compose import as_map
from reconciler.language.document import App
from reconciler.language.entry import each
from reconciler.language.name import misnamed
from reconciler.language.nearest import did_you_mean
from reconciler.language.node import Map, Node, find
from reconciler.language.placeholder import fill
from reconciler.language.read import check_name, read_document, spec_of
from reconciler.language.say import shown
from reconciler.language.tree import Tree
from reconciler.language.variable import check, substitute
from reconciler.language.vocabulary import Vocabulary

_FILLED = ("source", "services", "health")
"""Parts of an App that know its release. A configuration holds whatever braces it likes."""


@dataclass(frozen=True, slots=True)
class Used:
    """An app as one device has it: what is said of it, by its document and by the device, and the nodes of both."""

    name: str
    use: AppUse
    spec: AppSpec
    written: Map
    own: Map
    place: Place

    @property
    def root(self) -> str:
        return _root(self.name, self.spec.root)

    @property
    def services_in_order(self) -> tuple[str, ...]:
        """In the order in which they start."""
        needs = {name: service.after for name, service in self.spec.services.items()}
        return tuple(name for wave in waves(needs) for name in wave)


def app_names(tree: Tree) -> Iterator[str]:
    """Folders of apps/ that hold a document."""
    return (name for name in tree.names("apps") if _has_document(tree, name))


def use_apps(tree: Tree, spec: Map, variables: Mapping[str, str], problems: list[Problem]) -> tuple[Used, ...]:
    """Those that are right, in the order of their names; the others become problems."""
    found = []
    for valid in each(spec, ("apps",), AppUse, problems, keep_all):
        root = load_app(tree, valid.name, valid.place, problems)
        if root is None or not isinstance(valid.node, Map):
            continue
        filled = as_map(substitute(root, variables, problems))
        written = _for_release(valid.name, filled, valid.model.version, problems)
        if (app := check_app(tree, valid.name, written, problems, keep_all)) is not None:
            found.append(Used(valid.name, valid.model, app, written, valid.node, valid.place))
    used = tuple(sorted(found, key=lambda one: one.name))
    places = {one.name: find(one.written, ("after",)).key for one in used}
    needs = {one.name: [other for other in one.spec.after if other in places] for one in used}
    return () if _in_circle(needs, places, "apps", problems) else used


def load_app(tree: Tree, name: str, place: Place, problems: list[Problem]) -> Map | None:
    """The nodes of its spec. `place` is where it is named."""
    if wrong := misnamed(name, "an app", place):
        problems.append(wrong)
        return None
    if not _has_document(tree, name):
        hint = did_you_mean(name, app_names(tree)) or "each app has a document in a folder of its name"
        problems.append(Problem(place, f"there is no apps/{name}/app.yaml", hint, "unknown-app"))
        return None
    loaded = read_document(tree, f"apps/{name}/app.yaml", App, problems)
    if loaded is None:
        return None
    root, document = loaded
    check_name(root, document.metadata.name, name, problems, what="folder")
    return spec_of(root)


def check_app_alone(tree: Tree, name: str, vocabulary: Vocabulary, problems: list[Problem]) -> None:
    """An app that perhaps no device uses. What holds a variable is not known yet."""
    spec = load_app(tree, name, Place(f"apps/{name}/app.yaml"), problems)
    if spec is None:
        return
    check(spec, problems)
    check_app(tree, name, spec, problems, is_open)
    check_checks_alone(spec, vocabulary.probes, problems)


def check_app(tree: Tree, name: str, spec: Map, problems: list[Problem], skip: Skip) -> AppSpec | None:
    """None where anything is wrong with it."""
    before = len(problems)
    try:
        app = AppSpec.model_validate(spec.plain())
    except ValidationError as error:
        problems.extend(complaints(error, AppSpec, spec, later=LATER_APP, skip=skip))
        return None
    _check_services(app, spec, problems)
    _check_apps_before(tree, name, spec, app, problems)
    return app if len(problems) == before else None


def _for_release(name: str, spec: Map, version: str, problems: list[Problem]) -> Map:
    root = spec.values.get("root")
    said = root.plain() if root is not None else None
    values = {"version": version, "current": f"{_root(name, said if isinstance(said, str) else None)}/current"}
    filled: dict[str, Node] = {key: fill(spec.values[key], values, problems) for key in _FILLED if key in spec.values}
    return Map({**spec.values, **filled}, spec.keys, spec.place, spec.over)


def _check_services(app: AppSpec, spec: Map, problems: list[Problem]) -> None:
    for name, service in app.services.items():
        at = find(spec, ("services", name))
        if wrong := misnamed(name, "a service", at.key):
            problems.append(wrong)
        if service.exec and not service.exec[0].startswith(("/", "{current}/", "${")):
            place = find(spec, ("services", name, "exec", 0)).node.place
            hint = "as in {current}/bin/tool or /usr/bin/env"
            problems.append(Problem(place, f"{shown(service.exec[0])} is no absolute path of a program", hint))
        for index, other in enumerate(service.after):
            if other not in app.services:
                place = find(spec, ("services", name, "after", index)).node.place
                hint = did_you_mean(other, app.services) or "other apps stand in `spec.after`"
                problems.append(Problem(place, f"the app has no service {shown(other)}", hint, "unknown-service"))
    places = {name: find(spec, ("services", name, "after")).key for name in app.services}
    _in_circle({name: service.after for name, service in app.services.items()}, places, "services", problems)


def _check_apps_before(tree: Tree, name: str, spec: Map, app: AppSpec, problems: list[Problem]) -> None:
    for index, other in enumerate(app.after):
        place = find(spec, ("after", index)).node.place
        if other == name:
            problems.append(Problem(place, "an app cannot come after itself", code="cycle"))
        elif misnamed(other, "an app", place) or not _has_document(tree, other):
            hint = did_you_mean(other, set(app_names(tree)) - {name})
            problems.append(Problem(place, f"there is no apps/{other[:80]}/app.yaml", hint, "unknown-app"))


def _in_circle(needs: Mapping[str, list[str]], places: Mapping[str, Place], what: str, problems: list[Problem]) -> bool:
    try:
        waves(needs)
    except Cycle as error:
        path = error.message.rpartition(": ")[2]
        message = f"these {what} start after one another in a circle: {path}"
        problems.append(Problem(places[path.partition(" ")[0]], message, "take one of them out of `after`", "cycle"))
        return True
    return False


def _has_document(tree: Tree, name: str) -> bool:
    """One of which the tree says that it is too large is one, too."""
    try:
        return tree.size(f"apps/{name}/app.yaml") is not None
    except Rejected:
        return True


def _root(name: str, said: str | None) -> str:
    return said or f"/opt/{name}"
