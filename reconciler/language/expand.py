"""From documents to a desired state that is complete in itself: select, merge, fill in, check, declare, complete.

Its digest covers the effective spec with all that its apps stand for, the payloads, the checks and the language, so
that equal wishes have equal digests.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.core.desired import App, Desired, Mode, canonical
from reconciler.core.errors import InvalidDocuments, Problem
from reconciler.core.identity import Digest, ResourceId
from reconciler.core.kind import Mistake
from reconciler.core.probe import Check, check_to_json
from reconciler.language import VERSION
from reconciler.language.check import checks
from reconciler.language.complete import Declared, complete
from reconciler.language.compose import as_map, compose
from reconciler.language.load import Documents
from reconciler.language.material import RepoMaterial
from reconciler.language.node import Map, find
from reconciler.language.rule import Rules, check_rules
from reconciler.language.section import Entry, check_entries, check_frame, check_removals
from reconciler.language.unfold import Parts, to_app, unfold, unit_name
from reconciler.language.use import Used, use_apps
from reconciler.language.variable import ARCH, LABELS, substitute
from reconciler.language.vocabulary import Vocabulary
from reconciler.language.window import to_windows


@dataclass(frozen=True, slots=True)
class Facts:
    """What only the device knows of itself: arm64, armhf or amd64."""

    arch: str


@dataclass(frozen=True, slots=True)
class Expansion:
    """`effective` is the merged spec, in which each value knows where it comes from and what it is over.

    `unfolded` is the same with all that its apps stand for.
    """

    desired: Desired
    effective: Map
    unfolded: Map
    vocabulary: Vocabulary
    material: RepoMaterial

    def payload(self, digest: Digest) -> bytes:
        """Of those that are not among the remotes."""
        return self.material.payload(digest)


def expand(documents: Documents, vocabulary: Vocabulary, facts: Facts) -> Expansion:
    """Raises InvalidDocuments with every mistake that can be told apart."""
    problems: list[Problem] = []
    variables = _variables(documents, facts)
    spec = as_map(substitute(compose(documents), variables, problems))
    frame = check_frame(spec, vocabulary, problems)
    check_removals(spec, vocabulary, problems)
    check_rules(spec, vocabulary.kinds, problems)
    used = use_apps(documents.tree, spec, variables, problems)
    unfolded, parts = unfold(spec, used, documents.tree, facts.arch, problems)
    material = RepoMaterial(documents.tree)
    declared = tuple(_declared(check_entries(unfolded, vocabulary.kinds, problems), parts, material, problems))
    resources = complete(declared, vocabulary.kinds, Rules.of(frame.drift.rules), problems)
    asked = tuple(_checks(spec, used, vocabulary, problems))
    if problems:
        raise InvalidDocuments(problems)
    states = [(vocabulary.kinds[id.kind], resource.state) for id, resource in resources.items()]
    payloads = frozenset(digest for kind, state in states for digest in kind.payloads(state))
    apps = {one.name: to_app(one) for one in used}
    desired = Desired(
        device=documents.device,
        digest=_digest(unfolded.plain(), material, apps, asked),
        mode=Mode(frame.mode),
        resources=resources,
        limits=documents.shared.limits,
        payloads=payloads,
        remotes={d: url for d, url in material.remotes.items() if d in payloads and not material.holds(d)},
        apps=apps,
        checks=asked,
        windows=to_windows(frame.windows),
        drift_interval=frame.drift.interval,
    )
    return Expansion(desired, spec, unfolded, vocabulary, material)


def _variables(documents: Documents, facts: Facts) -> dict[str, str]:
    labels = {f"{LABELS}{key}": value for key, value in documents.labels.items()}
    fleet = {} if documents.shared.fleet is None else {"fleet.id": documents.shared.fleet}
    return {"device.name": str(documents.device), ARCH: facts.arch, **fleet, **labels}


def _declared(
    entries: Iterator[Entry], parts: Parts, material: RepoMaterial, problems: list[Problem]
) -> Iterator[Declared]:
    for entry in entries:
        try:
            state = entry.section.declare(entry.name, entry.value, material)
        except Mistake as mistake:
            found = find(entry.node, mistake.keys)
            place = entry.place if found.node is entry.node else found.node.place
            problems.append(Problem(place, mistake.message, mistake.hint))
            continue
        id = ResourceId(entry.kind.name, entry.name)
        part = parts.get((entry.section.key, entry.name))
        if part is None:
            yield Declared(id, state, entry.place)
        else:
            yield Declared(id, state, entry.place, app=part.app, rule=part.rule)


def _checks(spec: Map, used: tuple[Used, ...], vocabulary: Vocabulary, problems: list[Problem]) -> Iterator[Check]:
    """Those of the device, then of its apps: that each service runs is asked unbidden. What is stopped is not asked."""
    yield from checks(spec, vocabulary.probes, problems)
    for app in used:
        asked = tuple(checks(app.written, vocabulary.probes, problems, app.name))
        if app.use.running:
            yield from _running(app, vocabulary)
            yield from asked
        problems.extend(_twice(app))


def _running(app: Used, vocabulary: Vocabulary) -> Iterator[Check]:
    probe = vocabulary.probes["unit"]
    for service in app.services_in_order:
        yield Check(f"{app.name}/{service}", probe.name, probe.entry(unit=unit_name(service)), app.name)


def _twice(app: Used) -> Iterator[Problem]:
    for name in app.spec.health.checks:
        if name in app.spec.services:
            place = find(app.written, ("health", "checks", name)).key
            message = f"the check {name} is called as the service is, of which is asked already whether it runs"
            yield Problem(place, message, "call it something else", "conflict")


def _digest(spec: dict[str, Any], material: RepoMaterial, apps: dict[str, App], asked: tuple[Check, ...]) -> Digest:
    """What is empty is left out, so that a desired state without it has the digest that it always had."""
    more = {
        "programs": sorted(material.programs),
        "apps": [app.to_json() for app in apps.values()],
        "checks": [check_to_json(check) for check in asked],
    }
    files = {path: str(digest) for path, digest in material.files.items()}
    said = {"language": VERSION, "spec": spec, "payloads": files}
    return Digest.of(canonical({**said, **{key: value for key, value in more.items() if value}}))
