"""What documents may speak of, besides the language itself, is handed in: which kinds there are, and which probes."""

from dataclasses import dataclass

from reconciler.core.kind import Kinds
from reconciler.core.probe import Probes


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Each by its name."""

    kinds: Kinds
    probes: Probes
