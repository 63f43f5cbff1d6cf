"""Structured texts: what values a text holds, and the same text with other values.

A format is a module with two functions that are each other's inverse:
`parse(text)` gives plain data (maps with text keys, lists, strings, numbers, booleans) or raises ValueError;
`fit(values, text)` gives a text that holds exactly `values`, with the comments and the order of `text` where it can
be read. `text` is None for a new file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from reconciler.format.graft import same

NAMES = ("yaml", "json", "toml", "env")


@dataclass(frozen=True, slots=True)
class Format:
    parse: Callable[[str], Any]
    fit: Callable[[Any, str | None], str]


@cache
def format_of(name: str) -> Format:
    """Imported when a file of this format is met: their parsers are large, and many devices have none."""
    if name not in NAMES:
        raise ValueError(f"no format is called {name!r}")
    module = import_module(f"{__name__}.{name}")

    def fit(values: Any, text: str | None) -> str:
        return text if text is not None and _holds(module.parse, text, values) else str(module.fit(values, text))

    return Format(module.parse, fit)


def _holds(parse: Callable[[str], Any], text: str, values: Any) -> bool:
    """What fits already is left to the letter, odd spaces and all."""
    try:
        return same(parse(text), values)
    except ValueError:
        return False
