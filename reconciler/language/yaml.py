"""One YAML document as nodes that know their places, built from the parser's events: nothing is ever constructed.

What could be read in two ways is refused, and what would be larger than its text is counted before it is made.
"""

from collections.abc import Iterator
from typing import Any

from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined]  # of the C extension, which has no stubs
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.core.errors import InvalidDocuments, Place, Problem
from reconciler.language import syntax
from reconciler.language.node import List, Map, Node, Scalar, Value
from reconciler.language.say import shown
from reconciler.language.scalar import resolve

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 100_000
"""With every alias counted as all that it stands for."""
MAX_ALIASES = 10_000
MAX_PROBLEMS = 100
"""Of one document: whoever made more is better served by the first of them."""


def parse(content: bytes, file: str) -> Map:
    """Raises InvalidDocuments with every mistake that can be told apart."""
    if len(content) > MAX_BYTES:
        raise InvalidDocuments([too_large(file, len(content))])
    text = syntax.text_of(content, file)
    if isinstance(text, Problem):
        raise InvalidDocuments([text])
    reader = _Reader(file, _events(content))
    try:
        root = reader.document()
    except YAMLError as error:
        raise InvalidDocuments([*reader.problems, syntax.complaint(error, text, file)]) from error
    if reader.problems:
        raise InvalidDocuments(reader.problems)
    return root


def too_large(file: str, size: int) -> Problem:
    return Problem(Place(file), f"the document has {size} bytes, {MAX_BYTES} are allowed", "split it into layers")


def _events(content: bytes) -> Iterator[Any]:
    """From the C parser and no other: two parsers that disagree would make one repo two desired states."""
    parser = CParser(content)
    while (event := parser.get_event()) is not None:
        yield event


class _Reader:
    """A descent through the events. `count` and `reach` are nodes and depth so far, aliases expanded."""

    def __init__(self, file: str, events: Iterator[Any]) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._events = events
        self._known: dict[str, tuple[Node, int, int]] = {}
        self._open: set[str] = set()
        self._aliases = 0
        self._count = 0
        self._reach = 0

    def document(self) -> Map:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    self._refuse(event, "a second document in one file", "one file holds one document")
                root = self._node(next(self._events), 1)
        if isinstance(root, Map):
            return root
        if root is None or (isinstance(root, Scalar) and root.value is None):
            message, hint = "the document is empty", "write `key: value` lines, or delete the file"
        else:
            message, hint = "a document is a map", "it starts with `key: value`"
        raise InvalidDocuments([*self.problems, Problem(root.place if root else Place(self._file), message, hint)])

    def _node(self, event: Any, depth: int) -> Node:
        if type(event) is AliasEvent:
            return self._alias(event, depth)
        self._grow(event, 1, depth)
        if event.tag is not None:
            hint = "take the tag out: quotes make a string of a value"
            self._note(event, f"the tag {_tag(event)} has no meaning here", hint)
        return self._bare(event, depth) if event.anchor is None else self._anchored(event, depth)

    def _bare(self, event: Any, depth: int) -> Node:
        if type(event) is ScalarEvent:
            return Scalar(self._value(event), self._place(event))
        if type(event) is MappingStartEvent:
            return self._map(event, depth)
        return self._list(event, depth)

    def _anchored(self, event: Any, depth: int) -> Node:
        name, count, reach = event.anchor, self._count, self._reach
        self._open.add(name)
        self._reach = depth
        node = self._bare(event, depth)
        self._open.discard(name)
        self._known[name] = (node, self._count - count + 1, self._reach - depth)
        self._reach = max(reach, self._reach)
        return node

    def _alias(self, event: Any, depth: int) -> Node:
        name = event.anchor
        if name in self._open:
            self._refuse(event, f"{shown(f'*{name}')} stands inside what it stands for", "an alias cannot hold itself")
        if name not in self._known:
            hint = "anchors hold within one file, below their `&`; a string that starts with '*' is quoted"
            self._refuse(event, f"{shown(f'*{name}')} stands for nothing: there is no {shown(f'&{name}')} above", hint)
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self._refuse(event, f"the document has more than {MAX_ALIASES} aliases", "write a layer instead")
        node, size, height = self._known[name]
        self._grow(event, size, depth + height)
        return node

    def _map(self, start: Any, depth: int) -> Map:
        values: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for event in self._events:
            if type(event) is MappingEndEvent:
                break
            key, place = self._key(event), self._place(event)
            value = self._held(next(self._events), depth + 1, place)
            if key in values:
                self._note(event, f"the key {shown(key)} is here twice", f"it is already at {keys[key]}")
            else:
                values[key], keys[key] = value, place
        return Map(values, keys, self._place(start))

    def _list(self, start: Any, depth: int) -> List:
        items = []
        for event in self._events:
            if type(event) is SequenceEndEvent:
                break
            items.append(self._held(event, depth + 1, self._place(start)))
        return List(tuple(items), self._place(start))

    def _held(self, event: Any, depth: int, holder: Place) -> Node:
        """What is not written stands where its key does: parsers put it anywhere up to the line after the last."""
        node = self._node(event, depth)
        is_written = type(event) is not ScalarEvent or event.value or not event.implicit[0]
        return node if is_written else Scalar(None, holder)

    def _key(self, event: Any) -> str:
        """Keys are made canonical: `17`, `"17"` and `0x11` are one."""
        if type(event) in (MappingStartEvent, SequenceStartEvent):
            self._refuse(event, "a map or a list cannot be a key", "quote it; `{{…}}` is no template here")
        if type(event) is AliasEvent:
            self._refuse(event, "an alias cannot be a key", "write the key itself")
        if event.tag is not None:
            self._note(event, f"the tag {_tag(event)} has no meaning here", "quote the key instead")
        if event.implicit[0] and event.value == "<<":
            self._note(event, "the merge key << has no meaning here", "layers merge; an alias is a whole value")
        if event.anchor is not None:
            self._known[event.anchor] = (Scalar(event.value, self._place(event)), 1, 0)
        value = self._value(event)
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        said = event.value or "nothing"
        self._note(event, f"{shown(said)} cannot be a key: it is {_sort(value)}", "quote it")
        return str(event.value)

    def _value(self, event: Any) -> Value:
        if not event.implicit[0]:
            return str(event.value)
        try:
            return resolve(event.value)
        except ValueError as error:
            self._note(event, str(error), "quote it")
            return None

    def _grow(self, event: Any, nodes: int, depth: int) -> None:
        self._count += nodes
        self._reach = max(self._reach, depth)
        if depth > MAX_DEPTH:
            self._refuse(event, f"the document is more than {MAX_DEPTH} levels deep", None)
        if self._count > MAX_NODES:
            hint = "aliases count as what they stand for; split the document into layers"
            self._refuse(event, f"the document has more than {MAX_NODES} values", hint)

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1)

    def _note(self, event: Any, message: str, hint: str | None) -> None:
        self.problems.append(Problem(self._place(event), message, hint))
        if len(self.problems) >= MAX_PROBLEMS:
            raise InvalidDocuments(self.problems)

    def _refuse(self, event: Any, message: str, hint: str | None) -> None:
        """What makes it pointless to read on."""
        self._note(event, message, hint)
        raise InvalidDocuments(self.problems)


def _tag(event: Any) -> str:
    return shown(str(event.tag).replace("tag:yaml.org,2002:", "!!"))


def _sort(value: Value) -> str:
    if value is None:
        return "null"
    return "a truth value" if isinstance(value, bool) else "a fraction"
