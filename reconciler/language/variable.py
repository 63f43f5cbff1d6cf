"""`${name}` in a string stands for what is known of the device, `$${` for a literal `${`; nothing is guessed."""

import re
from collections.abc import Iterator, Mapping

from reconciler.core.errors import Problem
from reconciler.language.nearest import did_you_mean
from reconciler.language.node import Gone, List, Map, Node, Scalar
from reconciler.language.say import shown

ARCH = "device.arch"
LABELS = "device.labels."
NAMES = frozenset({"device.name", ARCH, "fleet.id"})

_HINT = "write `$${` for a literal `${`"
_USE = re.compile(r"\$\$\{|\$\{([^{}\n]*)(\})?")


def substitute(node: Node, variables: Mapping[str, str], problems: list[Problem]) -> Node:
    """The same node where nothing in it changes. Appends a problem for every use of an unknown variable."""
    match node:
        case Scalar(str(text), place, over) if "${" in text:
            return Scalar(_filled(text, node, variables, problems), place, over)
        case List(items, place, over):
            filled = tuple(substitute(item, variables, problems) for item in items)
            same = all(new is old for new, old in zip(filled, items, strict=True))
            return node if same else List(filled, place, over)
        case Map(values, keys, place, over):
            changed = {}
            for key, value in values.items():
                if (new := substitute(value, variables, problems)) is not value:
                    changed[key] = new
            return Map({**values, **changed}, keys, place, over) if changed else node
    return node


def check(node: Node, problems: list[Problem]) -> None:
    """Variables that no device has, in a layer that perhaps no device selects."""
    for scalar, name, closed in _uses(node):
        if not closed:
            problems.append(_unterminated(scalar))
        elif name not in NAMES and not name.startswith(LABELS):
            problems.append(_unknown(name, scalar, {*NAMES, f"{LABELS}KEY"}))


def mentions(node: Node, name: str) -> bool:
    return any(used == name for _, used, _ in _uses(node))


def _uses(node: Node) -> Iterator[tuple[Scalar, str, bool]]:
    match node:
        case Scalar(str(text)) if "${" in text:
            for found in _USE.finditer(text):
                if found[0] != "$${":
                    yield node, found[1], bool(found[2])
        case List(items):
            for item in items:
                yield from _uses(item)
        case Map(values):
            for value in values.values():
                yield from _uses(value)
        case Scalar() | Gone():
            pass


def _filled(text: str, scalar: Scalar, variables: Mapping[str, str], problems: list[Problem]) -> str:
    def fill(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        if not found[2]:
            problems.append(_unterminated(scalar))
        elif found[1] not in variables:
            problems.append(_unknown(found[1], scalar, variables))
        return variables.get(found[1], found[0])

    return _USE.sub(fill, text)


def _unterminated(scalar: Scalar) -> Problem:
    return Problem(scalar.place, "`${` without `}`", _HINT, "unknown-variable")


def _unknown(name: str, scalar: Scalar, known: Mapping[str, str] | set[str]) -> Problem:
    close = did_you_mean(name, known)
    hint = f"{close} {_HINT}" if close else _HINT
    if name == "fleet.id":
        return Problem(scalar.place, "`${fleet.id}` is not known: there is no fleet.yaml", _HINT, "unknown-variable")
    if name.startswith(LABELS):
        label = name.removeprefix(LABELS)
        message = f"the device has no label {shown(label)}"
        close = did_you_mean(label, (other.removeprefix(LABELS) for other in known if other.startswith(LABELS)))
        return Problem(scalar.place, message, close or "add it to metadata.labels", "unknown-variable")
    return Problem(scalar.place, f"unknown variable `${{{name[:80]}}}`", hint, "unknown-variable")
