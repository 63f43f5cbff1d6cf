"""What was brought is on trial until it has been well for long enough; what is not is taken back.

It has a time to become well in, and then must stay so: one slow answer begins the soak anew, what lasts or what was
restarted ends the trial. All times are of a clock that nobody sets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from reconciler.core.probe import Terms, Verdict

GRACE = timedelta(seconds=3)
"""How long something may be amiss during the soak."""

TRACE = 40
"""Lines of evidence that are kept."""


@dataclass(frozen=True, slots=True)
class Look:
    """Verdicts by the name of their check; `runs` names the present run of each service; `failed` those given up."""

    verdicts: Mapping[str, Verdict]
    runs: Mapping[str, str]
    failed: tuple[str, ...] = ()

    @property
    def amiss(self) -> str | None:
        """The first thing that is not well, in words."""
        if self.failed:
            return f"{self.failed[0]} has ended, and was given up"
        found = ((name, verdict) for name, verdict in self.verdicts.items() if not verdict.is_well)
        return next((f"{name}: {verdict.message}" for name, verdict in found), None)


@dataclass(frozen=True, slots=True)
class Trial:
    """`well_since` and `amiss_since`: one of them, once it was looked at; `runs` are those that were well."""

    began: timedelta
    well_since: timedelta | None = None
    amiss_since: timedelta | None = None
    runs: Mapping[str, str] | None = None
    trace: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    trial: Trial


@dataclass(frozen=True, slots=True)
class Proven:
    """It was well for long enough."""


@dataclass(frozen=True, slots=True)
class Unproven:
    """Why not, and what was seen on the way."""

    reason: str
    trace: tuple[str, ...]


def judge(trial: Trial, look: Look, now: timedelta, terms: Terms) -> Pending | Proven | Unproven:
    """`now` is not before any other moment that this trial has seen."""
    amiss = look.amiss
    seen = replace(trial, trace=_traced(trial, look, now))
    if look.failed:
        return Unproven(str(amiss), seen.trace)
    if trial.runs is not None and (restarted := _restarted(trial.runs, look.runs)):
        return Unproven(f"{restarted} did not keep running: it ended while it was on trial", seen.trace)
    if amiss is None:
        return _well(seen, look, now, terms)
    if trial.runs is None and now - trial.began >= terms.start:
        return Unproven(f"not well within {_seconds(terms.start)}: {amiss}", seen.trace)
    if trial.runs is None:
        return Pending(replace(seen, amiss_since=trial.amiss_since or now))
    since = trial.amiss_since if trial.amiss_since is not None else now
    if now - since >= GRACE:
        return Unproven(f"did not stay well: {amiss}", seen.trace)
    if _is_late(trial, now, terms):
        return Unproven(f"not well for {_seconds(terms.soak)} on end: {amiss}", seen.trace)
    return Pending(replace(seen, amiss_since=since, well_since=None))


def _well(trial: Trial, look: Look, now: timedelta, terms: Terms) -> Pending | Proven | Unproven:
    since = now if trial.well_since is None else trial.well_since
    if now - since >= terms.soak:
        return Proven()
    if trial.well_since is None and trial.runs is not None and _is_late(trial, now, terms):
        return Unproven(f"not well for {_seconds(terms.soak)} on end", trial.trace)
    return Pending(replace(trial, well_since=since, amiss_since=None, runs=trial.runs or look.runs))


def _is_late(trial: Trial, now: timedelta, terms: Terms) -> bool:
    return now - trial.began > terms.start + 2 * terms.soak


def _restarted(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    return next((name for name, run in before.items() if now.get(name) != run), None)


def _traced(trial: Trial, look: Look, now: timedelta) -> tuple[str, ...]:
    """A line is added where something changed."""
    said = look.amiss or "all is well"
    if trial.trace and trial.trace[-1].partition(": ")[2] == said:
        return trial.trace
    return (*trial.trace, f"after {(now - trial.began).total_seconds():.1f} s: {said}")[-TRACE:]


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g} s"
