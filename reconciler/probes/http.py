"""A service is well when it says so itself, in time: status, and where asked for, what its JSON holds."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from reconciler.core.kind import Mistake
from reconciler.core.probe import Asked, Figure, Health, Probe, Verdict, check_bounds
from reconciler.core.senses import Answer

SHOWN_MAX = 60
"""Characters of a value, in a message."""

_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%a-z]+\])"
_URL = re.compile(rf"https?://(?:[^/?#@\s]*@)?{_HOST}(?::(?P<port>[0-9]{{1,5}}))?(?:[/?][!-\"$-~]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class HttpEntry:
    """`url` is of http or https. `expectJson` is what the answer must hold, besides what else it may hold.

    A redirect is an answer like any other. The latency lasts until the whole answer was read.
    """

    url: str
    expect_status: int = 200
    expect_json: dict[str, Any] = field(default_factory=dict)
    warn_latency: timedelta | None = None
    critical_latency: timedelta | None = None


def check(entry: HttpEntry) -> None:
    found = _URL.fullmatch(entry.url)
    is_plain = entry.url.isascii() and entry.url.isprintable()
    if not found or not is_plain or not 1 <= int(found["port"] or 80) <= 65535:
        raise Mistake("this is no URL of http or https", "url", hint="as in http://127.0.0.1:8700/health, in ASCII")
    if not 200 <= entry.expect_status <= 599:
        raise Mistake("a status of HTTP lies between 200 and 599", "expectStatus")
    check_bounds(_seconds(entry.warn_latency), _seconds(entry.critical_latency), "warnLatency")


def ask(entry: HttpEntry, asked: Asked) -> Verdict:
    answer = asked.view.net.get(entry.url, asked.timeout)
    who = f"GET {_shown(entry.url)}"
    wrong = _wrong(entry, answer)
    if wrong:
        return Verdict(Health.CRITICAL, f"{who} answered {wrong}", answer.seconds)
    said = f"{who} answered {answer.status} in {answer.seconds:.3g} s"
    warn, critical = _seconds(entry.warn_latency), _seconds(entry.critical_latency)
    return Figure(said, answer.seconds, "{:g} s".format, warn, critical).judge()


def _wrong(entry: HttpEntry, answer: Answer) -> str | None:
    if answer.status != entry.expect_status:
        return f"{answer.status}, not {entry.expect_status}"
    if not entry.expect_json:
        return None
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return "what is not JSON"
    if not isinstance(found, dict):
        return "JSON that is no map"
    return _difference(entry.expect_json, found, "")


def _difference(wanted: Mapping[str, Any], found: Mapping[str, Any], inside: str) -> str | None:
    """The first key that is not as wanted."""
    for key, value in wanted.items():
        name = f"{inside}{key}"
        if key not in found:
            return f"without `{name}`"
        if isinstance(value, Mapping) and isinstance(found[key], Mapping):
            deeper = _difference(value, found[key], f"{name}.")
            if deeper:
                return deeper
        elif not _same(value, found[key]):
            return f"with {_brief(found[key])} as `{name}`, not {_brief(value)}"
    return None


def _same(wanted: object, found: object) -> bool:
    """JSON knows one sort of number, and true is none."""
    match wanted, found:
        case bool(), _:
            return wanted is found
        case ((int() | float()), (int() | float())):
            return not isinstance(found, bool) and wanted == found
        case ((list() | tuple()), list()):
            return len(wanted) == len(found) and all(map(_same, wanted, found))
        case dict(), dict():
            return wanted.keys() == found.keys() and all(_same(wanted[key], found[key]) for key in wanted)
    return type(wanted) is type(found) and wanted == found


def _brief(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def _shown(url: str) -> str:
    """Without what may be secret: who asks, and what it asks for."""
    return re.sub(r"//[^/?#]*@", "//", url).partition("?")[0]


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


PROBE = Probe(name="http", entry=HttpEntry, ask=ask, check=check)
