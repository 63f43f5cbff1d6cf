"""`{current}` and `{version}` in what an app says stand for its release; other braces are left as they are."""

import re
from collections.abc import Mapping

from reconciler.core.errors import Problem
from reconciler.language.nearest import did_you_mean
from reconciler.language.node import List, Map, Node, Scalar

_USE = re.compile(r"(?<!\$)\{([A-Za-z]+)\}")


def fill(node: Node, values: Mapping[str, str], problems: list[Problem]) -> Node:
    """Keys are left alone. Appends a problem for a name that is nearly one of those that are known."""
    match node:
        case Scalar(str(text), place, over):
            return Scalar(_filled(text, node, values, problems), place, over)
        case List(items, place, over):
            return List(tuple(fill(item, values, problems) for item in items), place, over)
        case Map(below, keys, place, over):
            return Map({key: fill(value, values, problems) for key, value in below.items()}, keys, place, over)
    return node


def _filled(text: str, scalar: Scalar, values: Mapping[str, str], problems: list[Problem]) -> str:
    def replace(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values and (close := did_you_mean(name, values)):
            problems.append(Problem(scalar.place, f"unknown placeholder {{{name}}}", close, "unknown-variable"))
        return values.get(name, found[0])

    return _USE.sub(replace, text)
