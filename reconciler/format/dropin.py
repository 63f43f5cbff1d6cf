"""Our drop-in of a unit: what it is started with, after whom, and what of it is ours to remember.

Sources: systemd.syntax(7); systemd.unit(5) on specifiers and on keys that start with X-; systemd.exec(5), Environment=.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.identity import ResourceId
from reconciler.core.senses import STAMP

_HEAD = "# Made by reconciler, and made anew whenever it differs.\n"
_READS, _AFTER, _STARTED_WITH = "X-Reconciler-Reads=", "After=", f"Environment={STAMP}="
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("%", "%%"))


@dataclass(frozen=True, slots=True)
class Dropin:
    """`after` are names of units, `reads` ids of resources, `env` "KEY=value"; `stamp` is empty where there is none."""

    after: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    stamp: str = ""

    def render(self) -> str:
        """Equal drop-ins, equal texts; an empty one where there is nothing to say."""
        after = " ".join(self.after)
        unit = [f"{_READS}{json.dumps(self.reads)}"] if self.reads else []  # JSON never ends a line with a backslash
        unit += [f"{_AFTER}{after}", f"Wants={after}"] if after else []
        service = [f"Environment={_quoted(variable)}" for variable in self.env]
        service += [f"{_STARTED_WITH}{self.stamp}"] if self.stamp else []
        parts = (("[Unit]", unit), ("[Service]", service))
        text = "\n".join("".join(f"{line}\n" for line in (header, *lines)) for header, lines in parts if lines)
        return f"{_HEAD}{text}" if text else ""


def variable(key: str, value: str) -> str:
    """`KEY=value`. Raises ValueError where it cannot be one, or is ours."""
    if not _NAME.fullmatch(key) or key == STAMP:
        raise ValueError(f"{key[:40]!r} cannot be the name of a variable")
    if any(not character.isprintable() and character not in "\n\t" for character in value):
        raise ValueError("a variable holds text without control characters")
    return f"{key}={value}"


def recall(text: str) -> Dropin:
    """What a text tells again, whoever wrote it: all but the environment."""
    after = tuple(_said(text, _AFTER).split())
    return Dropin(after, _resources(_said(text, _READS)), (), _said(text, _STARTED_WITH))


def _quoted(variable: str) -> str:
    for character, escaped in _ESCAPES:
        variable = variable.replace(character, escaped)
    return f'"{variable}"'


def _resources(text: str) -> tuple[str, ...]:
    """None of them where it is no list of such."""
    try:
        return tuple(_ids(json.loads(text or "[]")))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ()


def _ids(data: list[str]) -> Iterator[str]:
    return (str(ResourceId.parse(text)) for text in data)


def _said(text: str, key: str) -> str:
    return next((line.removeprefix(key) for line in text.split("\n") if line.startswith(key)), "")
