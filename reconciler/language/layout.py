"""What would silently be ignored, because of its name or its place, is a mistake (coreos/zincati issue 1160)."""

from reconciler.core.errors import Place, Problem
from reconciler.language.complaint import LATER, NOT_SUPPORTED
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


def check_apps(tree: Tree, problems: list[Problem]) -> None:
    """A folder of an app holds app.yaml, and payloads in whatever folders."""
    for name in tree.names("apps"):
        if not tree.is_folder(f"apps/{name}") and name.lower().endswith((".yml", ".yaml")):
            hint = f"did you mean apps/{name.rpartition('.')[0]}/app.yaml?"
            problems.append(Problem(Place(f"apps/{name}"), "nothing reads this", hint, "unread"))
        inside = tree.names(f"apps/{name}")
        strangers = (n for n in inside if n != "app.yaml" and n.lower() in ("app.yml", "app.yaml"))
        for other in strangers:
            place, hint = Place(f"apps/{name}/{other}"), "rename it to app.yaml"
            problems.append(Problem(place, "nothing reads this", hint, "unread"))
        if "migrations" in inside:
            place = Place(f"apps/{name}/migrations")
            problems.append(Problem(place, "migrations of a configuration are not supported", LATER, NOT_SUPPORTED))


def _unread(folder: str, name: str) -> Problem:
    hint = f"{folder}/ holds documents that end in .yaml, dotfiles and a README; payloads go to another folder"
    if name.lower().endswith((".yml", ".yaml")):
        hint = f"rename it to {name.rpartition('.')[0]}.yaml: documents end in .yaml"
    return Problem(Place(f"{folder}/{name}"), "nothing reads this", hint, "unread")
