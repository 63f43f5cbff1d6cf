"""What runs here: whether each release is what its manifest says, byte for byte, and each unit does what it should."""

from collections.abc import Iterator

from reconciler.agent import target as targets
from reconciler.agent.doctor.finding import Finding, fault, ok
from reconciler.agent.doctor.installation import Installation
from reconciler.core.desired import Resource
from reconciler.core.errors import Broken, Failure, Transient
from reconciler.core.state import Unreadable


def releases(installation: Installation) -> Iterator[Finding]:
    """Also where the agent is not at work, which looks at them, too."""
    yield from _of(installation, "release", "releases are as their manifests say")


def units(installation: Installation) -> Iterator[Finding]:
    yield from _of(installation, "unit", "units do what they should")


def _of(installation: Installation, kind: str, well: str) -> Iterator[Finding]:
    declared = [resource for resource in _in_force(installation) if resource.id.kind == kind]
    amiss = [finding for resource in declared for finding in _amiss(installation, resource)]
    yield from amiss
    if declared and not amiss:
        yield ok(kind, f"{len(declared)} {well}")


def _amiss(installation: Installation, resource: Resource) -> Iterator[Finding]:
    parts, id = installation.parts, resource.id
    try:
        seen = parts.kinds[id.kind].observe(id.name, parts.look())
    except Failure as failure:
        seen = Unreadable(str(failure))
    drift = parts.kinds[id.kind].diff(resource.state, seen)
    if drift:
        said = ", ".join(str(field) for field in drift)
        yield fault(id.kind, f"{id.name} is not as it should be: {said}", "`reconciler sync` mends it, or says why not")


def _in_force(installation: Installation) -> list[Resource]:
    """Where the records cannot be read, another check says so."""
    if not installation.has_records:
        return []
    try:
        target = targets.in_force(installation.parts, None)
    except (Broken, Transient):
        return []
    return list(target.desired.resources.values()) if target else []
