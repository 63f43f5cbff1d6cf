"""An agent, taken apart: what a pass works with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.agent.flap import Flaps
from reconciler.agent.settings import Settings
from reconciler.core.host import Host, HostView
from reconciler.core.kind import Kinds
from reconciler.source.git import Source
from reconciler.store import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """`source` raises BadSettings where no repo is set; `touch` and `look` give new hands and eyes for one pass.

    `now` is in UTC, to the second. What is resident keeps its memory small, at the price of a fork.
    """

    settings: Settings
    kinds: Kinds
    store: Store
    source: Callable[[], Source]
    touch: Callable[[], Host]
    look: Callable[[], HostView]
    now: Callable[[], datetime]
    is_resident: bool = False
    flaps: Flaps = field(default_factory=Flaps)
