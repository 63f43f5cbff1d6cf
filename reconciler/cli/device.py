"""Commands that change a device, and the one that says what they would change."""

import re
from datetime import timedelta
from typing import Annotated, Any

import typer

from reconciler.agent import command
from reconciler.agent.preview import Preview, preview
from reconciler.cli.output import Form, Output, note, quiet, say, show_error, show_json, signed
from reconciler.cli.session import Session
from reconciler.core import render
from reconciler.core.errors import BadSettings, SourceUnreachable
from reconciler.core.identity import Revision
from reconciler.core.pace import Hold, HoldKind, rfc3339
from reconciler.core.quantity import parse_duration
from reconciler.core.step import Action

CHANGES = 2
HELD = 3
SHORT_ID = re.compile(r"[0-9a-f]{7,63}")


def add_to(app: typer.Typer) -> None:
    app.command()(plan)
    app.command()(sync)
    app.command()(run)
    app.command()(rollback)
    app.command()(suspend)
    app.command()(resume)


def plan(
    context: typer.Context,
    ref: Annotated[
        str | None, typer.Option(metavar="R", help="A branch or a whole commit id, not the followed ref.")
    ] = None,
    output: Output = Form.TEXT,
) -> None:
    """Show what would change on this device now, in order, with diffs, risk and digest. Nothing is touched.

    Exit status: 0 no change, 2 changes, 1 error.
    """
    session: Session = context.obj
    revision = _revision(ref)
    seen = _previewed(session, ref, revision)
    if output is Form.JSON:
        show_json(render.plan_to_json(seen.plan, seen.followed.head.commit, seen.diffs))
    else:
        say(f"{seen.plan.device} at {seen.followed.head.commit.short}: {render.clean(seen.followed.subject)}")
        for line in render.plan_to_text(seen.plan, seen.diffs):
            say(line, **signed(line))
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
    app: Annotated[str | None, typer.Option(metavar="NAME", help="One app, not the whole device.")] = None,
    duration: Annotated[str | None, typer.Option("--for", metavar="2h", help="Until `resume` without it.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Shown in status and why.")] = "suspended by an operator",
) -> None:
    """Change nothing until it is resumed, of the device or of one app; drift is still reported.

    What the repo asks for waits where it would change the app; the rest goes on.
    """
    session: Session = context.obj
    limit = _duration(duration)
    arguments = {"app": app, "reason": reason, "seconds": limit.total_seconds() if limit is not None else None}
    hold = command.do(session.parts(), "suspend", arguments, quiet)
    say(f"suspended until {hold['until'] or '`reconciler resume`'}")


def resume(
    context: typer.Context,
    app: Annotated[str | None, typer.Option(metavar="NAME", help="Only what holds this app.")] = None,
) -> None:
    """Lift what `suspend` and `rollback` hold; the next sync follows the repo again."""
    session: Session = context.obj
    lifted = command.do(session.parts(), "resume", {"app": app}, quiet)["lifted"]
    for hold in lifted:
        say(f"lifted: {render.clean(hold['reason'])}")
    say("the next sync follows the repo" if lifted else "nothing was held")


def _teller(output: Form) -> command.Tell:
    """Lines on the way: to stderr, so that stdout is the result alone."""
    return quiet if output is Form.JSON else _tell


def _tell(step: dict[str, Any]) -> None:
    if "trial" in step:
        note(f"  {render.clean(step['trial'])}")
        return
    word = {"undone": "taken back"}.get(step["mark"], step["mark"])
    note(f"  {render.SIGN[Action(step['action'])]} {render.clean(step['resource'])} {step['action']}: {word}")


def _conclude(done: dict[str, Any], output: Form) -> None:
    status, error = done["status"], done["error"]
    if output is Form.JSON:
        show_json(done)
    else:
        generation = status["applied"]["generation"]
        where = f"generation {generation}" if generation else "nothing applied"
        say(f"{done['result']}: {where}, {_counted(done)}", bold=True)
        for hold in status["holds"]:
            until = f" until {hold['until']}" if hold["until"] else ""
            say(f"held{until}: {render.clean(hold['reason'])}; {hold['lift']}", fg="yellow")
    if error:
        show_error(error["message"], error["where"], error["hint"], error["problems"])
    raise typer.Exit({"converged": 0, "held": HELD}.get(done["result"], 1))


def _counted(done: dict[str, Any]) -> str:
    """A device that is only observed may be far from what is asked for, and nothing is amiss."""
    resources, count = done["status"]["resources"], len(done["changes"])
    if any(hold["kind"] == HoldKind.OBSERVE for hold in done["status"]["holds"]):
        return f"{count} change{'' if count == 1 else 's'} would be made" if count else "nothing would change"
    return f"{resources['converged']} of {resources['total']} resources converged"


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


def _previewed(session: Session, ref: str | None, revision: Revision | None) -> Preview:
    try:
        return preview(session.parts(None if revision else ref), revision)
    except SourceUnreachable as failure:
        if ref and SHORT_ID.fullmatch(ref):
            whole = f"if {ref} is a commit, give its whole id: `git rev-parse {ref}` in the repo"
            failure.hint = f"{failure.hint}; {whole}" if failure.hint else whole
        raise
