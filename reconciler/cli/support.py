"""`reconciler support-bundle`: what a person needs to help, in one file."""

import os
from typing import Annotated

import typer

from reconciler.cli.output import note, say
from reconciler.cli.session import Session
from reconciler.core.render import clean


def add_to(app: typer.Typer) -> None:
    app.command("support-bundle")(support_bundle)


def support_bundle(
    context: typer.Context,
    to: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="By default reconciler-DEVICE-TIME.tar.gz; a folder gets one of that name."),
    ] = None,
) -> None:
    """Gather what a person needs to help in one .tar.gz, that only its owner can read. No secrets, no contents.

    In it are: the status and the reasons of `why`; what `doctor` finds; the history of generations, the journal of
    the last plan, the last events, inventory, holds, quarantine and drift, as names of resources and fields, without
    their values; the agent's configuration, of variables of the environment only the names; versions of reconciler,
    Python and its packages, git, the kernel and the distribution; disks and memory. README.txt says what each part is.

    Whatever looks like a secret is taken out: passwords, tokens and keys in `name=value` and `name: value`, names in
    URLs, PEM blocks, age keys. Names of hosts, files, people and commits stay, so look through it before you hand
    it on: `tar -xzf FILE`. The agent's log is not in it: add `journalctl -u reconciler` if it may help.

    What cannot be had, as from a damaged database, is replaced by the reason why, and said. Nothing is overwritten,
    and nothing half-written is left. Nothing on the device is changed.

    Exit status: 0 written, also where parts are missing; 1 not.
    """
    from reconciler.agent.bundle import gather  # noqa: PLC0415  # it knows everything, and is seldom asked
    from reconciler.agent.doctor.installation import installation  # noqa: PLC0415

    session: Session = context.obj
    with installation(session.config, session.host(), os.environ) as examined:
        written = gather(examined, to, lambda part: note(f"  {part}"))
    for part, reason in written.missing.items():
        note(clean(f"without {part}: {reason}"))
    say(f"written: {written.path}")
