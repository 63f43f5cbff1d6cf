"""A condition is one question about a device, answered with true, false or unknown, a reason and a sentence."""

from dataclasses import dataclass

from reconciler.core.errors import Transient
from reconciler.core.facts import Facts
from reconciler.core.journal import Outcome
from reconciler.core.probe import Finding, Health, worst

_HEALTH_HINT = "`reconciler health` asks all checks now"


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: str
    reason: str
    message: str
    hint: str | None = None


def conditions(facts: Facts) -> tuple[Condition, ...]:
    return (_synced(facts), _health(facts), _trusted(), _fresh(facts), _drift_free(facts))


def _synced(facts: Facts) -> Condition:
    if facts.on_trial:
        return Condition("Synced", "Unknown", "Verifying", "what was brought has to prove itself")
    if facts.failure is not None:
        return Condition("Synced", "False", _camel(facts.failure.code), str(facts.failure), facts.failure.hint)
    if facts.outcome not in (None, Outcome.CONVERGED):
        return Condition("Synced", "False", "ApplyFailed", f"the last plan ended {facts.outcome}")
    if facts.holds:
        return Condition("Synced", "False", "Held", facts.holds[0].reason)
    if facts.applied is None:
        return Condition("Synced", "Unknown", "NeverSynced", "nothing was applied here yet")
    return Condition("Synced", "True", "Applied", f"generation {facts.applied.generation} is in force")


def _health(facts: Facts) -> Condition:
    if facts.on_trial:
        return Condition("Healthy", "Unknown", "Verifying", "what was brought has to prove itself")
    return healthy(facts.health)


def healthy(found: tuple[Finding, ...]) -> Condition:
    if not found:
        return Condition("Healthy", "Unknown", "NoChecks", "no health checks are declared")
    health = worst(finding.verdict.health for finding in found)
    if health is Health.OK:
        return Condition(
            "Healthy",
            "True",
            "AllWell",
            f"all {len(found)} checks are well" if len(found) > 1 else "the one check is well",
        )
    first = next(finding for finding in found if finding.verdict.health is health)
    status = {Health.CRITICAL: "False", Health.UNKNOWN: "Unknown"}.get(health, "True")
    return Condition("Healthy", status, health.capitalize(), f"{first.check}: {first.verdict.message}", _HEALTH_HINT)


def _trusted() -> Condition:
    return Condition("Trusted", "False", "Unsigned", "signatures are not verified: any commit of the repo is accepted")


def _fresh(facts: Facts) -> Condition:
    if facts.head is None:
        return Condition("Fresh", "Unknown", "NeverFetched", "the desired-state repo was not reached yet")
    if isinstance(facts.failure, Transient) and facts.failure.code == "source-unreachable":
        return Condition("Fresh", "False", "SourceUnreachable", str(facts.failure), facts.failure.hint)
    return Condition("Fresh", "True", "Confirmed", f"{facts.head.ref} is at {facts.head.commit.short}")


def _drift_free(facts: Facts) -> Condition:
    amiss = facts.tally.drifted + facts.tally.failed
    if not facts.tally.total:
        return Condition("DriftFree", "Unknown", "NothingDeclared", "no resources are declared")
    if amiss:
        return Condition("DriftFree", "False", "Drifted", f"{amiss} of {facts.tally.total} not as desired")
    return Condition("DriftFree", "True", "AsDesired", f"all {facts.tally.total} as desired")


def _camel(code: str) -> str:
    return "".join(word.capitalize() for word in code.split("-"))
