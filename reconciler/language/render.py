"""Plain data as YAML that reads back as the same data: equal data, equal text.

What another reader of YAML might take for something else than a string is written in quotes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.language.expand import Expansion
from reconciler.language.scalar import resolve

_SIMPLE = re.compile(r"[A-Za-z_/.][-A-Za-z0-9_/.@+]*([ ][-A-Za-z0-9_/.@+]+)*")
_OF_1_1 = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_BLOCK = re.compile(r"[\x20-\x7e\xa1-\u02ff\n]+")
_STEP = "  "


def render(expansion: Expansion) -> str:
    """The effective spec of a device."""
    return to_yaml({"spec": expansion.effective.plain()})


def to_yaml(data: Mapping[str, Any]) -> str:
    return "".join(f"{line}\n" for line in (_map(data, "") if data else ["{}"]))


def _map(data: Mapping[str, Any], lead: str) -> Iterator[str]:
    for key, value in data.items():
        yield from _item(f"{lead}{_word(key)}:", value, lead + _STEP)


def _list(data: list[Any], lead: str) -> Iterator[str]:
    for value in data:
        yield from _item(f"{lead}-", value, lead + _STEP)


def _item(head: str, value: Any, lead: str) -> Iterator[str]:
    """A head and what stands behind it, or on the lines below it."""
    if isinstance(value, Mapping) and value:
        yield head
        yield from _map(value, lead)
    elif isinstance(value, list) and value:
        yield head
        yield from _list(value, lead)
    elif isinstance(value, str) and _is_block(value):
        yield f"{head} |{'' if value.endswith(chr(10)) else '-'}"
        yield from (f"{lead}{line}" if line else "" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {_word(value)}"


def _is_block(text: str) -> bool:
    """Whether the lines can stand as they are: more than one, none that begins or ends with a space, none at an end."""
    body = text.removesuffix("\n")
    if (
        "\n" not in text
        or not _BLOCK.fullmatch(text)
        or body.startswith((" ", "\n"))
        or body.endswith("\n")
        or not body
    ):
        return False
    return not any(line.endswith(" ") for line in body.split("\n"))


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value if _is_plain(value) else _quoted(value)
    return json.dumps(value)


def _is_plain(text: str) -> bool:
    return bool(_SIMPLE.fullmatch(text)) and text.lower() not in _OF_1_1 and len(text) < 200 and _stays(text)


def _stays(text: str) -> bool:
    try:
        return resolve(text) == text and not re.fullmatch(r"[-+.0-9_eE]+", text)
    except ValueError:
        return False


def _quoted(text: str) -> str:
    """In double quotes; whatever cannot be printed is escaped."""
    return "".join(c if c.isprintable() else _escape(c) for c in json.dumps(text, ensure_ascii=False))


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
