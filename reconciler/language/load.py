"""A device reads the fleet, the policy, the layers and its own document, and nothing that is another device's.

All mistakes of all documents are reported at once. What would silently be ignored, for its name or its place, is one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.errors import InvalidDocuments, Place, Problem, Rejected
from reconciler.core.identity import DeviceName
from reconciler.core.inventory import Limits
from reconciler.language.document import Device, Fleet, Layer, Policy
from reconciler.language.layout import check_folder, check_root
from reconciler.language.nearest import did_you_mean
from reconciler.language.node import List, Map, find
from reconciler.language.read import D, check_name, read_document, spec_of
from reconciler.language.select import Selector
from reconciler.language.tree import Tree

MAX_DOCUMENTS = 20_000
"""In one repo."""


@dataclass(frozen=True, slots=True)
class LoadedLayer:
    name: str
    selector: Selector
    spec: Map


@dataclass(frozen=True, slots=True)
class Shared:
    """What all devices of a repo have in common; the layers in the order in which they apply.

    It is not `whole` where a document has a mistake: then nothing merged from it is worth judging.
    """

    fleet: str | None
    layers: tuple[LoadedLayer, ...]
    limits: Limits
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Documents:
    """All that one device is made from."""

    tree: Tree
    device: DeviceName
    labels: Mapping[str, str]
    spec: Map
    shared: Shared


def load(tree: Tree, device: DeviceName) -> Documents:
    """Raises InvalidDocuments."""
    problems: list[Problem] = []
    shared = load_shared(tree, problems)
    documents = load_device(tree, str(device), shared, problems)
    if problems or documents is None:
        raise InvalidDocuments(problems)
    return documents


def load_all(tree: Tree) -> tuple[Documents, ...]:
    """Those of every device. Raises InvalidDocuments with the mistakes of all."""
    problems: list[Problem] = []
    shared = load_shared(tree, problems)
    loaded = [load_device(tree, name, shared, problems) for name in device_names(tree)]
    if problems:
        raise InvalidDocuments(problems)
    return tuple(documents for documents in loaded if documents is not None)


def device_names(tree: Tree) -> Iterator[str]:
    return (name.removesuffix(".yaml") for name in tree.names("devices") if name.endswith(".yaml"))


def load_shared(tree: Tree, problems: list[Problem]) -> Shared:
    before = len(problems)
    check_root(tree, problems)
    fleet = _only(tree, "fleet.yaml", Fleet, problems)
    limits = _limits(_only(tree, "policy.yaml", Policy, problems))
    layers = _layers(tree, problems)
    if fleet is None:
        ordered = tuple(layers[name] for name in sorted(layers))
        return Shared(None, ordered, limits, whole=len(problems) == before)
    root, document = fleet
    ordered = _in_order(document, root, layers, tree, problems)
    return Shared(document.metadata.name, ordered, limits, whole=len(problems) == before)


def load_device(tree: Tree, name: str, shared: Shared, problems: list[Problem]) -> Documents | None:
    path = f"devices/{name}.yaml"
    try:
        device = DeviceName(name)
    except ValueError as error:
        problems.append(Problem(Place(path), str(error), "rename the file", "invalid-name"))
        return None
    if _size(tree, path) is None:
        problems.append(_no_device(tree, name))
        return None
    loaded = read_document(tree, path, Device, problems)
    if loaded is None:
        return None
    root, document = loaded
    check_name(root, document.metadata.name, name, problems)
    return Documents(tree, device, document.metadata.labels, spec_of(root), shared)


def _layers(tree: Tree, problems: list[Problem]) -> dict[str, LoadedLayer]:
    check_folder(tree, "layers", problems)
    found = {}
    files = [name for name in tree.names("layers") if name.endswith(".yaml")]
    if len(files) > MAX_DOCUMENTS:
        problems.append(Problem(Place("layers"), f"there are {len(files)} layers, {MAX_DOCUMENTS} are allowed"))
    for file in files[:MAX_DOCUMENTS]:
        loaded = read_document(tree, f"layers/{file}", Layer, problems)
        if loaded:
            root, document = loaded
            name = file.removesuffix(".yaml")
            check_name(root, document.metadata.name, name, problems)
            found[name] = LoadedLayer(name, document.selector, spec_of(root))
    return found


def _in_order(
    fleet: Fleet, root: Map, layers: Mapping[str, LoadedLayer], tree: Tree, problems: list[Problem]
) -> tuple[LoadedLayer, ...]:
    order = find(root, ("spec", "layers"))
    places = [item.place for item in order.node.items] if isinstance(order.node, List) else []
    files = {name.removesuffix(".yaml") for name in tree.names("layers") if name.endswith(".yaml")}
    for name, place in zip(fleet.spec.layers, places, strict=False):
        if name not in files:
            hint = did_you_mean(name, files - set(fleet.spec.layers))
            problems.append(Problem(place, f"there is no layers/{name[:80]}.yaml", hint, "unknown-layer"))
    for name in sorted(files - set(fleet.spec.layers)):
        hint = "add it to spec.layers of fleet.yaml, in its place in the order, or delete it"
        problems.append(Problem(Place(f"layers/{name}.yaml"), "no device reads this layer", hint, "unknown-layer"))
    return tuple(layers[name] for name in fleet.spec.layers if name in layers)


def _limits(policy: tuple[Map, Policy] | None) -> Limits:
    if policy is None:
        return Limits()
    spec = policy[1].spec
    return Limits(spec.limits.max_deletes, spec.limits.max_delete_percent, tuple(spec.protected))


def _only(tree: Tree, path: str, model: type[D], problems: list[Problem]) -> tuple[Map, D] | None:
    if path not in tree.names():
        return None
    return read_document(tree, path, model, problems)


def _size(tree: Tree, path: str) -> int | None:
    try:
        return tree.size(path)
    except Rejected:
        return 0  # there is something, and reading it will say what is wrong with it


def _no_device(tree: Tree, name: str) -> Problem:
    place = Place(f"devices/{name}.yaml")
    names = tree.names("devices")
    if f"{name}.yaml" in names:
        return Problem(place, "this is not a regular file", "no link, folder or submodule")
    if f"{name}.yml" in names:
        return Problem(place, "there is no such document", f"rename devices/{name}.yml: documents end in .yaml")
    stems = [other.removesuffix(".yaml") for other in names if other.endswith(".yaml")]
    hint = did_you_mean(name, stems) or "each device has a document of its name in devices/"
    return Problem(place, "there is no such document", hint, "unknown-device")
