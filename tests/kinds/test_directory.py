from reconciler.core.host import Access
from reconciler.core.state import ABSENT, Occupied
from reconciler.host.simulated import SimulatedHost
from reconciler.kinds.directory import KIND, DirectoryState
from tests.kinds.laws import Bytes, LawsOfAKind


class TestDirectory(LawsOfAKind):
    kind = KIND
    name = "/srv/media"

    def a(self, payloads: Bytes) -> DirectoryState:
        return DirectoryState(mode=0o750)

    def b(self, payloads: Bytes) -> DirectoryState:
        return DirectoryState(mode=0o2775, owner="media", group="media")

    def test_what_others_use_stays(self, host: SimulatedHost) -> None:
        self.bring(host, DirectoryState())
        host.files.write("/srv/media/song", [b"la"], Access())
        host.files.settle()
        self.bring(host, ABSENT)
        assert host.files.stat("/srv/media/song") is not None
        assert KIND.diff(ABSENT, KIND.observe(self.name, host)) == (), "it is as absent as it can be"

    def test_a_link_that_leads_to_a_directory_is_as_good_as_one(self, host: SimulatedHost) -> None:
        host.files.make_directory("/srv/real", Access(0o711))
        host.files.link("/srv/media", "real")
        host.files.settle()
        assert KIND.observe(self.name, host) == DirectoryState(0o711, "root", "root")

    def test_a_link_that_dangles_is_in_the_way(self, host: SimulatedHost) -> None:
        host.files.link("/srv/media", "nowhere")
        host.files.settle()
        assert KIND.observe(self.name, host) == Occupied("link")

    def test_a_file_is_in_the_way(self, host: SimulatedHost) -> None:
        host.files.write("/srv/media", [b"x"], Access())
        host.files.settle()
        assert KIND.observe(self.name, host) == Occupied("file")
