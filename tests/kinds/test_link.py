import pytest

from reconciler.core.host import Access
from reconciler.core.kind import Mistake
from reconciler.core.state import Occupied
from reconciler.host.simulated import SimulatedHost
from reconciler.kinds.link import KIND, LinkEntry, LinkState, declare
from tests.kinds.laws import Bytes, LawsOfAKind
from tests.kinds.test_file import Inline


class TestLink(LawsOfAKind):
    kind = KIND
    name = "/opt/app/current"

    def a(self, payloads: Bytes) -> LinkState:
        return LinkState("releases/1.0")

    def b(self, payloads: Bytes) -> LinkState:
        return LinkState("/nowhere/at/all")

    def test_a_file_is_in_the_way(self, host: SimulatedHost) -> None:
        host.files.write(self.name, [b"x"], Access())
        host.files.settle()
        assert KIND.observe(self.name, host) == Occupied("file")

    @pytest.mark.parametrize("target", ["", "a\nb", "x" * 5000])
    def test_a_link_leads_to_a_path(self, target: str) -> None:
        with pytest.raises(Mistake, match="leads to a path"):
            declare(self.name, LinkEntry(target), Inline())
