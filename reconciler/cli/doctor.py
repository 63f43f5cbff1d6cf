"""`reconciler doctor`: the installation, and how to mend it."""

import os

import typer

from reconciler.agent.doctor.finding import Finding, Level
from reconciler.cli.output import Form, Output, say, show_json
from reconciler.cli.session import Session
from reconciler.core.render import clean

_COLOUR = {"ok": "green", "warning": "yellow", "fault": "red"}


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(context: typer.Context, output: Output = Form.TEXT) -> None:
    """Check the installation, and say how to mend each fault. Nothing is changed; it works where nothing else does.

    Looked at are Python, git and memory; the configuration and the clock; owners, modes and free space of our own
    folders and files; the state database, the journal of the last plan and the contents of the generation in force;
    holds and quarantine, as information; the running agent, its socket and its status; and whether the repo answers,
    which may take a minute where it does not. With --root, what does not apply to a sandbox is left out.

    Each line is `ok`, `warning` (it may become a fault, or costs something) or `fault` (it keeps the device from doing
    its work), what was looked at, and what was seen; below it, what to do. A check that crashes is a fault of
    reconciler itself, and the others are made all the same.

    As root on a device, else much cannot be seen: `sudo reconciler doctor`. For scripts, `-o json` gives
    {"result": "ok|warning|fault", "findings": [{"name", "level", "seen", "mend"}]}. Why a
    device that is installed well does not change is told by `reconciler why`; what a person needs to help is gathered
    by `reconciler support-bundle`.

    Exit status: 0 no fault, 1 any fault.
    """
    from reconciler.agent.doctor.examine import examine  # noqa: PLC0415  # only who is ill needs it
    from reconciler.agent.doctor.installation import installation  # noqa: PLC0415

    session: Session = context.obj
    found: list[Finding] = []
    with installation(session.config, session.host(), os.environ) as examined:
        for finding in examine(examined):
            found.append(finding)
            if output is Form.TEXT:
                _say(finding)
    faults, warnings = (sum(f.level is level for f in found) for level in (Level.FAULT, Level.WARNING))
    if output is Form.JSON:
        result = "fault" if faults else "warning" if warnings else "ok"
        show_json({"result": result, "findings": [finding.to_json() for finding in found]})
    else:
        say(f"{_count(faults, 'fault')}, {_count(warnings, 'warning')}", bold=True)
    raise typer.Exit(1 if faults else 0)


def _say(finding: Finding) -> None:
    say(f"{finding.level:<8} {finding.name:<10} {clean(finding.seen)}", fg=_COLOUR[finding.level])
    if finding.mend:
        say(f"{'':<19} hint: {clean(finding.mend)}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
