"""Environment files as systemd's EnvironmentFile= and a shell both read them: one KEY=value a line, no breaks in it.

Source: systemd.exec(5), EnvironmentFile=; POSIX shell quoting.
"""

import re
from typing import Any

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_BARE = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")
_ESCAPED = re.compile(r"\\(.)")
_TO_ESCAPE = re.compile(r'([\\"$`])')


def parse(text: str) -> Any:
    values = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if _is_comment(line):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if not match:
            raise ValueError(f"line {number} is no KEY=value")
        values[match[1]] = _unquote(match[2].strip(), number)
    return values


def fit(values: Any, text: str | None) -> str:
    """Raises ValueError for what such a file cannot hold: nested values, other keys, line breaks."""
    wanted = texts(values)
    left = dict(wanted)
    lines = []
    for line in (text or "").splitlines():
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            lines += [line] if _is_comment(line) else []
        elif match[1] in left:
            lines.append(_kept(line, match, left.pop(match[1])))
    lines += [f"{key}={_quote(value)}" for key, value in left.items()]
    return "".join(f"{line}\n" for line in lines)


def texts(values: Any) -> dict[str, str]:
    """The values as the text that a process sees."""
    if not isinstance(values, dict):
        raise ValueError("an env file holds a map")
    return {_checked(key): _text(key, value) for key, value in values.items()}


def _kept(line: str, match: re.Match[str], value: str) -> str:
    """The line as it stands where it says the same already."""
    try:
        same = _unquote(match[2].strip(), 0) == value
    except ValueError:
        same = False
    return line if same else f"{line[: match.start(2)]}{_quote(value)}"


def _is_comment(line: str) -> bool:
    rest = line.lstrip()
    return not rest or rest[0] in "#;"


def _checked(key: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        raise ValueError(f"{key!r} cannot be the name of an environment variable")
    return key


def _text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"{key} is neither a string nor a number: an env file is flat")
    if any(ord(character) < 32 and character != "\t" for character in str(value)):
        raise ValueError(f"{key} holds a line break or another control character")
    return str(value)


def _quote(value: str) -> str:
    return value if _BARE.fullmatch(value) else '"' + _TO_ESCAPE.sub(r"\\\1", value) + '"'


def _unquote(text: str, number: int) -> str:
    if text[:1] not in ("'", '"'):
        return _ESCAPED.sub(r"\1", text)
    if len(text) < 2 or text[-1] != text[0]:
        raise ValueError(f"line {number} has a quote that does not end")
    inner = text[1:-1]
    return inner if text[0] == "'" else _ESCAPED.sub(r"\1", inner)
