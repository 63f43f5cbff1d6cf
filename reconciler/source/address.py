"""A URL says by which transport git goes, and holds no secret: so it may be shown, logged and put in an argument.

Whatever could be taken for an option, another transport or a helper program is refused before git sees it.
"""

import re
from typing import Literal
from urllib.parse import unquote

from reconciler.core.errors import BadSettings, NotSupported
from reconciler.source.printable import printable

Scheme = Literal["file", "http", "https", "ssh"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = r"(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])"
_USER = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_FORMS: tuple[tuple[Scheme, re.Pattern[str]], ...] = (
    ("file", re.compile(r"(?:file://(?:localhost)?)?/.*")),
    ("http", re.compile(rf"http://{_HOST}(?::\d+)?/[^\s?#]*")),
    ("https", re.compile(rf"https://{_HOST}(?::\d+)?/[^\s?#]*")),
    ("ssh", re.compile(rf"ssh://(?:{_USER}@)?{_HOST}(?::\d+)?/[^\s]*")),
    ("ssh", re.compile(rf"{_USER}@{_HOST}:[^\s:-][^\s]*")),
)
_HINT = "give https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, or an absolute path"
_ELSEWHERE = "keep it in the credentials file, as a line https://USER:TOKEN@HOST"


def scheme_of(url: str) -> Scheme:
    """Raises BadSettings or NotSupported, with a message that shows no part of a secret."""
    if url.startswith("-") or _CONTROL.search(unquote(url)):
        raise BadSettings("cannot follow a repo with such a name", where=_shown(url))
    for scheme, form in _FORMS:
        if form.fullmatch(url):
            return scheme
    if "@" in url:
        raise BadSettings("cannot follow a URL with a name or password in it", where=_shown(url), hint=_ELSEWHERE)
    raise NotSupported(f"cannot follow {_shown(url) or 'a repo without a name'}: no such transport", hint=_HINT)


def path_of(url: str) -> str:
    """What git is told: a local path as it is on the disk, any other URL as it was given."""
    return unquote(url.removeprefix("file://").removeprefix("localhost")) if url.startswith("file://") else url


def without_user(text: str) -> str:
    """What git says of a URL may hold the name, which may be the token, that the credentials file gave it."""
    return re.sub(r"//[^\s'\"]*@", "//…@", text)


def _shown(url: str) -> str:
    return printable(re.sub(r"^([a-z]+://)?.*@", r"\1…@", url, flags=re.DOTALL).partition("?")[0])
