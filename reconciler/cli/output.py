"""What a person reads is in colour on a terminal only; what a script reads is JSON, alone on stdout.

Either stream may be closed. What cannot be written to stdout is an error, what cannot be written beside it is not.
"""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Any, TextIO

import typer

from reconciler.core.errors import Failure, InvalidDocuments
from reconciler.core.render import clean


class Form(StrEnum):
    TEXT = "text"
    JSON = "json"


Output = Annotated[Form, typer.Option("--output", "-o", help="For people, or for scripts.")]


def say(line: str = "", **style: Any) -> None:
    """A line to stdout; style only on a terminal that wants it."""
    typer.echo(typer.style(line, **style) if style and _in_colour(sys.stdout) else line)


def note(line: str) -> None:
    """A line beside the result: to stderr, where there is one that takes it."""
    with suppress(OSError):
        typer.echo(line, err=True)


def show_json(data: Any) -> None:
    text = json.dumps(data, indent=2, ensure_ascii=False)
    typer.echo(text.encode(errors="backslashreplace").decode())  # of a name that is no UTF-8, as JSON escapes it


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Columns as wide as their widest cell, whole on a narrow terminal too: it can be piped through `less -S`."""
    cells = [tuple(clean(cell) for cell in row) for row in rows]
    widths = [max(len(row[i]) for row in (head, *cells)) for i in range(len(head))]
    say("  ".join(name.ljust(width) for name, width in zip(head, widths, strict=True)).rstrip(), bold=True)
    for row in cells:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def signed(line: str) -> dict[str, Any]:
    """The style of a line of a plan or a diff, by the sign it begins with."""
    match line.lstrip()[:1]:
        case "+":
            return {"fg": "green"}
        case "-" | "×":
            return {"fg": "red"}
        case "~" | "!":
            return {"fg": "yellow"}
    return {}


def quiet(_told: dict[str, Any]) -> None:
    """For who is not to be told of progress."""


def show_failure(failure: Failure) -> None:
    problems = [str(problem) for problem in failure.problems] if isinstance(failure, InvalidDocuments) else []
    show_error(failure.message, failure.where, failure.hint, problems)


def show_error(message: str, where: str | None, hint: str | None, problems: Iterable[str] = ()) -> None:
    """`error: what happened: where`, then `hint: what to do`; every mistake of a desired state on its own line."""
    mistakes = list(problems)
    for mistake in mistakes:
        note(clean(mistake))
    note(_red("error: ") + clean(f"{message}: {where}" if where and not mistakes else message))
    if hint:
        note(f"hint: {clean(hint)}")


def occupy() -> None:
    """A standard stream that is closed leads nowhere, rather than into the file that would be opened next."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(opened, True)  # noqa: FBT003  # os calls it so


def give_up() -> None:
    """What a stream did not take is lost, so that the end of the process does not stumble over it again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _red(text: str) -> str:
    return typer.style(text, fg="red", bold=True) if _in_colour(sys.stderr) else text


def _in_colour(stream: TextIO | None) -> bool:
    is_terminal = stream is not None and stream.isatty()
    return is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
