"""`reconciler quarantine`: desired states that failed here."""

from typing import Annotated

import typer

from reconciler.agent import command
from reconciler.agent.deed import quarantined, quarantined_to_json
from reconciler.cli.output import Form, Output, quiet, say, show_json, table
from reconciler.cli.session import Session
from reconciler.core.pace import rfc3339
from reconciler.core.render import clean

Digest = Annotated[str, typer.Argument(help="The digest, or how it begins.")]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="Desired states that failed here and are not tried again until they are cleared.")
    group.command("list")(list_)
    group.command()(show)
    group.command()(clear)
    app.add_typer(group, name="quarantine", no_args_is_help=True)


def list_(context: typer.Context, output: Output = Form.TEXT) -> None:
    """List them."""
    session: Session = context.obj
    entries = session.parts().store.quarantine.all()
    if output is Form.JSON:
        show_json([quarantined_to_json(entry) for entry in entries])
    elif entries:
        rows = ((e.digest.short, e.commit.short, rfc3339(e.at), e.fault.code, e.fault.message) for e in entries)
        table(("DIGEST", "COMMIT", "AT", "CODE", "REASON"), rows)
    else:
        say("nothing is in quarantine")


def show(context: typer.Context, digest: Digest, output: Output = Form.TEXT) -> None:
    """Show one, with the evidence."""
    session: Session = context.obj
    entry = quarantined_to_json(quarantined(session.parts(), digest))
    if output is Form.JSON:
        show_json(entry)
        return
    evidence = entry.pop("evidence")
    for key, value in entry.items():
        say(f"{key:<11} {clean(value)}")
    if evidence:
        say("evidence")
    for line in evidence:
        say(f"  {clean(line)}")


def clear(context: typer.Context, digest: Digest) -> None:
    """Let the next sync try it again."""
    session: Session = context.obj
    entry = command.do(session.parts(), "quarantine clear", {"digest": digest}, quiet)
    say(f"cleared {entry['specDigest'][:19]}: the next sync may try it again")
