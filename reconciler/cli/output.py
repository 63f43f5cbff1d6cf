"""What a person reads is in colour on a terminal only; what a script reads is JSON, alone on stdout."""

import json
import os
import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

import typer

from reconciler.core.errors import Failure, InvalidDocuments
from reconciler.core.render import clean


class Form(StrEnum):
    TEXT = "text"
    JSON = "json"


Output = Annotated[Form, typer.Option("--output", "-o", help="For people, or for scripts.")]


def say(line: str = "", **style: Any) -> None:
    """A line to stdout; style only on a terminal that wants it."""
    typer.echo(typer.style(line, **style) if style and _in_colour(sys.stdout.isatty()) else line)


def note(line: str) -> None:
    """A line beside the result: to stderr."""
    typer.echo(line, err=True)


def show_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Columns as wide as their widest cell, whole on a narrow terminal too: it can be piped through `less -S`."""
    cells = [tuple(clean(cell) for cell in row) for row in rows]
    widths = [max(len(row[i]) for row in (head, *cells)) for i in range(len(head))]
    say("  ".join(name.ljust(width) for name, width in zip(head, widths, strict=True)).rstrip(), bold=True)
    for row in cells:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


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


def _red(text: str) -> str:
    return typer.style(text, fg="red", bold=True) if _in_colour(sys.stderr.isatty()) else text


def _in_colour(is_terminal: bool) -> bool:  # noqa: FBT001  # it is what it is asked about
    return is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
