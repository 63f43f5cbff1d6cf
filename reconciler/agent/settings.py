"""How this agent is set up: the file, overridden by the environment. What it does not do, it refuses to be told.

A setting that promises safety and is silently ignored would be worse than none: `trust.signers` is an error until
signatures are verified.
"""

import platform
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from reconciler.core.errors import BadSettings, InvalidDocuments, NotSupported
from reconciler.core.identity import DeviceName
from reconciler.core.quantity import format_duration, parse_duration

CONFIG = "/etc/reconciler/agent.yaml"
STATE = "/var/lib/reconciler"
RUNTIME = "/run/reconciler"
PREFIX = "RECONCILER_"
MAX_BYTES = 64 * 1024
SHORTEST = timedelta(seconds=1)
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_KNOWN = {
    "device": str,
    "repo.url": str,
    "repo.ref": str,
    "repo.interval": str,
    "repo.mirrors": list,
    "repo.credentials": str,
    "repo.sshKey": str,
    "repo.knownHosts": str,
    "repo.caFile": str,
    "logLevel": str,
}
_LATER = ("trust", "listen")
_SORTS = {str: "a string", list: "a list", dict: "a map", int: "a number", float: "a number", bool: "true or false"}
"""What was given is named by its sort: it may hold a password."""

_ARCHES = {"aarch64": "arm64", "arm64": "arm64", "armv7l": "armhf", "armv6l": "armhf", "x86_64": "amd64"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Paths are on the host: with a root, everything but the repo is under it. Only who follows needs a repo."""

    device: DeviceName
    url: str | None
    ref: str
    root: str
    config: str
    mirrors: tuple[str, ...] = ()
    credentials: str | None = None
    ssh_key: str | None = None
    known_hosts: str | None = None
    ca_file: str | None = None
    interval: timedelta = timedelta(seconds=60)
    log_level: str = "INFO"

    @property
    def state(self) -> str:
        return under(self.root, STATE)

    @property
    def runtime(self) -> str:
        return under(self.root, RUNTIME)

    @property
    def is_sandbox(self) -> bool:
        return self.root != "/"


def under(root: str, path: str) -> str:
    return path if root == "/" else root + path


def arch() -> str:
    """As `${device.arch}` names it; an unknown machine's own word."""
    machine = platform.machine()
    return _ARCHES.get(machine, machine)


def read(config: str | None, root: str, environment: Mapping[str, str]) -> Settings:
    """Raises BadSettings or NotSupported. There need be no file where the environment says all."""
    path = config or under(root, CONFIG)
    values = {**_from_file(path, must_exist=config is not None), **_from_environment(environment)}
    for key in values:
        _check_known(key, path)
    name = values.get("device") or socket.gethostname().lower()
    try:
        device = DeviceName(name)
    except ValueError as error:
        raise BadSettings(f"cannot use the device's name: {error}", where=path) from error
    return Settings(
        device=device,
        url=values.get("repo.url"),
        ref=values.get("repo.ref") or "main",
        root=root,
        config=path,
        mirrors=tuple(values.get("repo.mirrors", ())),
        credentials=values.get("repo.credentials"),
        ssh_key=values.get("repo.sshKey"),
        known_hosts=values.get("repo.knownHosts"),
        ca_file=values.get("repo.caFile"),
        interval=_interval(values.get("repo.interval", "60s"), path),
        log_level=_level(values.get("logLevel", "INFO"), path),
    )


def _interval(text: str, path: str) -> timedelta:
    try:
        interval = parse_duration(text)
    except ValueError as error:
        raise BadSettings(f"cannot use repo.interval: {error}", where=path) from error
    if interval < SHORTEST:
        raise BadSettings(f"cannot use repo.interval: {text} is under {format_duration(SHORTEST)}", where=path)
    return interval


def _level(text: str, path: str) -> str:
    if text not in LEVELS:
        raise BadSettings(f"cannot use logLevel: {text!r}", where=path, hint=f"one of {', '.join(LEVELS)}")
    return text


def _from_file(path: str, *, must_exist: bool) -> dict[str, Any]:
    from reconciler.language import yaml  # noqa: PLC0415  # a device that is told by its environment needs no parser

    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        if must_exist:
            raise BadSettings("cannot find the agent's configuration", where=path) from error
        return {}
    except OSError as error:
        raise BadSettings(f"cannot read the agent's configuration: {error.strerror}", where=path) from error
    if len(content) > MAX_BYTES:
        raise BadSettings(f"cannot read the agent's configuration: over {MAX_BYTES} bytes", where=path)
    try:
        data = yaml.parse(content, path).plain()
    except InvalidDocuments as error:
        raise BadSettings("cannot read the agent's configuration", where=str(error.problems[0])) from error
    return dict(_flat(data, path))


def _flat(data: Mapping[str, Any], path: str, above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        name = f"{above}{key}"
        if name in _LATER and not value:
            continue
        if isinstance(value, dict) and name not in _LATER:
            yield from _flat(value, path, f"{name}.")
        elif name in _LATER or name not in _KNOWN or _is_one(_KNOWN[name], value):
            yield name, value
        elif value is not None:
            what = "a list of strings" if _KNOWN[name] is list else "a string"
            raise BadSettings(f"cannot use {name}: it is {what}, not {_SORTS.get(type(value), 'that')}", where=path)


def _is_one(sort: type, value: object) -> bool:
    if sort is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """`RECONCILER_REPO__URL` is `repo.url`; letters are folded, since the environment has capitals only.

    A list is split at blanks.
    """
    names = {name.replace(".", "__").upper(): name for name in (*_KNOWN, *_LATER)}
    given = ((name.removeprefix(PREFIX), value) for name, value in environment.items() if name.startswith(PREFIX))
    said = {names[name]: value for name, value in given if name in names and value}
    return {name: value.split() if _KNOWN.get(name) is list else value for name, value in said.items()}


def _check_known(key: str, path: str) -> None:
    if key in _KNOWN:
        return
    if any(key == later or key.startswith(f"{later}.") for later in _LATER):
        hint = "take it out: a promise that is not kept would be worse than none"
        raise NotSupported(f"cannot do what {key} asks for: this release does not know it yet", where=path, hint=hint)
    import difflib  # noqa: PLC0415  # only who mistyped needs it

    close = difflib.get_close_matches(key, _KNOWN, n=1)
    mended = f"did you mean {close[0]}?" if close else None
    raise BadSettings(f"cannot use the setting {key}: there is none of that name", where=path, hint=mended)
