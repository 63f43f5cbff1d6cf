"""`reconciler sandbox`: what only a device in a folder needs."""

import typer

from reconciler.agent.main import end_services
from reconciler.cli.output import say
from reconciler.cli.session import Session


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="For a device in a folder (--root DIR), whose services outlive commands.")
    group.command()(stop)
    app.add_typer(group, name="sandbox", no_args_is_help=True)


def stop(context: typer.Context) -> None:
    """End all services that run for the sandbox, before its folder is removed; the next sync starts them again."""
    session: Session = context.obj
    count = end_services(session.parts().settings)
    say(f"ended {count} processes" if count else "nothing ran")
