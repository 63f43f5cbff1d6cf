"""Commands that say where a device stands. They only look, so anybody may ask who may read what is asked for."""

from typing import Annotated, Any

import typer

from reconciler.agent import command
from reconciler.agent import publish as published
from reconciler.agent.observation import record_to_json
from reconciler.agent.parts import Parts
from reconciler.agent.preview import drifts
from reconciler.cli.output import Form, Output, say, show_json, signed, table
from reconciler.cli.session import Session
from reconciler.core import render
from reconciler.core.identity import Generation
from reconciler.core.pace import rfc3339
from reconciler.store.generations import Record, duration_of

DRIFT = 2
NOTHING_YET = "nothing was applied here yet: `reconciler sync` does that"


def add_to(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(why)
    app.command()(diff)
    app.command()(history)


def status(context: typer.Context, output: Output = Form.TEXT) -> None:
    """Show where the device stands, as of the last sync."""
    session: Session = context.obj
    document = published.status(session.parts())
    if output is Form.JSON:
        show_json(document)
        return
    applied, desired, resources = document["applied"], document["desired"], document["resources"]
    say(f"{document['device']}: {document['phase']}", bold=True)
    if desired:
        say(f"  desired    {desired['commit'][:12]} on {desired['ref']}, fetched {desired['fetchedAt']}")
    if applied["generation"] is not None:
        say(f"  applied    {applied['commit'][:12]} as generation {applied['generation']}, {applied['at']}")
    amiss = f"{resources['drifted']} drifted, {resources['failed']} failed"
    say(f"  resources  {resources['converged']} of {resources['total']} converged, {amiss}")
    for name, app in document["apps"].items():
        say(f"  app        {_app(name, app)}")
    for condition in document["conditions"]:
        say(f"  {condition['type']:<10} {condition['status']:<8} {render.clean(condition['message'])}")
    for hold in document["holds"]:
        say(f"  held       {hold['kind']}: {render.clean(hold['reason'])} (since {hold['since']})")
    for entry in document["quarantine"]:
        say(f"  quarantine {entry['specDigest'][:19]}: {render.clean(entry['reason'])}")


def _app(name: str, app: dict[str, Any]) -> str:
    """As `version.json` beside its releases tells."""
    update = app["lastUpdate"] or {}
    good = f", before that {app['previousGood']}" if app["previousGood"] else ""
    how = f", {str(update['status']).replace('_', ' ')} {update['timestamp']}" if update else ""
    return render.clean(f"{name} {app['version'] or 'not released'}{how}{good}")


def why(context: typer.Context, output: Output = Form.TEXT) -> None:
    """Say why the device does not change or is not well: which rule, since when, until when, what lifts it."""
    session: Session = context.obj
    parts = session.parts()
    reasons = command.reasons(parts)
    if output is Form.JSON:
        show_json([reason.to_json() for reason in reasons])
        return
    for reason in reasons:
        say(render.clean(str(reason)))
    if not reasons:
        say("nothing holds it back" if _was_applied(parts) else NOTHING_YET)


def diff(context: typer.Context, output: Output = Form.TEXT) -> None:
    """Show drift: what is observed against what was applied.

    Exit status: 0 none, 2 drift.
    """
    session: Session = context.obj
    parts = session.parts()
    found, texts = drifts(parts)
    if output is Form.JSON:
        show_json([render.drift_to_json(drift, texts.get(drift.resource)) for drift in found])
    else:
        for drift in found:
            for line in render.drift_to_text(drift, texts.get(drift.resource)):
                say(line, **signed(line))
        if not found:
            say("no drift" if _was_applied(parts) else NOTHING_YET)
    raise typer.Exit(DRIFT if found else 0)


def history(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    output: Output = Form.TEXT,
) -> None:
    """List generations: commit, author, plan, result, duration. The one in force is marked with `*`."""
    session: Session = context.obj
    generations = session.parts().store.generations
    records, applied = generations.all()[:limit], generations.applied()
    in_force = applied.generation if applied else None
    if output is Form.JSON:
        show_json([{**record_to_json(record), "inForce": record.generation == in_force} for record in records])
        return
    head = ("GENERATION", "COMMIT", "RESULT", "STARTED", "TOOK", "AUTHOR", "SUBJECT")
    table(head, (_row(record, in_force) for record in records))


def _was_applied(parts: Parts) -> bool:
    return parts.store.generations.applied() is not None


def _row(record: Record, in_force: Generation | None) -> tuple[str, ...]:
    span = duration_of(record)
    took = f"{span.total_seconds():.0f} s" if span is not None else "-"
    started = rfc3339(record.started)
    author = record.author.partition(" <")[0]
    number = f"{record.generation} *" if record.generation == in_force else str(record.generation)
    return (number, record.commit.short, record.result, started, took, author, record.subject[:60])
