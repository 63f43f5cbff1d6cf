"""Commands on a working tree, on any machine: validate, render, explain, schemas."""

import json
import os
from typing import Annotated, Any

import typer

from reconciler import kinds as kinds_folder
from reconciler import probes as probes_folder
from reconciler.agent.settings import arch
from reconciler.cli.output import Form, Output, note, say, show_json, table
from reconciler.core.errors import BadSettings, InputOutput, NotFound, Problem
from reconciler.core.identity import DeviceName
from reconciler.core.render import clean
from reconciler.language.vocabulary import Vocabulary
from reconciler.source.worktree import Worktree

Path = Annotated[str, typer.Argument(metavar="[PATH]", help="A working tree of a desired-state repo.")]
DeviceOption = Annotated[str | None, typer.Option("--device", metavar="NAME", help="The device.")]


def add_to(app: typer.Typer) -> None:
    app.command()(validate)
    app.command()(render)
    app.command()(explain)
    app.command()(schemas)


def validate(path: Path = ".", device: DeviceOption = None, output: Output = Form.TEXT) -> None:
    """Check a working tree: every document and every device's merged spec, all mistakes at once.

    Each problem has its own line, FILE:LINE:COL: problem. Exit status: 0 valid, 1 not.
    """
    from reconciler.language.validate import validate as check  # noqa: PLC0415  # the language is large

    problems = check(_tree(path), _vocabulary(), _name(device))
    if output is Form.JSON:
        show_json({"valid": not problems, "problems": [_to_json(problem) for problem in problems]})
    else:
        for problem in problems:
            say(clean(str(problem)))
        count = len(problems)
        say(f"{count} problem{'s' if count != 1 else ''}" if count else "valid")
    raise typer.Exit(1 if problems else 0)


def render(
    path: Path = ".",
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="The device.")] = ...,  # type: ignore[assignment]
    output: Output = Form.TEXT,
) -> None:
    """Print the effective spec of a device: its layers and its own, merged, variables filled in."""
    from reconciler.language.render import render as to_yaml  # noqa: PLC0415

    expansion = _expansion(path, device)
    if output is Form.JSON:
        show_json(expansion.effective.plain())
    else:
        typer.echo(to_yaml(expansion), nl=False)


def explain(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As in spec.files./etc/motd.mode")],
    path: Path = ".",
    device: DeviceOption = None,
    output: Output = Form.TEXT,
) -> None:
    """Say where a value comes from: file and line of each layer that set it, the one in force first."""
    from reconciler.language.explain import explain as trace  # noqa: PLC0415

    found = trace(_expansion(path, device or _only_device(path)), key)
    if output is Form.JSON:
        show_json([{"key": o.key, "value": o.value, "place": _where(o), "note": o.note} for o in found])
        return
    table(("KEY", "VALUE", "FROM", ""), ((o.key, _short(o.value), _where(o), o.note) for o in found))


def schemas(
    folder: Annotated[str, typer.Option("--dir", metavar="DIR", help="Where they lie.")] = "schemas",
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 1 where one is stale.")] = False,
) -> None:
    """Write the JSON Schemas of all documents, for editors (`# yaml-language-server: $schema=…`)."""
    from reconciler.language.schema import schemas as generate  # noqa: PLC0415

    _check_here(folder)
    stale = []
    for name, schema in generate(_vocabulary()).items():
        path, text = os.path.join(folder, name), json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        if _content(path) != text:
            stale.append(path)
            if not check:
                _write(path, text)
    for path in stale:
        say(f"{'stale' if check else 'written'}: {path}")
    if check and stale:
        note("hint: `reconciler schemas` writes them anew")
        raise typer.Exit(1)


def _vocabulary() -> Vocabulary:
    return Vocabulary(kinds_folder.discover(), probes_folder.discover())


def _tree(path: str) -> Worktree:
    _check_here(path)
    if not os.path.isdir(path):
        raise NotFound("cannot read a working tree: it is no directory", where=path)
    return Worktree(path)


def _check_here(path: str) -> None:
    """A folder that was removed while somebody stood in it still looks like an empty one."""
    if os.path.isabs(path):
        return
    try:
        os.getcwd()
    except FileNotFoundError as error:
        hint = "`cd` to a folder that is there"
        raise NotFound("cannot read the current folder: it is no longer there", hint=hint) from error


def _name(device: str | None) -> DeviceName | None:
    try:
        return DeviceName(device) if device else None
    except ValueError as error:
        raise BadSettings(f"cannot use this device: {error}") from error


def _expansion(path: str, device: str) -> Any:
    from reconciler.language.expand import Facts, expand  # noqa: PLC0415
    from reconciler.language.load import load  # noqa: PLC0415

    name = _name(device)
    if name is None:
        raise BadSettings("cannot tell which device", hint="give --device NAME")
    return expand(load(_tree(path), name), _vocabulary(), Facts(arch()))


def _only_device(path: str) -> str:
    names = [name for name in _tree(path).names("devices") if name.endswith(".yaml")]
    if len(names) != 1:
        raise BadSettings(f"cannot tell which device: there are {len(names)}", hint="give --device NAME")
    return names[0].removesuffix(".yaml")


def _to_json(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "message": problem.message,
        "hint": problem.hint,
        "code": problem.code,
    }


def _where(origin: Any) -> str:
    return str(origin.place) if origin.place else "default"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def _content(path: str) -> str | None:
    """None where there is nothing, or nothing that could be a schema of ours."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def _write(path: str, text: str) -> None:
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputOutput(f"cannot write a schema: {error.strerror}", where=path) from error
