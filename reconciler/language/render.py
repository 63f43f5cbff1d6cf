"""Plain data as YAML that reads back as the same data: equal data, equal text.

What a reader of YAML 1.1 would take for something else than a string is written in quotes.
"""

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from reconciler.language.expand import Expansion

_BARE = re.compile(r"[A-Za-z_/.][-A-Za-z0-9_/.@+]*")
_OF_1_1 = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", ".inf", ".nan"})
_BLOCK = re.compile(r"[\x21-\x7e][\x20-\x7e]*(\n([\x20-\x7e]*[\x21-\x7e])?)*[\x21-\x7e]\n")
_WIDTH = 1 << 20


def render(expansion: Expansion) -> str:
    """The effective spec of a device."""
    return to_yaml(expansion.effective.plain())


def to_yaml(data: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    yaml.dump(_styled(data), stream)
    return stream.getvalue()


def _styled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_styled(key): _styled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_styled(item) for item in value]
    if not isinstance(value, str) or (_BARE.fullmatch(value) and value.lower() not in _OF_1_1):
        return value
    return LiteralScalarString(value) if _BLOCK.fullmatch(value) else DoubleQuotedScalarString(value)
