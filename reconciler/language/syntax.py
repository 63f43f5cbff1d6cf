"""What the parser complains of, in words that help somebody who does not know its grammar."""

import re

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from reconciler.core.errors import Place, Problem

_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONFLICT = re.compile(r"^<{7} ", re.MULTILINE)
_RESERVED = "@`%"
_SAYINGS = {
    "mapping values are not allowed": (
        "a key cannot stand here",
        "is it indented right, with ':' on the line above? quote a value that has ': ' in it",
    ),
    "could not find expected ':'": ("a key without ':'", "write `key: value`; is the indentation right?"),
    "did not find expected key": (
        "this is not a key",
        "is it indented as the keys above? are quotes and brackets in pairs?",
    ),
    "did not find expected '-' indicator": ("a list goes on with '- '", "is the indentation right?"),
    "did not find expected ',' or '}'": ("a map in braces is not closed", "write `}`, or `,` between entries"),
    "did not find expected ',' or ']'": ("a list in brackets is not closed", "write `]`, or `,` between items"),
    "did not find expected node content": ("a value is missing", "are all brackets closed?"),
    "found unexpected end of stream": ("quotes are not closed", "write the closing quote"),
    "found unexpected document indicator": ("quotes are not closed", "write the closing quote before '---' or '...'"),
    "block sequence entries are not allowed": ("a list item cannot stand here", "a list starts on a new line"),
    "block mapping entries are not allowed": ("a key cannot stand here", "is the indentation right?"),
    "did not find expected <document start>": ("there is something after the end", "is a bracket closed twice?"),
    "found unknown escape character": ("an unknown escape in double quotes", r"use single quotes, or `\\`"),
    "found unexpected ':'": ("a ':' cannot stand here", "quote the key or value that it belongs to"),
    "while scanning an alias": ("'*' starts an alias", "quote a value that starts with '*'"),
    "while scanning an anchor": ("'&' starts an anchor", "quote a value that starts with '&'"),
}


def text_of(content: bytes, file: str) -> str | Problem:
    """The text of a document; it is UTF-8 and has no control characters."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        place = _place(file, content[: error.start].decode())
        return Problem(place, "this is not UTF-8", "save the file as UTF-8")
    found = _NOT_TEXT.search(text, 1 if text.startswith("\ufeff") else 0)
    if found is None:
        return text
    name = f"U+{ord(found[0]):04X}"
    hint = r'take it out, or write an escape in double quotes, as in "\x1b"'
    return Problem(_place(file, text[: found.start()]), f"the control character {name} cannot stand here", hint)


def complaint(error: YAMLError, text: str, file: str) -> Problem:
    if isinstance(error, ReaderError) or not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return Problem(Place(file), f"this is not YAML: {str(error).splitlines()[0]}")
    if found := _CONFLICT.search(text):
        return Problem(_place(file, text[: found.start()]), "a merge conflict was committed", "resolve it")
    line, column = error.problem_mark.line, error.problem_mark.column
    place = Place(file, line + 1, column + 1)
    written = text.split("\n", line + 1)[line] if text.count("\n") >= line else ""
    lead = written[: len(written) - len(written.lstrip())]
    if "\t" in lead or written[column : column + 1] == "\t":
        return Problem(place, "a tab cannot indent", "indent with spaces")
    if written[column : column + 1] in _RESERVED and "cannot start any token" in error.problem:
        return Problem(place, f"a value cannot start with {written[column]!r}", "quote it")
    said = f"{error.context or ''} {error.problem or ''}"
    for saying, (message, hint) in _SAYINGS.items():
        if saying in said:
            return Problem(_opening(error, file) if message.endswith("not closed") else place, message, hint)
    return Problem(place, f"this is not YAML: {said.strip()}")


def _opening(error: MarkedYAMLError, file: str) -> Place:
    """Where it begins, since the end of what is not closed is anywhere."""
    mark = error.context_mark or error.problem_mark
    return Place(file, mark.line + 1, mark.column + 1)


def _place(file: str, before: str) -> Place:
    return Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
