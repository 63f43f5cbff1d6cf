"""An agent, taken apart: what a pass works with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.agent.ask import Checkup
from reconciler.agent.flap import Flaps
from reconciler.agent.prove import Trials
from reconciler.agent.settings import Settings
from reconciler.agent.sight import Sight
from reconciler.core.host import Host, HostView
from reconciler.core.kind import Kinds
from reconciler.core.probe import Probes
from reconciler.source.git import Source
from reconciler.store import Store


def _to_nobody(_line: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Parts:
    """`source` raises BadSettings where no repo is set, `fetch` gives what is at a URL, `touch` and `look` give new
    hands and eyes for one pass; `say` is told in words what goes on that is no step.

    `now` is in UTC, to the second. What is resident keeps its memory small, at the price of a fork.
    """

    settings: Settings
    kinds: Kinds
    probes: Probes
    store: Store
    source: Callable[[], Source]
    fetch: Callable[[str], Iterator[bytes]]
    touch: Callable[[], Host]
    look: Callable[[], HostView]
    now: Callable[[], datetime]
    say: Callable[[str], None] = _to_nobody
    is_resident: bool = False
    flaps: Flaps = field(default_factory=Flaps)
    trials: Trials = field(default_factory=Trials)
    checkup: Checkup = field(default_factory=Checkup)
    sight: Sight = field(default_factory=Sight)
