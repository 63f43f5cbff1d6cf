"""Apps, services and checks are called so that their names fit into paths, units and labels as they are."""

import re

from reconciler.core.errors import Place, Problem
from reconciler.language.say import shown

_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,62}")


def misnamed(name: str, what: str, place: Place) -> Problem | None:
    """`what` is the sort of thing, as in "an app"."""
    if _NAME.fullmatch(name):
        return None
    hint = "letters, digits, '-', '_' and '.', the first a letter or digit, 63 at most"
    return Problem(place, f"{shown(name)} is no name of {what}", hint, "invalid-name")
