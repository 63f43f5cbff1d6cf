"""One document, from a path to a model and its nodes; what is wrong with it is told, and then there is none."""

from typing import TypeVar

from pydantic import ValidationError

from reconciler.core.errors import InvalidDocuments, Place, Problem, Rejected
from reconciler.language import yaml
from reconciler.language.complaint import complaints
from reconciler.language.document import LATER, App, Device, Document, Layer
from reconciler.language.node import Map, Node, Scalar, find, nothing
from reconciler.language.say import say, shown
from reconciler.language.tree import Tree

D = TypeVar("D", bound=Document)


def read_document(tree: Tree, path: str, model: type[D], problems: list[Problem]) -> tuple[Map, D] | None:
    root = _nodes(tree, path, problems)
    if root is None:
        return None
    is_open = model in (Device, Layer, App)
    # These specs are checked once they are merged and filled in; here one only has to be a map.
    parts = {key: {} if key == "spec" and is_open else value.plain() for key, value in root.values.items()}
    if is_open and not _is_spec(root.values.get("spec")):
        place = root.values["spec"].place
        problems.append(Problem(place, f"expected a map, got {say(root.values['spec'].plain())}"))
        return None
    if parts.get("spec", {}) is None:
        del parts["spec"]
    try:
        return root, model.model_validate(parts)
    except ValidationError as error:
        problems.extend(complaints(error, model, root, later=LATER))
        return None


def _nodes(tree: Tree, path: str, problems: list[Problem]) -> Map | None:
    """The nodes of one document. Its size is looked at before it is read."""
    try:
        size = tree.size(path)
        if size is None:
            problems.append(Problem(Place(path), "this is not a regular file", "no link, folder or submodule"))
        elif size > yaml.MAX_BYTES:
            problems.append(yaml.too_large(path, size))
        else:
            return yaml.parse(tree.read(path), path)
    except InvalidDocuments as error:
        problems.extend(error.problems)
    except Rejected as error:
        problems.append(Problem(Place(path), error.message, error.hint))
    return None


def _is_spec(spec: Node | None) -> bool:
    return spec is None or isinstance(spec, Map) or (isinstance(spec, Scalar) and spec.value is None)


def spec_of(root: Map) -> Map:
    spec = root.values.get("spec")
    return spec if isinstance(spec, Map) else nothing(root.keys.get("spec", root.place))


def check_name(root: Map, name: str, stem: str, problems: list[Problem], *, what: str = "file") -> None:
    if name != stem:
        place = find(root, ("metadata", "name")).node.place
        hint = f"write `name: {stem}`, or rename the {what}"
        problems.append(Problem(place, f"the name {shown(name)} is not the {what}'s", hint))
