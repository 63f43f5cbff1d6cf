"""A check asks exactly one probe; how it is written is what the probe's entry is, as a section's is its kind's."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, Field, create_model

from reconciler.core.errors import Problem
from reconciler.core.kind import Mistake
from reconciler.core.probe import FIRST_EVERY, FIRST_TIMEOUT, Check, Probe, Probes
from reconciler.language.complaint import is_open, keep_all
from reconciler.language.entry import Valid, each
from reconciler.language.model import Strict, about, model_of, revive
from reconciler.language.name import misnamed
from reconciler.language.node import Map, find
from reconciler.language.quantity import Duration

CHECKS = ("health", "checks")
"""Where they stand, in the spec of a Device and in that of an App."""


def _some(span: timedelta) -> timedelta:
    if not span:
        raise ValueError("expected more than 0s")
    return span


class CheckSpec(Strict):
    """One question about how something does: one probe, and when it is asked."""

    for_: Duration = Field(default=timedelta(0), alias="for", description="How long it must be amiss before it counts.")
    timeout: Annotated[Duration, AfterValidator(_some)] = Field(
        default=FIRST_TIMEOUT, description="After which there is no answer."
    )
    every: Annotated[Duration, AfterValidator(_some)] = Field(default=FIRST_EVERY, description="How often it is asked.")


H = TypeVar("H", bound=BaseModel)


def check_model(probes: Probes) -> type[CheckSpec]:
    return _check_model(tuple(probe for _, probe in sorted(probes.items())))


@cache
def _check_model(probes: tuple[Probe, ...]) -> type[CheckSpec]:
    fields: dict[str, Any] = {
        _field(probe.name): (
            model_of(probe.entry) | None,
            Field(default=None, alias=probe.name, description=about(probe.entry)),
        )
        for probe in probes
    }
    return create_model("Check", __base__=CheckSpec, __doc__=CheckSpec.__doc__, **fields)


def with_checks(health: type[H], check: type[CheckSpec]) -> type[H]:
    """A model that holds checks of whatever sort, with checks of this one."""
    return create_model(health.__name__, __base__=health, __doc__=health.__doc__, checks=_checks(health, check))


def _checks(health: type[BaseModel], check: type[CheckSpec]) -> Any:
    return dict[str, check], health.model_fields["checks"]  # type: ignore[valid-type]  # a type made at run time


def check_alone(spec: Map, probes: Probes, problems: list[Problem]) -> None:
    """What can be told where a variable or a placeholder is not filled in yet."""
    for valid in each(spec, CHECKS, check_model(probes), problems, is_open):
        if wrong := misnamed(valid.name, "a check", valid.place):
            problems.append(wrong)
        _asked(valid, probes, problems)


def checks(spec: Map, probes: Probes, problems: list[Problem], app: str | None = None) -> Iterator[Check]:
    """Those that are valid; the others become problems. The checks of an app are called after it."""
    for valid in each(spec, CHECKS, check_model(probes), problems, keep_all):
        if wrong := misnamed(valid.name, "a check", valid.place):
            problems.append(wrong)
        elif (probe := _asked(valid, probes, problems)) and (entry := _entry(valid, probe, problems)) is not None:
            name = f"{app}/{valid.name}" if app else valid.name
            said = valid.model
            yield Check(name, probe.name, entry, app, said.for_, said.timeout, said.every)


def _asked(valid: Valid[CheckSpec], probes: Probes, problems: list[Problem]) -> Probe | None:
    asked = [name for name in probes if getattr(valid.model, _field(name)) is not None]
    if len(asked) == 1:
        return probes[asked[0]]
    message = f"a check asks one probe, not {len(asked)}: {', '.join(asked)}" if asked else "this check asks nothing"
    hint = "make a check of each" if asked else f"name one of the probes {', '.join(sorted(probes))}"
    problems.append(Problem(valid.place, message, hint))
    return None


def _entry(valid: Valid[CheckSpec], probe: Probe, problems: list[Problem]) -> Any:
    """None where the probe finds a mistake in it."""
    entry = revive(probe.entry, _said(valid.model, probe.name))
    try:
        probe.check(entry)
    except Mistake as mistake:
        found = find(valid.node, (probe.name, *mistake.keys))
        place = found.node.place if mistake.keys and not found.missing else found.key
        problems.append(Problem(place, mistake.message, mistake.hint))
        return None
    return entry


def _said(model: CheckSpec, probe: str) -> BaseModel:
    said = getattr(model, _field(probe))
    if not isinstance(said, BaseModel):
        raise TypeError(f"nothing is said of {probe}")
    return said


def _field(probe: str) -> str:
    """A name of its own, so that no probe hides what a model can do."""
    return f"f_{probe}"
