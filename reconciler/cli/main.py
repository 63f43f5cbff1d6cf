"""The command: global options, and the one place where an error becomes a line and an exit status.

Exit statuses are those of the contract; 1 is also a mistake on the command line, since 2 says "changes" and "drift".
"""

import errno
import os
import sys
import traceback
from typing import Annotated

import typer
from typer.exceptions import TyperException

from reconciler import __version__
from reconciler.cli import device, doctor, documents, health, look, quarantine, sandbox, support
from reconciler.cli.output import give_up, note, occupy, show_failure
from reconciler.cli.session import Session
from reconciler.core.errors import Denied, Failure

INTERRUPTED = 130

_NO_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Without the name of a file, these are of a stream: what we write to files ourselves, the rims answer for."""

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
look.add_to(app)
quarantine.add_to(app)
doctor.add_to(app)
health.add_to(app)
support.add_to(app)
sandbox.add_to(app)


def main() -> None:
    """Never returns."""
    occupy()
    status = run(sys.argv[1:])
    give_up()
    sys.exit(status)


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
        return 1
    except Exception as fault:  # noqa: BLE001  # the last resort: a fault of ours is said in one line, too
        if is_debug:
            traceback.print_exc()
        _failed(fault, arguments)
        return 1
    return status if isinstance(status, int) else 0


def _failed(fault: Exception, arguments: list[str]) -> None:
    if isinstance(fault, Failure):
        fault.hint = _power(arguments) if _wants_power(fault) else fault.hint
        show_failure(fault)
    elif isinstance(fault, OSError) and fault.errno in _NO_MORE and fault.filename is None:
        note(f"error: cannot write the result: {fault.strerror}")
    else:
        note(f"error: reconciler itself failed: {type(fault).__name__}: {fault}")
        note("hint: run it again with --debug, and report what it prints")


def _wants_power(failure: Failure) -> bool:
    """Whether nothing is known but that somebody else may do it."""
    is_denied = isinstance(failure, Denied) or isinstance(failure.__cause__, PermissionError)
    is_unknown = failure.hint is None or failure.hint.startswith("run this as")
    return is_denied and is_unknown and os.geteuid() != 0


def _power(arguments: list[str]) -> str:
    if any(argument.startswith("--root") for argument in arguments):
        return "run this as the owner of the sandbox"
    return "run this with `sudo`, or with `--root DIR` in a sandbox of your own"


def _misused(misuse: TyperException) -> int:
    said = misuse.format_message() if hasattr(misuse, "format_message") else str(misuse)
    if said.startswith("Usage:"):  # a group without its command: the help is the answer
        note(said)
        return 1
    note(f"error: {said}")
    context = getattr(misuse, "ctx", None)
    note(f"hint: `{context.command_path if context else 'reconciler'} --help`")
    return 1
