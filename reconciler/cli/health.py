"""`reconciler health`: is the device well, for people, for scripts and for a monitoring system."""

from typing import Annotated, Any

import typer

from reconciler.agent.health import health as ask_all
from reconciler.agent.health import nagios as plugin
from reconciler.cli.output import Form, Output, say, show_json
from reconciler.cli.session import Session
from reconciler.core.probe import Health, worst
from reconciler.core.render import clean
from reconciler.core.status import health_to_json

_COLOUR = {Health.OK: "green", Health.WARNING: "yellow", Health.CRITICAL: "red", Health.UNKNOWN: "magenta"}


def add_to(app: typer.Typer) -> None:
    app.command()(health)


def health(
    context: typer.Context,
    check: Annotated[str | None, typer.Option(metavar="NAME", help="One check, not all of them.")] = None,
    *,
    nagios: Annotated[bool, typer.Option("--nagios", help="One line and an exit status, as a plugin.")] = False,
    output: Output = Form.TEXT,
) -> None:
    """Ask every check of what is in force, now, and say how each is. Nothing is changed.

    Exit status: 0 well, warnings too; 1 critical or not to be told. With --nagios 0 OK, 1 WARNING, 2 CRITICAL,
    3 UNKNOWN.
    """
    session: Session = context.obj
    findings = ask_all(session.parts(), check)
    if nagios:
        status, line = plugin(findings)
        say(clean(line))
        raise typer.Exit(status)
    if output is Form.JSON:
        show_json(health_to_json(findings))
    for finding in findings if output is Form.TEXT else ():
        verdict = finding.verdict
        style: dict[str, Any] = {"fg": _COLOUR[verdict.health]}
        say(f"{verdict.health:<8} {clean(finding.check)}: {clean(verdict.message)}", **style)
    if not findings and output is Form.TEXT:
        say("no checks are declared")
    is_well = not findings or worst(f.verdict.health for f in findings) in (Health.OK, Health.WARNING)
    raise typer.Exit(0 if is_well else 1)
