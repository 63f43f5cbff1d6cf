"""JSON (RFC 8259): the order of keys is kept; a duplicate key is an error, since readers disagree on it."""

import json
from typing import Any

from reconciler.format.graft import graft


def parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def fit(values: Any, text: str | None) -> str:
    tree: Any = values
    if text is not None and isinstance(values, dict):
        try:
            tree = parse(text)
        except ValueError:
            tree = None
        if isinstance(tree, dict):
            graft(tree, values)
        else:
            tree = values
    return json.dumps(tree, indent=_indent(text), ensure_ascii=False) + "\n"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _indent(text: str | None) -> int | str:
    """That of the first indented line, two spaces for a new file."""
    for line in (text or "").splitlines():
        rest = line.lstrip(" \t")
        if rest and rest != line:
            space = line[: len(line) - len(rest)]
            return space if "\t" in space else len(space)
    return 2
