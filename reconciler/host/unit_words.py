"""The words of a line of a unit file: quotes go, escapes, specifiers and variables are put in, in this order.

Sources: systemd.syntax(7) on quoting, systemd.unit(5) on specifiers, systemd.service(5) on command lines.
"""

import re
from collections.abc import Iterator, Mapping

_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+""", re.DOTALL)
_QUOTE = re.compile(r"""\\.|(["'])""", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "} | {
    c: c for c in "\\\"'"
}
_SPECIFIER = re.compile(r"%(.?)", re.DOTALL)
_FOLDERS = {"t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "E": "/etc", "T": "/tmp", "V": "/var/tmp"}  # noqa: S108
_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\})")
_WHOLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


def split(text: str) -> Iterator[tuple[str, str]]:
    """Each word as it stands and as it is meant. Raises ValueError where a quote is never closed."""
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _WORD.match(text, position)
        if match is None or (match.end() < len(text) and not text[match.end()].isspace()):
            raise ValueError("a quote or an escape is never closed")
        position = match.end()
        yield match[0], _unescape(_unquote(match[0]))


def expand_specifiers(text: str, name: str) -> str:
    """Raises ValueError for one that is only known to systemd itself."""
    stem = name.rpartition(".")[0]
    prefix, _, instance = stem.partition("@")
    known = {"%": "%", "n": name, "N": stem, "p": prefix, "i": instance, "I": _unit_unescape(instance), **_FOLDERS}
    known["P"] = _unit_unescape(prefix)

    def value(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise ValueError(f"the specifier {match[0]!r} is not known here; a percent sign is written %%")
        return known[match[1]]

    return _SPECIFIER.sub(value, text)


def put_in(words: tuple[str, ...], variables: Mapping[str, str]) -> list[str]:
    """`${X}` is put in where it stands, `$X` as a word of its own is as many words as its value has.

    The program itself is never a variable's.
    """
    done = [words[0].replace("$$", "$")]
    for word in words[1:]:
        whole = _WHOLE.fullmatch(word)
        if whole:
            done.extend(meant for _, meant in split(variables.get(whole[1], "")))
        else:
            done.append(_VARIABLE.sub(lambda match: variables.get(match[1], "") if match[1] else "$", word))
    return done


def _unquote(word: str) -> str:
    """Quotes of the other sort stay, and so do escaped ones with their backslash."""
    done, position, inside = [], 0, ""
    for match in _QUOTE.finditer(word):
        if match[1] is None or (inside and match[1] != inside):
            continue
        done.append(word[position : match.start()])
        position = match.end()
        inside = "" if inside else match[1]
    return "".join((*done, word[position:]))


def _unescape(word: str) -> str:
    """Numbers of bytes are bytes, which may make a character together. Raises ValueError for a zero."""
    text = _ESCAPE.sub(_character, word)
    if "\0" in text:
        raise ValueError("a word holds no zero byte")
    return text.encode(errors="surrogateescape").decode(errors="surrogateescape")


def _character(match: re.Match[str]) -> str:
    said = match[1]
    if said[0] in "uU" and len(said) > 1:
        return chr(int(said[1:], 16))
    if said[0] == "x" and len(said) > 1:
        return bytes([int(said[1:], 16)]).decode(errors="surrogateescape")
    if len(said) == 3:
        return bytes([int(said, 8) & 0xFF]).decode(errors="surrogateescape")
    return _ESCAPED.get(said, match[0])


def _unit_unescape(text: str) -> str:
    """As systemd-escape(1) has it."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text.replace("-", "/"))
