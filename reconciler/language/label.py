"""Labels are written as Kubernetes writes them: an optional DNS prefix, then 63 characters at most."""

import re
from typing import Annotated

from pydantic import AfterValidator

from reconciler.language.say import shown

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def _key(text: str) -> str:
    prefix, slash, name = text.rpartition("/")
    if not _NAME.fullmatch(name) or (slash and not _PREFIX.fullmatch(prefix)):
        raise ValueError(
            f"{shown(text)} is no label key: letters, digits, '-', '_', '.', as in role or example.org/role"
        )
    return text


def _value(text: str) -> str:
    if text and not _NAME.fullmatch(text):
        raise ValueError(f"{shown(text)} is no label value: up to 63 letters, digits, '-', '_' and '.'")
    return text


LabelKey = Annotated[str, AfterValidator(_key)]
LabelValue = Annotated[str, AfterValidator(_value)]
