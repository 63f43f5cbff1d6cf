"""The machine itself, or a root of its own, below which owners are not managed: the users here mean nothing there."""

import os

from reconciler.core.host import Files, FilesView, Payloads
from reconciler.host.files import HostFiles
from reconciler.host.looks import Looks


class RealHost:
    """Satisfies Host. Make one for each pass: what it knows of links and names grows old."""

    def __init__(self, root: str, payloads: Payloads) -> None:
        self.files: Files = HostFiles(root, owners=_is_machine(root))
        self.payloads = payloads


class RealView:
    """Satisfies HostView: it has no hands, so it needs no payloads."""

    def __init__(self, root: str) -> None:
        self.files: FilesView = Looks(root, owners=_is_machine(root))


def _is_machine(root: str) -> bool:
    return os.path.realpath(root) == "/"
