"""The command: global options, and the one place where an error becomes a line and an exit status.

Exit statuses are those of the contract; 1 is also a mistake on the command line, since 2 says "changes" and "drift".
"""

import os
import sys
import traceback
from typing import Annotated

import typer
from typer.exceptions import TyperException

from reconciler import __version__
from reconciler.cli import device, documents, quarantine
from reconciler.cli.output import note, show_failure
from reconciler.cli.session import Session
from reconciler.core.errors import Failure

INTERRUPTED = 130

app = typer.Typer(
    name="reconciler",
    help="Make this device what a git repo says, and keep it so.",
    epilog="Exit statuses: 0 well · 1 failed, rejected or misused · 2 changes or drift · 3 held back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:  # noqa: FBT001  # typer calls it so
    if asked:
        typer.echo(f"reconciler {__version__}")
        raise typer.Exit


@app.callback()
def globals_(
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Its configuration, by default /etc/reconciler/agent.yaml."),
    ] = None,
    root: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="A sandbox: every host path is taken under DIR, owner and group are left alone, no root is needed.",
        ),
    ] = None,
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    """RECONCILER_DEVICE, RECONCILER_REPO__URL and RECONCILER_REPO__REF override the configuration file."""
    del version
    context.obj = Session(config, root, is_debug=debug)
    context.call_on_close(context.obj.close)


documents.add_to(app)
device.add_to(app)
quarantine.add_to(app)


def main() -> None:
    """Never returns."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit status of a command line."""
    is_debug = "--debug" in arguments
    try:
        status = app(args=arguments, prog_name="reconciler", standalone_mode=False)
    except TyperException as misuse:
        return _misused(misuse)
    except (typer.Abort, KeyboardInterrupt):
        note("interrupted: nothing is lost, the next sync goes on from here")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Failure as failure:
        if is_debug:
            traceback.print_exc()
        show_failure(failure)
        return 1
    except Exception as fault:  # noqa: BLE001  # the last resort: a fault of ours is said in one line, too
        if is_debug:
            traceback.print_exc()
        note(f"error: reconciler itself failed: {type(fault).__name__}: {fault}")
        note("hint: run it again with --debug, and report what it prints")
        return 1
    return status if isinstance(status, int) else 0


def _misused(misuse: TyperException) -> int:
    said = misuse.format_message() if hasattr(misuse, "format_message") else str(misuse)
    if said.startswith("Usage:"):  # a group without its command: the help is the answer
        note(said)
        return 1
    note(f"error: {said}")
    context = getattr(misuse, "ctx", None)
    note(f"hint: `{context.command_path if context else 'reconciler'} --help`")
    return 1
