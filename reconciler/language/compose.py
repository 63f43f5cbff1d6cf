"""The effective spec of a device: the layers that select it in their order, then its own part, each on the last."""

from reconciler.language.load import Documents
from reconciler.language.merge import merge
from reconciler.language.node import Map, Node, nothing
from reconciler.language.select import selects


def compose(documents: Documents) -> Map:
    """Variables are not filled in yet."""
    chosen = [layer.spec for layer in documents.shared.layers if selects(layer.selector, documents.labels)]
    spec: Node = nothing(documents.spec.place)
    for patch in (*chosen, documents.spec):
        spec = merge(spec, patch)
    return as_map(spec)


def alone(patch: Map) -> Map:
    """What a patch comes to by itself."""
    return as_map(merge(nothing(patch.place), patch))


def as_map(node: Node) -> Map:
    """A map stays one when another is merged onto it, or its variables are filled in."""
    if not isinstance(node, Map):
        raise TypeError("not a map")
    return node
