"""The machine itself, or a root of its own, below which owners are not managed: the users here mean nothing there.

What only some devices use is brought in when it is first asked for.
"""

import os
from collections.abc import Iterator
from functools import cached_property

from reconciler.core.errors import CorruptStore
from reconciler.core.host import Files, FilesView, Payloads, Trees, TreesView
from reconciler.core.identity import Digest
from reconciler.core.senses import Commands, Net, Units, UnitsView, Vitals
from reconciler.host.files import HostFiles
from reconciler.host.looks import Looks


class _Senses:
    """What who looks and who touches have alike."""

    def __init__(self, root: str) -> None:
        self.root = root

    @cached_property
    def net(self) -> Net:
        from reconciler.host.net import HostNet  # noqa: PLC0415

        return HostNet(self.root)

    @cached_property
    def vitals(self) -> Vitals:
        from reconciler.host.vitals import HostVitals  # noqa: PLC0415

        return HostVitals(self.root)

    @cached_property
    def commands(self) -> Commands:
        from reconciler.host.commands import HostCommands  # noqa: PLC0415

        return HostCommands(self.root)

    def _units(self) -> Units:
        if _is_machine(self.root):
            from reconciler.host.systemd import SystemdUnits  # noqa: PLC0415  # 4 MB that only a machine with services needs

            return SystemdUnits()
        from reconciler.host.supervised import SupervisedUnits  # noqa: PLC0415  # only a sandbox has it

        return SupervisedUnits(self.root)

    def _trees(self, payloads: Payloads) -> Trees:
        from reconciler.host.trees import real_trees  # noqa: PLC0415

        return real_trees(self.root, payloads)


class RealView(_Senses):
    """Satisfies HostView: it has no hands, so it needs no payloads."""

    @cached_property
    def files(self) -> FilesView:
        return Looks(self.root, owners=_is_machine(self.root))

    @cached_property
    def trees(self) -> TreesView:
        return self._trees(_Nothing())

    @cached_property
    def units(self) -> UnitsView:
        return self._units()


class RealHost(_Senses):
    """Satisfies Host. Make one for each pass: what it knows of links and names grows old."""

    def __init__(self, root: str, payloads: Payloads) -> None:
        super().__init__(root)
        self.payloads = payloads

    @cached_property
    def files(self) -> Files:
        return HostFiles(self.root, owners=_is_machine(self.root))

    @cached_property
    def trees(self) -> Trees:
        return self._trees(self.payloads)

    @cached_property
    def units(self) -> Units:
        return self._units()


class _Nothing:
    """Who only looks has no bytes to bring."""

    def open(self, digest: Digest) -> Iterator[bytes]:
        raise CorruptStore(f"cannot open {digest.short}: who looks has no payloads")


def _is_machine(root: str) -> bool:
    return os.path.realpath(root) == "/"
