"""A unit file is read as systemd reads it, as far as a service can be run without it.

What only systemd does (users, limits, name spaces, watchdogs, dependencies) is passed over. What cannot be read is an
error that names file and line: a line that systemd would pass over with a warning is one that nobody meant.
Sources: systemd.syntax(7), systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5), systemd.time(7).
"""

import re
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from reconciler.core.errors import Rejected
from reconciler.host.unit_words import expand_specifiers, split

STOP_SECONDS, STOP_SECONDS_MAX = 10.0, 90.0
"""How long one has to stop where nothing is said, and at most: an effect has a deadline."""

RESTARTS = ("no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always")

_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)")
_SECONDS = {
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("ms", "msec"), 0.001),
    **dict.fromkeys(("us", "usec"), 0.000001),
}
_TRUTH = {**dict.fromkeys(("1", "yes", "true", "on"), True), **dict.fromkeys(("0", "no", "false", "off"), False)}
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_IN_FILE = re.compile(
    r"""^[ \t]*([A-Za-z_]\w*)[ \t]*=[ \t]*((?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^"'\\\n])*)""", re.MULTILINE | re.DOTALL
)
_PIECE = re.compile(r"""\\\n|"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)|([^"'\\]+)""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """`key = value` in a section; `place` is FILE:LINE."""

    place: str
    section: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Command:
    """Words before variables are put in. `may_fail`: its exit status does not count."""

    words: tuple[str, ...]
    may_fail: bool = False
    has_variables: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """A file of variables, or a folder; one that is `optional` may be missing."""

    path: str
    optional: bool


@dataclass(frozen=True, slots=True)
class Service:
    """`before` run one after the other, then `main`. Times are in seconds."""

    before: tuple[Command, ...] = ()
    main: tuple[Command, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    environment_files: tuple[Source, ...] = ()
    directory: Source = Source("/", optional=False)
    type: str = "simple"
    restart: str = "no"
    remains: bool = False
    stop_seconds: float = STOP_SECONDS
    stop_signal: str = "TERM"


def lines(file: str, text: str) -> Iterator[Line]:
    """Raises Rejected. A comment or an empty line in the middle of a continued one is passed over."""
    section, begun, first = "", "", 0
    for number, raw in enumerate(text.split("\n"), start=1):
        if raw.strip()[:1] in ("", "#", ";"):
            continue
        first = first if begun else number
        begun += raw
        if _goes_on(begun):
            begun = f"{begun[:-1]} "
            continue
        said, begun, place = begun.strip(), "", f"{file}:{first}"
        if said.startswith("["):
            section = _section(said, place)
        else:
            yield _line(said, section, place)
    if begun:
        yield _line(begun.strip(), section, f"{file}:{first}")


def read(name: str, files: Iterable[tuple[str, str]]) -> Service:
    """What the service `name` is by its unit file and drop-ins, each a name and a text. Raises Rejected."""
    service = Service()
    for file, text in files:
        for line in lines(file, text):
            reader = _READERS.get(line.key) if line.section == "Service" else None
            try:
                service = reader(service, line.value, name) if reader else service
            except ValueError as error:
                raise Rejected(f"cannot read {line.key}= of {name}: {error}", where=line.place) from error
    if not service.main:
        raise Rejected(f"cannot run {name}: it has no ExecStart=")
    if len(service.main) > 1 and service.type != "oneshot":
        raise Rejected(f"cannot run {name}: only a service of Type=oneshot has more than one ExecStart=")
    return service


def read_variables(text: str) -> dict[str, str]:
    """Of a file as EnvironmentFile= names it. What is no assignment is passed over."""
    return {match[1]: "".join(_unquoted(match[2].rstrip(" \t"))) for match in _IN_FILE.finditer(text)}


def _unquoted(value: str) -> Iterator[str]:
    for piece in _PIECE.finditer(value):
        double, single, escaped, bare = piece.groups()
        if double is not None:
            yield re.sub(r"\\(\n|[\"\\`$])", lambda match: match[1].strip("\n"), double)
        else:
            yield single or escaped or bare or ""


def _goes_on(line: str) -> bool:
    """An odd number of backslashes ends it."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _section(said: str, place: str) -> str:
    if not said.endswith("]"):
        raise Rejected("cannot read a unit: a section's name is never closed", where=place)
    return said[1:-1]


def _line(said: str, section: str, place: str) -> Line:
    key, equals, value = said.partition("=")
    if not equals or not section:
        what = "stands in no section" if equals else "is no key=value"
        raise Rejected(f"cannot read a unit: {said[:60]!r} {what}", where=place)
    return Line(place, section, key.strip(), value.strip())


def _commands(value: str, name: str) -> Iterator[Command]:
    """A `;` that stands alone parts them."""
    words: list[str] = []
    for raw, word in split(value):
        if raw == ";":
            yield _command(words, name)
            words = []
        else:
            words.append(";" if raw == "\\;" else expand_specifiers(word, name))
    if words:
        yield _command(words, name)


def _command(words: list[str], name: str) -> Command:
    if not words:
        raise ValueError("a command is empty")
    program = words[0].lstrip("-@:+!|")
    marks = words[0][: len(words[0]) - len(program)]
    rest = words[2:] if "@" in marks else words[1:]  # its argv[0] is what it is called anyway
    if not program:
        raise ValueError(f"a command of {name} names no program")
    return Command((program, *rest), "-" in marks, ":" not in marks)


def _assignments(value: str, name: str) -> Iterator[tuple[str, str]]:
    for _, word in split(value):
        match = _ASSIGNMENT.fullmatch(expand_specifiers(word, name))
        if match is None:
            raise ValueError(f"{word[:40]!r} is no KEY=value")
        yield match[1], match[2]


def _environment(service: Service, value: str, name: str) -> Service:
    """The last one of a name holds."""
    said = {**dict(service.environment), **dict(_assignments(value, name))} if value else {}
    return replace(service, environment=tuple(said.items()))


def _environment_file(service: Service, value: str, name: str) -> Service:
    files = (*service.environment_files, _source(value, name)) if value else ()
    return replace(service, environment_files=files)


def _directory(service: Service, value: str, name: str) -> Service:
    return replace(service, directory=_source(value, name) if value else Source("/", optional=False))


def _source(value: str, name: str) -> Source:
    path = expand_specifiers(value.removeprefix("-"), name)
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is not an absolute path")
    return Source(path, value.startswith("-"))


def _main(service: Service, value: str, name: str) -> Service:
    return replace(service, main=(*service.main, *_commands(value, name)) if value else ())


def _before(service: Service, value: str, name: str) -> Service:
    return replace(service, before=(*service.before, *_commands(value, name)) if value else ())


def _restart(service: Service, value: str, _name: str) -> Service:
    if value not in RESTARTS:
        raise ValueError(f"{value!r} is none of {', '.join(RESTARTS)}")
    return replace(service, restart=value)


def _stop_seconds(service: Service, value: str, _name: str) -> Service:
    return replace(service, stop_seconds=min(_span(value), STOP_SECONDS_MAX))


def _stop_signal(service: Service, value: str, _name: str) -> Service:
    known = {one.name for one in signal.Signals} | {str(one.value) for one in signal.Signals}
    if value not in known:
        raise ValueError(f"there is no signal {value!r}")
    return replace(service, stop_signal=value.removeprefix("SIG"))


def _remains(service: Service, value: str, _name: str) -> Service:
    if value.lower() not in _TRUTH:
        raise ValueError(f"{value!r} is neither yes nor no")
    return replace(service, remains=_TRUTH[value.lower()])


def _span(text: str) -> float:
    """Seconds; without end is as long as can be."""
    if text == "infinity":
        return STOP_SECONDS_MAX
    spans = list(_SPAN.finditer(text))
    if "".join(span[0] for span in spans) != text or not text or any(span[2] not in _SECONDS for span in spans):
        raise ValueError(f"{text!r} is no span of time")
    return sum(float(span[1]) * _SECONDS[span[2]] for span in spans)


_READERS: dict[str, Callable[[Service, str, str], Service]] = {
    "ExecStart": _main,
    "ExecStartPre": _before,
    "ExecCondition": _before,
    "Environment": _environment,
    "EnvironmentFile": _environment_file,
    "WorkingDirectory": _directory,
    "Type": lambda service, value, _name: replace(service, type=value),
    "Restart": _restart,
    "RemainAfterExit": _remains,
    "TimeoutStopSec": _stop_seconds,
    "TimeoutSec": _stop_seconds,
    "KillSignal": _stop_signal,
}
