"""Where a value comes from: who set it, over what, or who removed it. A default is a provenance too."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from reconciler.core.errors import NotFound, Place
from reconciler.core.quantity import format_duration
from reconciler.language.expand import Expansion
from reconciler.language.model import inside, keys_of
from reconciler.language.nearest import did_you_mean
from reconciler.language.node import Gone, List, Map, Node
from reconciler.language.say import shown
from reconciler.language.section import spec_model

SET = "set"
OVERRIDDEN = "overridden"
REMOVED = "removed"
DEFAULT = "default"

_WORD = re.compile(r"[A-Za-z_][-A-Za-z0-9_]*")
_BRACKET = re.compile(r"""\[(?:"([^"]*)"|'([^']*)'|(\d+))\]""")

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """One line of an explanation. `key` reads as it may be asked for again; `place` is None for a default."""

    key: str
    value: Any
    place: Place | None
    note: str

    def __str__(self) -> str:
        return f"{self.place or DEFAULT}: {self.key} {self.note}"


def explain(expansion: Expansion, key: str) -> tuple[Origin, ...]:
    """What holds first, then what it took the place of. Raises NotFound where nothing has such a key."""
    model = spec_model(expansion.vocabulary)
    rest = key.removeprefix("spec")
    if rest == key or (rest and not rest.startswith((".", "["))):
        rest = f".{key}"
    path, node = _resolve(rest, expansion.unfolded, model)
    if node is None or isinstance(node, Gone):
        return (*_default(model, path), *(_chain(path, node) if node else ()))
    return tuple(_origins(path, node))


def _resolve(rest: str, root: Node, model: type[BaseModel]) -> tuple[Path, Node | None]:
    """The longest key that fits is taken at each step, since keys hold dots. The node is None below what is written."""
    path: Path = ()
    node: Node | None = root
    while rest:
        known = {*_names(node), *keys_of(inside(model, path))}
        name, rest = _take(rest, known, path)
        path = (*path, name)
        node = _below(node, name)
        if node is None and inside(model, path) is None:
            raise _not_found(path, known)
    return path, node


def _take(rest: str, known: Iterable[str], path: Path) -> tuple[str | int, str]:
    """The next name of a key, and what is left of the key."""
    if found := _BRACKET.match(rest):
        name = int(found[3]) if found[3] else found[1] if found[1] is not None else found[2]
        return name, rest[found.end() :]
    text = rest.removeprefix(".")
    fitting = [name for name in known if text == name or text.startswith((f"{name}.", f"{name}["))]
    if fitting:
        name = max(fitting, key=len)
        return name, text[len(name) :]
    first = text.partition(".")[0]
    if first.isdigit():
        return int(first), text[len(first) :]
    raise _not_found((*path, text), known)


def _not_found(path: Path, known: Iterable[str]) -> NotFound:
    hint = did_you_mean(str(path[-1]), known)
    return NotFound(f"cannot explain {_written(path)}: {_written(path[:-1])} has no {shown(str(path[-1]))}", hint=hint)


def _names(node: Node | None) -> Iterable[str]:
    return node.values if isinstance(node, Map) else ()


def _below(node: Node | None, name: str | int) -> Node | None:
    if isinstance(node, Map):
        return node.values.get(str(name))
    if isinstance(node, List) and isinstance(name, int) and name < len(node.items):
        return node.items[name]
    return None


def _origins(path: Path, node: Node) -> Iterator[Origin]:
    """Of a value, or of every value below a map."""
    if isinstance(node, Map) and (node.values or not path):
        for key, value in node.values.items():
            yield from _origins((*path, key), value)
        if node.over is not None:
            yield from _chain(path, node.over, OVERRIDDEN)
    else:
        yield from _chain(path, node)


def _chain(path: Path, node: Node, note: str = SET) -> Iterator[Origin]:
    link: Node | None = node
    while link is not None:
        yield Origin(_written(path), link.plain(), link.place, REMOVED if isinstance(link, Gone) else note)
        link, note = link.over, OVERRIDDEN


def _default(model: type[BaseModel], path: Path) -> Iterator[Origin]:
    field = keys_of(inside(model, path[:-1])).get(str(path[-1]))
    if field is not None and not field.is_required():
        value = field.get_default(call_default_factory=True)
        yield Origin(_written(path), _plain(value), None, DEFAULT)


def _plain(value: Any) -> Any:
    """As an operator would write it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    return format_duration(value) if isinstance(value, timedelta) else value


def _written(path: Path) -> str:
    return "spec" + "".join(f".{n}" if isinstance(n, str) and _WORD.fullmatch(n) else _bracketed(n) for n in path)


def _bracketed(name: str | int) -> str:
    return f"[{name}]" if isinstance(name, int) else f'["{name}"]'
