"""From documents to a desired state that is complete in itself: select, merge, fill in, check, declare, complete.

Its digest covers the effective spec, the payloads and the language, so that equal wishes have equal digests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.desired import Desired, Mode, canonical
from reconciler.core.errors import InvalidDocuments, Problem
from reconciler.core.identity import Digest, ResourceId
from reconciler.core.kind import Kinds, Mistake
from reconciler.language import VERSION
from reconciler.language.complete import Declared, complete
from reconciler.language.compose import as_map, compose
from reconciler.language.load import Documents
from reconciler.language.material import RepoMaterial
from reconciler.language.node import Map, find
from reconciler.language.rule import Rules, check_rules
from reconciler.language.section import Entry, check_entries, check_frame, check_removals
from reconciler.language.variable import ARCH, LABELS, substitute


@dataclass(frozen=True, slots=True)
class Facts:
    """What only the device knows of itself: arm64, armhf or amd64."""

    arch: str


@dataclass(frozen=True, slots=True)
class Expansion:
    """`effective` is the merged spec, in which each value knows where it comes from and what it is over."""

    desired: Desired
    effective: Map
    kinds: Kinds
    material: RepoMaterial

    def payload(self, digest: Digest) -> bytes:
        return self.material.payload(digest)


def expand(documents: Documents, kinds: Kinds, facts: Facts) -> Expansion:
    """Raises InvalidDocuments with every mistake that can be told apart."""
    problems: list[Problem] = []
    spec = as_map(substitute(compose(documents), _variables(documents, facts), problems))
    frame = check_frame(spec, kinds, problems)
    check_removals(spec, kinds, problems)
    check_rules(spec, kinds, problems)
    material = RepoMaterial(documents.tree)
    declared = tuple(_declared(check_entries(spec, kinds, problems), material, problems))
    resources = complete(declared, kinds, Rules.of(frame.drift.rules), problems)
    if problems:
        raise InvalidDocuments(problems)
    states = [(kinds[id.kind], resource.state) for id, resource in resources.items()]
    desired = Desired(
        device=documents.device,
        digest=_digest(spec.plain(), material.files),
        mode=Mode(frame.mode),
        resources=resources,
        limits=documents.shared.limits,
        payloads=frozenset(digest for kind, state in states for digest in kind.payloads(state)),
    )
    return Expansion(desired, spec, kinds, material)


def _variables(documents: Documents, facts: Facts) -> dict[str, str]:
    labels = {f"{LABELS}{key}": value for key, value in documents.labels.items()}
    fleet = {} if documents.shared.fleet is None else {"fleet.id": documents.shared.fleet}
    return {"device.name": str(documents.device), ARCH: facts.arch, **fleet, **labels}


def _declared(entries: Iterator[Entry], material: RepoMaterial, problems: list[Problem]) -> Iterator[Declared]:
    for entry in entries:
        try:
            state = entry.section.declare(entry.name, entry.value, material)
        except Mistake as mistake:
            found = find(entry.node, mistake.keys)
            place = entry.place if found.node is entry.node else found.node.place
            problems.append(Problem(place, mistake.message, mistake.hint))
        else:
            yield Declared(ResourceId(entry.kind.name, entry.name), state, entry.place)


def _digest(spec: dict[str, Any], payloads: Mapping[str, Digest]) -> Digest:
    files = {path: str(digest) for path, digest in payloads.items()}
    return Digest.of(canonical({"language": VERSION, "spec": spec, "payloads": files}))
