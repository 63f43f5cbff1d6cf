"""A probe is one question about how something does, and its verdict the answer.

What cannot be asked is unknown, never well. A device is as well as the worst of its checks.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from reconciler.core.host import HostView
from reconciler.core.kind import Mistake
from reconciler.core.state import Json


class Health(StrEnum):
    """As monitoring plugins say it (the Monitoring Plugins guidelines): exit statuses 0 to 3 in this order."""

    OK = "OK"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"
    UNKNOWN = "UNKNOWN"


_WORST_FIRST = (Health.CRITICAL, Health.UNKNOWN, Health.WARNING, Health.OK)


def worst(healths: Iterable[Health]) -> Health:
    """UNKNOWN where there is none."""
    found = set(healths)
    return next((health for health in _WORST_FIRST if health in found), Health.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`message` is a sentence for people; `value` is the figure that was judged, where there is one."""

    health: Health
    message: str
    value: float | None = None

    @property
    def is_well(self) -> bool:
        """A warning is for people; nothing is taken back for it."""
        return self.health in (Health.OK, Health.WARNING)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a probe may look at: the host, and how much time there is."""

    view: HostView
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured, and from where on it is amiss; with `falls`, below where. `said` is a sentence about it.

    `show` writes a bound for people.
    """

    said: str
    value: float
    show: Callable[[float], str]
    warn: float | None = None
    critical: float | None = None
    falls: bool = False

    def judge(self) -> Verdict:
        for health, bound in ((Health.CRITICAL, self.critical), (Health.WARNING, self.warn)):
            if bound is not None and (self.value < bound if self.falls else self.value >= bound):
                note = f"({health.lower()} {'below' if self.falls else 'from'} {self.show(bound)})"
                return Verdict(health, f"{self.said} {note}", self.value)
        return Verdict(Health.OK, self.said, self.value)


def judge_all(figures: Iterable[Figure]) -> Verdict:
    """As the worst of them; the value is the first one's."""
    verdicts = [figure.judge() for figure in figures]
    message = ", ".join(verdict.message for verdict in verdicts)
    return Verdict(worst(verdict.health for verdict in verdicts), message, verdicts[0].value)


def check_bounds(warn: float | None, critical: float | None, key: str, *, falls: bool = False) -> None:
    """Raises Mistake at `key`, the one of the warning, where that could never be seen."""
    if warn is not None and critical is not None and (warn < critical if falls else warn > critical):
        raise Mistake("the warning would come after it is critical", key, hint="warn earlier, or leave it out")


@dataclass(frozen=True, slots=True)
class Probe:
    """The name is that of the module and of its key in a check.

    `entry` is a dataclass as a Section's is. `ask` may raise Failure: then the verdict is critical where the other side
    is at fault (Transient), else unknown. `check` raises Mistake where an entry cannot be.
    """

    name: str
    entry: type[Any]
    ask: Callable[[Any, Asked], Verdict]
    check: Callable[[Any], None] = lambda _entry: None


Probes = Mapping[str, Probe]

FIRST_TIMEOUT, FIRST_EVERY = timedelta(seconds=5), timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Check:
    """A question that is asked again and again. `app` is whose health it is; `lasting` how long it must be amiss."""

    name: str
    probe: str
    entry: Any
    app: str | None = None
    lasting: timedelta = timedelta(0)
    timeout: timedelta = FIRST_TIMEOUT
    every: timedelta = FIRST_EVERY


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check came to; `since` is when it last came to something else."""

    check: str
    verdict: Verdict
    since: datetime
    app: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a trial: `start` is how long something may take to become well, `soak` how long it must then stay so."""

    start: timedelta = timedelta(seconds=30)
    soak: timedelta = timedelta(seconds=10)


TERMS = Terms()


def check_to_json(check: Check) -> Json:
    said = {field.name: _plain(getattr(check.entry, field.name)) for field in fields(check.entry)}
    return {
        "name": check.name,
        "probe": check.probe,
        "entry": {name: value for name, value in said.items() if value is not None},
        "app": check.app,
        "lasting": check.lasting.total_seconds(),
        "timeout": check.timeout.total_seconds(),
        "every": check.every.total_seconds(),
    }


def check_from_json(data: Json, probes: Probes) -> Check:
    """The inverse of `check_to_json`. Raises KeyError, TypeError or ValueError for anything else."""
    spans = {name: timedelta(seconds=data[name]) for name in ("lasting", "timeout", "every")}
    return Check(data["name"], data["probe"], _entry(probes[data["probe"]].entry, data["entry"]), data["app"], **spans)


def _entry(sort: type[Any], data: Json) -> Any:
    hints = get_type_hints(sort)
    given = {field.name: _value(hints[field.name], data[field.name]) for field in fields(sort) if field.name in data}
    for field in fields(sort):
        if field.name not in given and field.default is MISSING and field.default_factory is MISSING:
            given[field.name] = None
    return sort(**given)


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return list(value) if isinstance(value, tuple) else value


def _value(hint: Any, value: Any) -> Any:
    some = (
        [part for part in get_args(hint) if part is not NoneType] if get_origin(hint) in (Union, UnionType) else [hint]
    )
    if timedelta in some:
        return timedelta(seconds=value)
    return tuple(value) if any(get_origin(part) is tuple for part in some) else value
