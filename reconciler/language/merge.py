"""JSON Merge Patch (RFC 7386), with a memory: what is replaced or removed stays known as what the new value is over."""

from reconciler.language.node import Gone, List, Map, Node, Scalar


def merge(target: Node | None, patch: Node) -> Node:
    """Maps merge, anything else replaces, null removes. A map keeps the place where it was said last."""
    match patch:
        case Map():
            return _merge_map(target, patch)
        case Scalar(None, place):
            return Gone(place, target)
        case Scalar(value, place):
            return Scalar(value, place, target)
        case List(items, place):
            return List(items, place, target)
        case Gone(place):
            return Gone(place, target)


def _merge_map(target: Node | None, patch: Map) -> Map:
    if not isinstance(target, Map):
        values = {key: merge(None, value) for key, value in patch.values.items()}
        return Map(values, patch.keys, patch.place, target)
    values = dict(target.values)
    for key, value in patch.values.items():
        values[key] = merge(values.get(key), value)
    return Map(values, {**target.keys, **patch.keys}, patch.place, target.over)
