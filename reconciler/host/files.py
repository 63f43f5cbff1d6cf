"""The files of a real machine, or of a root of its own: seen as they are, touched in batches."""

from reconciler.host.batch import Batch
from reconciler.host.hands import RealHands
from reconciler.host.looks import Looks


class HostFiles(Looks, Batch):
    """Under a root other than "/" every path is taken below it, and nothing leads out; there, leave owners out.

    Not for two threads at once. What it knows of links and names is as old as its last effect or `forget`.
    """

    def __init__(self, root: str = "/", *, owners: bool = True) -> None:
        Looks.__init__(self, root, owners=owners)
        Batch.__init__(self, RealHands(root, self._owners, self._folders.clear))
