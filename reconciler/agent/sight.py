"""What a process saw last of a device, and what it measured that against. Kept in memory, for whoever asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.core.desired import Desired
from reconciler.core.identity import Digest, ResourceId
from reconciler.core.journal import Mark, Progress
from reconciler.core.state import AnyState

Stamp = tuple[int, int, int]
"""Of a file as this process wrote it: inode, time of its last change in nanoseconds, size."""


@dataclass(slots=True)
class Sight:
    """`published` is what readers were told of it last, and the stamp of the file that tells them."""

    desired: Desired | None = None
    states: Mapping[ResourceId, AnyState] = field(default_factory=dict)
    at: datetime | None = None
    published: tuple[Digest, Stamp, Mapping[ResourceId, AnyState]] | None = None

    def see(self, desired: Desired, states: Mapping[ResourceId, AnyState], now: datetime) -> None:
        self.desired, self.states, self.at = desired, states, now

    def has_changed(self, progress: Progress) -> None:
        """After each effect its resource was looked at again."""
        after = {
            step.resource: step.after if mark is Mark.DONE else step.before
            for step, mark in zip(progress.steps, progress.marks, strict=True)
            if mark in (Mark.DONE, Mark.UNDONE)
        }
        self.states = {**self.states, **after}
