"""One look at the device: what was there, of all that is asked for or owned, at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.identity import ResourceId
from reconciler.core.state import AnyState


@dataclass(frozen=True, slots=True)
class Observed:
    states: Mapping[ResourceId, AnyState]

    def __getitem__(self, id: ResourceId) -> AnyState:
        return self.states[id]
