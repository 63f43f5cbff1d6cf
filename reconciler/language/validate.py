"""A repo is valid when each of its devices can be expanded; what no device uses is checked by itself."""

from collections.abc import Sequence
from itertools import islice

from reconciler.core.errors import InvalidDocuments, Place, Problem
from reconciler.core.identity import DeviceName
from reconciler.language.app import ARCHES
from reconciler.language.compose import alone, compose
from reconciler.language.expand import Facts, expand
from reconciler.language.layout import check_apps, check_folder
from reconciler.language.load import MAX_DOCUMENTS, Documents, Shared, device_names, load_device, load_shared
from reconciler.language.node import Map, find
from reconciler.language.rule import check_rules
from reconciler.language.section import check_patch
from reconciler.language.tree import Tree
from reconciler.language.unfold import NO_SUM
from reconciler.language.use import app_names, check_app_alone
from reconciler.language.variable import ARCH, check, mentions
from reconciler.language.vocabulary import Vocabulary


def validate(
    tree: Tree, vocabulary: Vocabulary, device: DeviceName | None = None, arches: Sequence[str] = ARCHES
) -> tuple[Problem, ...]:
    """All mistakes, in the order of their places: of one device and what it shares, or of the whole repo."""
    found: set[Problem] = set()
    shared = _shared(tree, vocabulary, found)
    for name in [str(device)] if device else _devices(tree, found):
        found.update(_of_device(tree, name, shared, vocabulary, arches))
    if device is None:
        _apps(tree, vocabulary, found)
    return tuple(sorted(found, key=lambda problem: (problem.place, problem.message, problem.hint or "")))


def _shared(tree: Tree, vocabulary: Vocabulary, found: set[Problem]) -> Shared:
    problems: list[Problem] = []
    shared = load_shared(tree, problems)
    for layer in shared.layers:
        check_alone(layer.spec, vocabulary, problems)
    found.update(problems)
    return shared


def check_alone(spec: Map, vocabulary: Vocabulary, problems: list[Problem]) -> None:
    """A part of a spec, whatever it may be merged with."""
    check_patch(alone(spec), vocabulary, problems)
    check_rules(alone(spec), vocabulary.kinds, problems)
    check(spec, problems)


def _apps(tree: Tree, vocabulary: Vocabulary, found: set[Problem]) -> None:
    problems: list[Problem] = []
    check_apps(tree, problems)
    for name in islice(app_names(tree), MAX_DOCUMENTS):
        check_app_alone(tree, name, vocabulary, problems)
    told = {problem.place for problem in found}  # in the words of a device, with its variables filled in
    found.update(problem for problem in problems if problem.place not in told)


def _devices(tree: Tree, found: set[Problem]) -> list[str]:
    problems: list[Problem] = []
    check_folder(tree, "devices", problems)
    names = list(device_names(tree))
    if not names:
        hint = "add devices/NAME.yaml"
        problems.append(Problem(Place("devices"), "there is no device in this repo", hint, "no-device"))
    if len(names) > MAX_DOCUMENTS:
        place = Place("devices")
        problems.append(
            Problem(place, f"there are {len(names)} devices, {MAX_DOCUMENTS} are allowed", None, "too-many")
        )
    found.update(problems)
    return names[:MAX_DOCUMENTS]


def _of_device(tree: Tree, name: str, shared: Shared, vocabulary: Vocabulary, arches: Sequence[str]) -> list[Problem]:
    problems: list[Problem] = []
    documents = load_device(tree, name, shared, problems)
    if documents is not None and not shared.whole:
        check_alone(documents.spec, vocabulary, problems)
    elif documents is not None:
        problems.extend(_expanded(documents, vocabulary, arches))
    return problems


def _expanded(documents: Documents, vocabulary: Vocabulary, arches: Sequence[str]) -> list[Problem]:
    """On one architecture, where the spec is the same on all of them. That a release is not for all of them is none."""
    problems: list[Problem] = []
    spec = compose(documents)
    used = arches if mentions(spec, ARCH) or not find(spec, ("apps",)).missing else arches[:1]
    for arch in used:
        try:
            expand(documents, vocabulary, Facts(arch))
        except InvalidDocuments as error:
            problems.extend(problem for problem in error.problems if problem.code != NO_SUM)
    return problems
