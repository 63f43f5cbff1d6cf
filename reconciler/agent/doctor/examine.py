"""Every check is alone: it looks, touches nothing, and one that fails or crashes keeps no other from being made.

A new check is a function from an Installation to findings, and a line in CHECKS.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from reconciler.agent.doctor import agent, host, place, record, service, setting
from reconciler.agent.doctor.finding import Finding, fault
from reconciler.agent.doctor.installation import Installation
from reconciler.core.errors import Failure
from reconciler.core.redact import redact

Check = Callable[[Installation], Iterable[Finding]]
"""What does not apply, or is told by another check, it leaves out. Its name is that of its findings."""

CHECKS: tuple[Check, ...] = (
    host.python,
    host.privilege,
    host.git,
    host.memory,
    setting.settings,
    setting.clock,
    place.folders,
    place.files,
    place.disk,
    record.database,
    record.journal,
    record.objects,
    record.holds,
    record.quarantine,
    agent.agent,
    agent.status,
    agent.watches,
    service.releases,
    service.units,
    setting.repo,
)
"""From the ground up, and last what may take a while: the network."""


def examine(installation: Installation) -> Iterator[Finding]:
    """As they come; and what a faulty setting holds is not shown, since people pass on what they see here."""
    for check in CHECKS:
        for finding in _alone(check, installation):
            yield replace(finding, seen=redact(finding.seen))


def _alone(check: Check, installation: Installation) -> Iterator[Finding]:
    try:
        yield from check(installation)
    except Failure as failure:
        yield fault(check.__name__, str(failure), failure.hint)
    except Exception as error:  # noqa: BLE001  # a fault of ours is a finding, too
        mend = "report it, with a support bundle: `reconciler support-bundle`"
        yield fault(check.__name__, f"reconciler itself failed: {type(error).__name__}: {error}", mend)
