"""A repo is valid when every device of it can be expanded; a layer is checked also where no device selects it."""

from collections.abc import Sequence

from reconciler.core.errors import InvalidDocuments, Place, Problem
from reconciler.core.identity import DeviceName
from reconciler.core.kind import Kinds
from reconciler.language.complaint import LATER, NOT_SUPPORTED
from reconciler.language.compose import alone, compose
from reconciler.language.expand import Facts, expand
from reconciler.language.layout import check_folder
from reconciler.language.load import MAX_DOCUMENTS, Documents, Shared, device_names, load_device, load_shared
from reconciler.language.node import Map
from reconciler.language.rule import check_rules
from reconciler.language.section import check_patch
from reconciler.language.tree import Tree
from reconciler.language.variable import ARCH, check, mentions

ARCHES = ("arm64", "armhf", "amd64")


def validate(
    tree: Tree, kinds: Kinds, device: DeviceName | None = None, arches: Sequence[str] = ARCHES
) -> tuple[Problem, ...]:
    """All mistakes, in the order of their places: of one device and what it shares, or of the whole repo."""
    found: set[Problem] = set()
    shared = _shared(tree, kinds, found)
    for name in [str(device)] if device else _devices(tree, found):
        found.update(_of_device(tree, name, shared, kinds, arches))
    return tuple(sorted(found, key=lambda problem: (problem.place, problem.message, problem.hint or "")))


def _shared(tree: Tree, kinds: Kinds, found: set[Problem]) -> Shared:
    problems: list[Problem] = []
    shared = load_shared(tree, problems)
    for layer in shared.layers:
        check_alone(layer.spec, kinds, problems)
    apps = (f"apps/{name}/app.yaml" for name in tree.names("apps"))
    problems.extend(_no_app(path) for path in apps if tree.size(path) is not None)
    found.update(problems)
    return shared


def check_alone(spec: Map, kinds: Kinds, problems: list[Problem]) -> None:
    """A part of a spec, whatever it may be merged with."""
    check_patch(alone(spec), kinds, problems)
    check_rules(alone(spec), kinds, problems)
    check(spec, problems)


def _devices(tree: Tree, found: set[Problem]) -> list[str]:
    problems: list[Problem] = []
    check_folder(tree, "devices", problems)
    names = list(device_names(tree))
    if not names:
        hint = "add devices/NAME.yaml"
        problems.append(Problem(Place("devices"), "there is no device in this repo", hint, "no-device"))
    if len(names) > MAX_DOCUMENTS:
        place = Place("devices")
        problems.append(
            Problem(place, f"there are {len(names)} devices, {MAX_DOCUMENTS} are allowed", None, "too-many")
        )
    found.update(problems)
    return names[:MAX_DOCUMENTS]


def _of_device(tree: Tree, name: str, shared: Shared, kinds: Kinds, arches: Sequence[str]) -> list[Problem]:
    problems: list[Problem] = []
    documents = load_device(tree, name, shared, problems)
    if documents is not None and not shared.whole:
        check_alone(documents.spec, kinds, problems)
    elif documents is not None:
        problems.extend(_expanded(documents, kinds, arches))
    return problems


def _expanded(documents: Documents, kinds: Kinds, arches: Sequence[str]) -> list[Problem]:
    """On one architecture, where the spec is the same on all of them."""
    problems: list[Problem] = []
    used = arches if mentions(compose(documents), ARCH) else arches[:1]
    for arch in used:
        try:
            expand(documents, kinds, Facts(arch))
        except InvalidDocuments as error:
            problems.extend(error.problems)
    return problems


def _no_app(path: str) -> Problem:
    return Problem(Place(path), "documents of kind App are not supported", LATER, NOT_SUPPORTED)
