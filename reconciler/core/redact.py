"""What looks like a secret is not shown, wherever it stands. Rather a word too many is taken out than one too few.

This is the last net below what leaves a device, and no licence to let secrets come this far.
"""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "«redacted»"

_NAME = r"(?:pass(?:word|wd|phrase)|token|secret|authorization|(?<=[\w-])key)s?"
_VALUE = r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'"
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), shown)
    for pattern, shown in (
        (r"-----BEGIN [\w ]+-----(?s:.*?)(?:-----END [\w ]+-----|\Z)", REDACTED),
        (r"\bAGE-SECRET-KEY-[\w-]+", REDACTED),
        (r"\b(?:gh[oprsu]_|github_pat_|glpat-)[\w-]+", REDACTED),
        (r"(?<=://)[^\s'\"]*@", f"{REDACTED}@"),
        (r"\b(bearer +)[\w.~+/-]{8,}=*", rf"\1{REDACTED}"),
        # `name=value` ends with the word or the quotes; what stands after a blank may be of many words.
        (rf"((?:{_NAME}|\bkey)=)(?:{_VALUE}|[^\s&,;]+)", rf"\1{REDACTED}"),
        (rf"((?:{_NAME}|\bkey)['\"]?\s+=\s*)(?:{_VALUE}|\S.*)", rf"\1{REDACTED}"),
        (rf"((?:{_NAME}|\bkey(?=['\"]))(?:['\"]\s*:\s*|\s*:\s+))(?:{_VALUE}|\S.*)", rf"\1{REDACTED}"),
        (r"((?:pass(?:word|wd|phrase)|token):)(?=[^\s:/])\S+", rf"\1{REDACTED}"),
    )
)
_SECRET_NAME = re.compile(rf".*(?:{_NAME}|\bkey)", re.IGNORECASE | re.DOTALL)


def redact(text: str) -> str:
    """Without passwords in `name=value` and `name: value`, names in URLs, PEM blocks, and keys known by their look."""
    for pattern, shown in _PATTERNS:
        text = pattern.sub(shown, text)
    return text


def redacted(data: Any) -> Any:
    """The same for plain data: each text in it, and all that stands under a name like `password`."""
    match data:
        case str():
            return redact(data)
        case Mapping():
            return {redact(str(name)): _under(str(name), value) for name, value in data.items()}
        case list() | tuple():
            return [redacted(value) for value in data]
    return data


def _under(name: str, value: Any) -> Any:
    return REDACTED if value is not None and _SECRET_NAME.fullmatch(name) else redacted(value)
