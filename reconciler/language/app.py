"""An app as its document says it, and as a device asks for it: the document knows no version, the device no paths."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from reconciler.core.kind import Mistake, check_path
from reconciler.core.probe import TERMS
from reconciler.language.model import Strict
from reconciler.language.quantity import ByteSize, Duration, OctalMode
from reconciler.language.say import say, shown

LATER_APP = frozenset(
    {
        *("source.python", "source.compose", "source.kubernetes", "channels", "denyVersions", "secretsFile"),
        *("config.schema", "config.toolsKey", "config.releases", "data", "rollback"),
    }
)
"""Keys of an App's spec that this release refuses."""

ARCHES = ("arm64", "armhf", "amd64")

_HEX = "[0-9a-f]{64}"
_VERSION = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,63}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def _root(path: str) -> str:
    try:
        check_path(path)
    except Mistake as mistake:
        raise ValueError(mistake.message) from mistake
    return path


def _version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise ValueError(f"{shown(text)} is no version: letters, digits and '._+-', 64 at most, as in 1.2.0")
    return text


def _user(name: str) -> str:
    if not _USER.fullmatch(name):
        raise ValueError(f"{shown(name)} is no name of a user")
    return name


def _word(text: str) -> str:
    if "\0" in text:
        raise ValueError("a command holds no NUL")
    return text


def _command(words: list[str]) -> list[str]:
    if not words:
        raise ValueError("a command names a program")
    return words


def _sums(value: object) -> object:
    """One sum for all machines, or one for each architecture."""
    if value == {}:
        raise ValueError(f"expected a sha256 for one of {', '.join(ARCHES)} at least")
    given = value if isinstance(value, dict) else {None: value}
    for arch, sum in given.items():
        if arch is not None and arch not in ARCHES:
            raise ValueError(f"{shown(str(arch))} is no architecture: one of {', '.join(ARCHES)}")
        if not isinstance(sum, str) or not re.fullmatch(_HEX, sum):
            raise ValueError(f"expected a sha256, 64 hex digits in lowercase, got {say(sum)}")
    return value


_SUM: dict[str, Any] = {"type": "string", "pattern": f"^{_HEX}$"}
_BY_ARCH: dict[str, Any] = {"type": "object", "propertyNames": {"enum": list(ARCHES)}, "additionalProperties": _SUM}

Sums = Annotated[Any, BeforeValidator(_sums), WithJsonSchema({"anyOf": [_SUM, _BY_ARCH]})]


class AppUse(Strict):
    """One app on a device."""

    version: Annotated[str, AfterValidator(_version)] = Field(description="Of the release, as in 1.2.0.")
    running: bool = Field(default=True, description="`false` stops its services, the last to start first.")
    enabled: bool = Field(default=True, description="`false` keeps its services from starting with the machine.")
    updates: Literal["enforce", "hold"] = Field(
        default="enforce", description="`hold` keeps the release that runs, and goes on with everything else."
    )
    config: dict[str, Any] = Field(default={}, description="Merged onto the values of the app's configuration.")
    env: dict[str, str] = Field(default={}, description="Variables of all its services, over those of the app.")


class FilesSource(Strict):
    """The release lies in this repo."""

    path: str = Field(description="A folder, from the app's own or from the root of the repo. `{version}` is known.")


class ArchiveSource(Strict):
    """The release is packed into one file."""

    url: str | None = Field(default=None, description="Of http or https. `{version}` is known.")
    path: str | None = Field(default=None, description="Or in this repo, as for files.")
    format: Literal["tar", "zip", "binary"] = Field(description="`binary` is a program that is packed in nothing.")
    sha256: dict[str, Sums] = Field(description="By version: the file's, or by architecture one of each.")


def _from_one_place(archive: ArchiveSource) -> ArchiveSource:
    if (archive.url is None) == (archive.path is None):
        raise ValueError("an archive comes from `url` or from `path`" + (", not from both" if archive.url else ""))
    return archive


class Source(Strict):
    """Where releases come from: exactly one way."""

    files: FilesSource | None = None
    archive: Annotated[ArchiveSource, AfterValidator(_from_one_place)] | None = None


def _one_way(source: Source) -> Source:
    if (source.files is None) == (source.archive is None):
        raise ValueError("a release comes from `files` or from `archive`" + (", not from both" if source.files else ""))
    return source


class ServiceLimits(Strict):
    """How much a service may use."""

    memory_max: ByteSize | None = Field(default=None, description="Beyond it the service is ended.")
    memory_high: ByteSize | None = Field(default=None, description="Beyond it the service is slowed down.")
    cpu_quota_percent: int | None = Field(default=None, ge=1, le=100_000, description="Of one processor.")
    tasks_max: int | None = Field(default=None, ge=1, description="Processes and threads.")


class Service(Strict):
    """One service of a release: from a unit file, or from a command for which a hardened unit is made."""

    source: str | None = Field(default=None, description="A unit file, from the app's folder or the root of the repo.")
    exec: Annotated[list[Annotated[str, AfterValidator(_word)]], AfterValidator(_command)] | None = Field(
        default=None,
        description="A program by its absolute path, and its arguments; `{current}` is known.",
    )
    user: Annotated[str, AfterValidator(_user)] | None = Field(
        default=None, description="Who it runs as; root, if left out."
    )
    after: list[str] = Field(default=[], description="Services of this app that are started first.")
    limits: ServiceLimits = ServiceLimits()
    env: dict[str, str] = Field(default={}, description="Variables of its environment.")


def _one_form(service: Service) -> Service:
    if (service.source is None) == (service.exec is None):
        raise ValueError("a service is said by `source` or by `exec`" + (", not by both" if service.source else ""))
    if service.source is not None and (service.user or service.limits != ServiceLimits()):
        raise ValueError("a unit from `source` says its user and its limits itself")
    return service


class AppConfig(Strict):
    """The configuration file of the app, owned whole."""

    path: str = Field(description="Absolute.")
    format: Literal["yaml", "json", "toml", "env"]
    mode: OctalMode | None = None
    owner: str | None = None
    group: str | None = None
    values: dict[str, Any] = Field(default={}, description="What it holds where the device says nothing else.")


class AppHealth(Strict):
    """What a release must prove before it counts as good, and what is asked ever after."""

    start_timeout: Duration = Field(default=TERMS.start, description="How long it may take to become well.")
    soak: Duration = Field(default=TERMS.soak, description="How long it must then stay so.")
    checks: dict[str, Any] = Field(default={}, description="Checks by their name, each of which asks one probe.")


class AppSpec(Strict):
    """What an app is."""

    source: Annotated[Source, AfterValidator(_one_way)]
    root: Annotated[str, AfterValidator(_root)] | None = Field(
        default=None, description="Where its releases lie; /opt/NAME, if left out."
    )
    services: dict[str, Annotated[Service, AfterValidator(_one_form)]] = Field(
        default={}, description="By name, without `.service`."
    )
    after: list[str] = Field(
        default=[], description="Apps whose services are started first, where the device has them."
    )
    config: AppConfig | None = Field(default=None, description="Its configuration file.")
    health: AppHealth = AppHealth()
