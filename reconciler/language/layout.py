"""What would silently be ignored, because of its name or its place, is a mistake (coreos/zincati issue 1160)."""

from reconciler.core.errors import Place, Problem
from reconciler.language.tree import Tree

_MEANT = {
    "fleet.yml": "fleet.yaml",
    "policy.yml": "policy.yaml",
    "device": "devices",
    "layer": "layers",
    "app": "apps",
    "Devices": "devices",
    "Layers": "layers",
    "Apps": "apps",
}


def check_root(tree: Tree, problems: list[Problem]) -> None:
    """Whatever else lies in the root is not ours to judge: a repo has licences, scripts and pipelines."""
    problems.extend(
        Problem(Place(name), "nothing reads this", f"did you mean {_MEANT[name]}?", "unread")
        for name in tree.names()
        if name in _MEANT
    )


def check_folder(tree: Tree, folder: str, problems: list[Problem]) -> None:
    """A folder of documents holds documents, dotfiles and a README."""
    strangers = (n for n in tree.names(folder) if not n.endswith(".yaml") and not n.startswith((".", "README")))
    problems.extend(_unread(folder, name) for name in strangers)


def _unread(folder: str, name: str) -> Problem:
    hint = f"{folder}/ holds documents that end in .yaml, dotfiles and a README; payloads go to another folder"
    if name.lower().endswith((".yml", ".yaml")):
        hint = f"rename it to {name.rpartition('.')[0]}.yaml: documents end in .yaml"
    return Problem(Place(f"{folder}/{name}"), "nothing reads this", hint, "unread")
