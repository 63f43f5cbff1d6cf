"""A plain scalar means what the core schema of YAML 1.2 says (section 10.3.2): `on`, `yes` and `off` are strings.

Numbers that other formats cannot hold are refused: beyond 64 bits, infinite, not a number.
"""

import math
import re

from reconciler.language.node import Value

_WORDS: dict[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST = frozenset("-+.0123456789~nNtTfF")
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST = 64


def resolve(text: str) -> Value:
    """Raises ValueError where a number is one that not every format can hold."""
    if text and text[0] not in _FIRST:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return _int(text, 10)
    if _BASED.fullmatch(text):
        return _int(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is a number that not every format can hold")
    return text


def _int(digits: str, base: int) -> int:
    # Python needs long for very long numbers, and refuses them; so their length is looked at first.
    value = int(digits, base) if len(digits.lstrip("+-0")) <= _LONGEST else 1 << 64
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"{digits[:24]} is a number beyond 64 bits")
    return value


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:24]} is a number that not every format can hold")
    return value
