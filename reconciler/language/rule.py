"""What is done about drift: a rule for the resource itself beats one for all below a path; there the longest holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.desired import Mode
from reconciler.core.errors import Problem
from reconciler.core.identity import ResourceId
from reconciler.language.nearest import did_you_mean
from reconciler.language.node import Map, find
from reconciler.language.say import shown

BELOW = "/**"


@dataclass(frozen=True, slots=True)
class Rules:
    """`exact` by resource id or path, `below` by the path of a folder."""

    exact: Mapping[str, Mode]
    below: Mapping[str, Mode]

    @classmethod
    def of(cls, rules: Mapping[str, str]) -> "Rules":
        exact = {key: Mode(value) for key, value in rules.items() if not key.endswith(BELOW)}
        below = {key.removesuffix(BELOW): Mode(value) for key, value in rules.items() if key.endswith(BELOW)}
        return cls(exact, below)

    def rule(self, id: ResourceId, path: str | None) -> Mode:
        """Of a resource that takes up `path`, if it takes up any."""
        if not self.exact and not self.below:
            return Mode.ENFORCE
        own = self.exact.get(str(id)) or self.exact.get(path or "")
        if own or not path or not self.below:
            return own or Mode.ENFORCE
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            if folder in self.below:
                return self.below[folder]
        return Mode.ENFORCE


def check_rules(spec: Map, kinds: Mapping[str, Any], problems: list[Problem]) -> None:
    """Every key is an absolute path, all below one, or the id of a resource of a kind that there is."""
    found = find(spec, ("drift", "rules"))
    if found.missing or not isinstance(found.node, Map):
        return
    for key, _ in found.node.present():
        mistake = None if key.startswith("/") else _mistake(key, kinds)
        if mistake:
            problems.append(Problem(found.node.keys[key], *mistake))


def _mistake(key: str, kinds: Iterable[str]) -> tuple[str, str | None] | None:
    try:
        id = ResourceId.parse(key)
    except ValueError:
        return f"{shown(key)} is no rule's key", "an absolute path, a path that ends in /**, or kind:name"
    if id.kind in kinds:
        return None
    return f"there is no kind {shown(id.kind)}", did_you_mean(id.kind, kinds)
