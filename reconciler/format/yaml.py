"""YAML 1.2 through ruamel.yaml, which keeps comments and order.

Many programs still read YAML 1.1: a string that they would take for a boolean or a number is written in quotes.
"""

import re
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from reconciler.format.graft import graft, plain, same

_OTHER_IN_1_1 = re.compile(r"(?i:y|n|yes|no|on|off|true|false|null|~)|[-+]?[0-9][0-9_:]*(\.[0-9_]*)?|=|<<")
_WIDTH = 4096


def parse(text: str) -> Any:
    try:
        return plain(YAML(typ="safe").load(text))
    except (YAMLError, RecursionError) as error:
        raise ValueError(str(error).splitlines()[0] if str(error) else "not YAML") from error


def fit(values: Any, text: str | None) -> str:
    if text is not None and isinstance(values, dict):
        fitted = _fitted(values, text)
        if fitted is not None:
            return fitted
    return _dump(_quoted(values))


def _fitted(values: dict[str, Any], text: str) -> str | None:
    """None where the text cannot be read, or (anchors that two places share) does not hold the values afterwards."""
    try:
        tree = _round_trip().load(text)
        if not isinstance(tree, dict):
            return None
        graft(tree, _quoted(values))
        fitted = _dump(tree)
        return fitted if same(parse(fitted), values) else None
    except (YAMLError, ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        return None  # ruamel raises these too, of trees in which a graft met merged keys


def _round_trip() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    return yaml


def _dump(tree: Any) -> str:
    stream = StringIO()
    _round_trip().dump(tree, stream)
    return stream.getvalue()


def _quoted(value: Any) -> Any:
    if isinstance(value, dict):
        return {_quoted(key): _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, str) and _OTHER_IN_1_1.fullmatch(value):
        return DoubleQuotedScalarString(value)
    return value
