"""Commands on a device: plan, sync, status, diff, history, rollback, resume."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from reconciler.agent import command
from reconciler.agent import publish as published
from reconciler.agent.preview import drifts, preview
from reconciler.cli.output import Form, Output, note, quiet, say, show_error, show_json, table
from reconciler.cli.session import Session
from reconciler.core import render
from reconciler.core.errors import BadSettings
from reconciler.core.identity import Revision
from reconciler.core.pace import Hold, rfc3339
from reconciler.core.plan import Action
from reconciler.core.quantity import parse_duration
from reconciler.store.generations import Record

CHANGES = 2
HELD = 3


def add_to(app: typer.Typer) -> None:
    app.command()(plan)
    app.command()(sync)
    app.command()(run)
    app.command()(status)
    app.command()(why)
    app.command()(diff)
    app.command()(history)
    app.command()(rollback)
    app.command()(suspend)
    app.command()(resume)


def plan(
    context: typer.Context,
    ref: Annotated[str | None, typer.Option(metavar="R", help="A branch or commit, not the followed ref.")] = None,
    output: Output = Form.TEXT,
) -> None:
    """Show what would change on this device now, in order, with diffs, risk and digest. Nothing is touched.

    Exit status: 0 no change, 2 changes, 1 error.
    """
    session: Session = context.obj
    revision = _revision(ref)
    seen = preview(session.parts(None if revision else ref), revision)
    if output is Form.JSON:
        show_json(render.plan_to_json(seen.plan, seen.followed.head.commit, seen.diffs))
    else:
        say(f"{seen.plan.device} at {seen.followed.head.commit.short}: {render.clean(seen.followed.subject)}")
        for line in render.plan_to_text(seen.plan, seen.diffs):
            say(line, **_style(line))
        _say_holds(seen.holds)
    raise typer.Exit(1 if seen.plan.blocked else 0 if seen.plan.is_empty else CHANGES)


def sync(context: typer.Context, output: Output = Form.TEXT) -> None:
    """Run one whole cycle now: fetch, prove, plan, converge, look again.

    Exit status: 0 converged, 3 held back, 1 failed or rejected; a new generation that failed is taken back.
    """
    session: Session = context.obj
    _conclude(command.do(session.parts(), "sync", {}, _teller(output)), output)


def run(context: typer.Context) -> None:
    """Run the agent: follow the repo, watch for drift, keep the device as it should be, until a signal ends it."""
    session: Session = context.obj
    session.become_agent()


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
    for condition in document["conditions"]:
        say(f"  {condition['type']:<10} {condition['status']:<8} {render.clean(condition['message'])}")
    for hold in document["holds"]:
        say(f"  held       {hold['kind']}: {render.clean(hold['reason'])} (since {hold['since']})")
    for entry in document["quarantine"]:
        say(f"  quarantine {entry['specDigest'][:19]}: {render.clean(entry['reason'])}")


def why(context: typer.Context, output: Output = Form.TEXT) -> None:
    """Say why the device does not change or is not well: which rule, since when, until when, what lifts it."""
    session: Session = context.obj
    reasons = command.reasons(session.parts())
    if output is Form.JSON:
        show_json([reason.to_json() for reason in reasons])
        return
    for reason in reasons:
        say(render.clean(str(reason)))
    if not reasons:
        say("nothing holds it back")


def diff(context: typer.Context, output: Output = Form.TEXT) -> None:
    """Show drift: what is observed against what was applied.

    Exit status: 0 none, 2 drift.
    """
    session: Session = context.obj
    found, texts = drifts(session.parts())
    if output is Form.JSON:
        show_json([render.drift_to_json(drift, texts.get(drift.resource)) for drift in found])
    else:
        for drift in found:
            for line in render.drift_to_text(drift, texts.get(drift.resource)):
                say(line, **_style(line))
        if not found:
            say("no drift")
    raise typer.Exit(CHANGES if found else 0)


def history(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    output: Output = Form.TEXT,
) -> None:
    """List generations: commit, author, plan, result, duration."""
    session: Session = context.obj
    records = session.parts().store.generations.all()[:limit]
    if output is Form.JSON:
        show_json([_record_to_json(record) for record in records])
        return
    head = ("GENERATION", "COMMIT", "RESULT", "STARTED", "TOOK", "AUTHOR", "SUBJECT")
    table(head, (_row(record) for record in records))


def rollback(
    context: typer.Context,
    generation: Annotated[int | None, typer.Argument(min=1, help="By default the good one before.")] = None,
    output: Output = Form.TEXT,
) -> None:
    """Go back to an earlier generation, and hold there until `resume`.

    Exit status: as sync; 3 says that the device is there and holds.
    """
    session: Session = context.obj
    _conclude(command.do(session.parts(), "rollback", {"generation": generation}, _teller(output)), output)


def suspend(
    context: typer.Context,
    duration: Annotated[str | None, typer.Option("--for", metavar="2h", help="Until `resume` without it.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Shown in status and why.")] = "suspended by an operator",
) -> None:
    """Change nothing until it is resumed; drift is still reported."""
    session: Session = context.obj
    limit = _duration(duration)
    arguments = {"reason": reason, "seconds": limit.total_seconds() if limit is not None else None}
    hold = command.do(session.parts(), "suspend", arguments, quiet)
    say(f"suspended until {hold['until'] or '`reconciler resume`'}")


def resume(context: typer.Context) -> None:
    """Lift what `suspend` and `rollback` hold; the next sync follows the repo again."""
    session: Session = context.obj
    lifted = command.do(session.parts(), "resume", {}, quiet)["lifted"]
    for hold in lifted:
        say(f"lifted: {render.clean(hold['reason'])}")
    say("the next sync follows the repo" if lifted else "nothing was held")


def _teller(output: Form) -> command.Tell:
    """Lines on the way: to stderr, so that stdout is the result alone."""
    return quiet if output is Form.JSON else _tell


def _tell(step: dict[str, Any]) -> None:
    word = {"undone": "taken back"}.get(step["mark"], step["mark"])
    note(f"  {render.SIGN[Action(step['action'])]} {render.clean(step['resource'])} {step['action']}: {word}")


def _conclude(done: dict[str, Any], output: Form) -> None:
    status, error = done["status"], done["error"]
    if output is Form.JSON:
        show_json(done)
    else:
        generation, resources = status["applied"]["generation"], status["resources"]
        where = f"generation {generation}" if generation else "nothing applied"
        counted = f"{resources['converged']} of {resources['total']} resources converged"
        say(f"{done['result']}: {where}, {counted}", bold=True)
        for hold in status["holds"]:
            until = f" until {hold['until']}" if hold["until"] else ""
            say(f"held{until}: {render.clean(hold['reason'])}; {hold['lift']}", fg="yellow")
    if error:
        show_error(error["message"], error["where"], error["hint"], error["problems"])
    raise typer.Exit({"converged": 0, "held": HELD}.get(done["result"], 1))


def _say_holds(holds: tuple[Hold, ...]) -> None:
    for hold in holds:
        until = f" until {rfc3339(hold.until)}" if hold.until else ""
        say(f"held{until}: {render.clean(hold.reason)}; {hold.lift}", fg="yellow")


def _duration(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise BadSettings(f"cannot suspend for {text!r}: {error}") from error
    if not duration:
        raise BadSettings("cannot suspend for no time at all", hint="`reconciler resume` ends a suspension")
    return duration


def _revision(ref: str | None) -> Revision | None:
    if ref is None or len(ref) not in (40, 64):
        return None
    try:
        return Revision(ref)
    except ValueError as error:
        raise BadSettings(f"cannot plan this: {error}") from error


def _style(line: str) -> dict[str, Any]:
    match line.lstrip()[:1]:
        case "+":
            return {"fg": "green"}
        case "-" | "×":
            return {"fg": "red"}
        case "~" | "!":
            return {"fg": "yellow"}
    return {}


def _row(record: Record) -> tuple[str, ...]:
    took = f"{(record.ended - record.started).total_seconds():.0f} s" if record.ended else "-"
    started = rfc3339(record.started)
    author = record.author.partition(" <")[0]
    return (str(record.generation), record.commit.short, record.result, started, took, author, record.subject[:60])


def _record_to_json(record: Record) -> dict[str, Any]:
    return {
        "generation": record.generation.number,
        "commit": str(record.commit),
        "author": record.author,
        "signer": None,
        "subject": record.subject,
        "plan": str(record.plan),
        "specDigest": str(record.digest),
        "result": record.result,
        "reason": record.reason,
        "started": rfc3339(record.started),
        "ended": rfc3339(record.ended) if record.ended else None,
        "durationSeconds": (record.ended - record.started).total_seconds() if record.ended else None,
    }
