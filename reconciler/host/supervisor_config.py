"""What a unit says, as supervisord can run it: a launch script for each unit, and a section that names the script.

The script holds all that a shell quotes safely and supervisord's own format does not: any variable, any word. Before it
becomes the service it writes down which process that is and with which stamp: a program may write over its environment.
"""

import errno
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.core.errors import Rejected
from reconciler.core.senses import STAMP
from reconciler.host.below import Below
from reconciler.host.refusal import refusal
from reconciler.host.unit_file import Command, Service, Source, read, read_variables
from reconciler.host.unit_words import put_in

MARK, UNIT = "RECONCILER_SUPERVISED", "RECONCILER_UNIT"
"""Variables of every process that we start: in which sandbox, and of which unit."""

REMAINS = "; it counts as running after it ended well\n"
"""A comment in a section, since that is no business of supervisord's."""

SOCKET = "supervisor.sock"
MAIN_LOG = "supervisord.log"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
"""Where unit files are, the first one hides the others (systemd.unit(5))."""

_HEAD = f"""\
[unix_http_server]
file=/proc/self/cwd/{SOCKET}
chmod=0600
[supervisord]
logfile={MAIN_LOG}
logfile_maxbytes=1MB
logfile_backups=1
pidfile=supervisord.pid
childlogdir=log
nocleanup=true
minfds=256
minprocs=1
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
_OURS = "unset TMPDIR SUPERVISOR_ENABLED SUPERVISOR_SERVER_URL SUPERVISOR_PROCESS_NAME SUPERVISOR_GROUP_NAME"


@dataclass(frozen=True, slots=True)
class Program:
    """A unit for supervisord."""

    script: str
    section: str


def whole(sections: Iterable[str]) -> str:
    """Of supervisord.conf; all paths in it are those of its own folder, which may be called anything."""
    return "".join((_HEAD, *sections))


def program_name(unit: str) -> str:
    """supervisord has another meaning for a colon, and a unit is never called with an equals sign."""
    return unit.replace(":", "=")


def unit_files(name: str, below: Below) -> list[tuple[str, str]]:
    """The unit file, or that of its template, and all drop-ins in the order of their names; none of a unit unknown."""
    for stem in _stems(name):
        for folder in FOLDERS:
            path = f"{folder}/{stem}"
            if os.path.isfile(below.certain(path)):
                return [(path, _text(path, below)), *_dropins(name, below)]
    return []


def program_of(name: str, root: str, *, enabled: bool) -> Program:
    """Raises Rejected where the unit cannot be run, and other Failures where its files cannot be read."""
    below = Below(root)
    files = unit_files(name, below)
    if not files:
        raise Rejected(
            f"cannot run {name}: there is no such unit in the sandbox", hint="give it a `content` or `source`"
        )
    service = read(name, files)
    try:
        script = _script(name, service, below)
    except ValueError as error:
        raise Rejected(f"cannot run {name}: {error}", where=files[0][0]) from error
    return Program(script, _section(name, service, enabled=enabled))


def _script(name: str, service: Service, below: Below) -> str:
    variables = {key: below.path(value) for key, value in service.environment}
    for source in service.environment_files:
        variables |= _from_file(source, below)
    *before, main = (*service.before, *service.main)
    expanded = {"PATH": PATH, **variables}
    said = [
        f"printf '%s\\n' {_quoted(variables.get(STAMP, ''))} \"$(cat /proc/$$/stat)\" >{_quoted(f'run/{name}')}",
        _OURS,
        f"export {UNIT}={_quoted(name)}",
        *(f"export {key}={_quoted(value)}" for key, value in variables.items()),
        _enter(service.directory, below),
        *(_first(command, expanded, below) for command in before),
        f"exec {_line(main, expanded, below)} </dev/null",
    ]
    return "".join(f"{line}\n" for line in said)


def _first(command: Command, variables: Mapping[str, str], below: Below) -> str:
    otherwise = "true" if command.may_fail else "exit"
    return f"{_line(command, variables, below)} </dev/null || {otherwise}"


def _enter(folder: Source, below: Below) -> str:
    otherwise = "cd /" if folder.optional else "exit 200"  # EXIT_CHDIR (systemd.exec(5))
    return f"cd -- {_quoted(below.path(folder.path))} || {otherwise}"


def _line(command: Command, variables: Mapping[str, str], below: Below) -> str:
    words = put_in(command.words, variables) if command.has_variables else list(command.words)
    program, *rest = words
    return " ".join(_quoted(word) for word in (below.program(program), *(below.word(word) for word in rest)))


def _quoted(text: str) -> str:
    if "\0" in text:
        raise ValueError("a word holds no zero byte")
    return shlex.quote(text)


def _from_file(source: Source, below: Below) -> dict[str, str]:
    place = below.path(source.path)
    try:
        with open(place, encoding="utf-8", errors="surrogateescape") as file:
            return {key: below.path(value) for key, value in read_variables(file.read()).items()}
    except OSError as error:
        if source.optional and error.errno in (errno.ENOENT, errno.ENOTDIR):
            return {}
        raise refusal("read", source.path, error) from error


def _section(name: str, service: Service, *, enabled: bool) -> str:
    """What never restarts is started once, whatever comes of it; others are given up after three quick deaths more."""
    again = {"no": "false", "always": "true", "on-success": "true"}.get(service.restart, "unexpected")
    once = service.restart == "no" or service.type == "oneshot"
    settings = {
        "command": f"/bin/sh {_quoted(f'launch/{name}')}",
        "autostart": str(enabled).lower(),
        "autorestart": "false" if once else again,
        "startsecs": "0" if once else "1",
        "startretries": "0" if once else "3",
        "exitcodes": "0",
        "stopsignal": service.stop_signal,
        "stopwaitsecs": str(max(1, round(service.stop_seconds))),
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": f"log/{name}",
        "stdout_logfile_maxbytes": "1MB",
        "stdout_logfile_backups": "1",
    }
    said = "".join(f"{key}={value}\n" for key, value in settings.items())
    return f"[program:{program_name(name)}]\n{said}{REMAINS if service.remains else ''}"


def _stems(name: str) -> list[str]:
    """An instance has its template's file where it has none of its own."""
    prefix, at, rest = name.partition("@")
    return [name, f"{prefix}@.{rest.rpartition('.')[2]}"] if at else [name]


def _dropins(name: str, below: Below) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for stem in reversed(_stems(name)):
        for folder in reversed(FOLDERS):
            path = f"{folder}/{stem}.d"
            found |= {entry: f"{path}/{entry}" for entry in _conf_files(below.certain(path))}
    return [(path, _text(path, below)) for _, path in sorted(found.items())]


def _conf_files(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(".conf") and not name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _text(path: str, below: Below) -> str:
    try:
        with open(below.certain(path), encoding="utf-8", newline="\n") as file:
            return file.read()
    except OSError as error:
        raise refusal("read", path, error) from error
    except UnicodeDecodeError as error:
        raise Rejected("cannot read a unit: it is no text in UTF-8", where=path) from error
