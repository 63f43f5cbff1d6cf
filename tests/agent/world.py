"""A device in memory with a real store: what the laws of a pass are checked on."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from reconciler import probes
from reconciler.agent.activate import activate, go_on
from reconciler.agent.parts import Parts
from reconciler.agent.settings import Settings
from reconciler.agent.target import Target
from reconciler.core.desired import Desired, Mode, Resource, canonical
from reconciler.core.errors import Place
from reconciler.core.host import Access
from reconciler.core.identity import DeviceName, Digest, Generation, ResourceId, Revision
from reconciler.core.inventory import Limits
from reconciler.core.journal import Progress, Purpose
from reconciler.core.state import State
from reconciler.host.simulated import PowerCut, SimulatedFiles, SimulatedHost
from reconciler.kinds import discover
from reconciler.source.git import Source
from reconciler.source.remote import Remote
from reconciler.store import Store
from reconciler.store.database import Database

KINDS = discover()
PROBES = probes.discover()
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # a power cut of the device is not one of this machine


class CuttingDatabase(Database):
    """Loses power at the nth commit from now: before it, or right after it."""

    cut_at: int | None = None
    after = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._depth or self.cut_at is None:
            with super().transaction():
                yield
            return
        self.cut_at -= 1
        if self.cut_at == 0 and not self.after:
            with super().transaction():
                yield
                raise PowerCut
        with super().transaction():
            yield
        if self.cut_at == 0:
            raise PowerCut


class World:
    """`files` are the device; the store is on a real file system."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="reconciler-world-", dir=MEMORY)
        self.files = SimulatedFiles()
        self.database = CuttingDatabase(os.path.join(self.folder, "state.db"))
        self.parts = self._parts()
        self.generation = 0

    def close(self) -> None:
        self.parts.store.close()
        shutil.rmtree(self.folder)

    def put(self, path: str, content: bytes, mode: int = 0o640) -> None:
        """Somebody's file that was there before us."""
        for folder in folders(path):
            self.files.make_directory(folder, Access())
        self.files.write(path, [content], Access(mode))
        self.files.settle()

    def bring(
        self, desired: Desired, contents: Mapping[Digest, bytes], purpose: Purpose = Purpose.NEW
    ) -> Progress | None:
        with self.parts.store.objects.batch():
            for digest in desired.payloads:
                self.parts.store.objects.put((contents[digest],), digest)
        if purpose is Purpose.NEW:
            self.generation += 1
        target = Target(desired, Generation(self.generation), purpose, Revision("a" * 40))
        _, progress = activate(self.parts, target, lambda *_: None)
        return progress

    def recover(self) -> Progress | None:
        """As the next process does, which has nothing but the disk."""
        return go_on(self.parts, lambda *_: None)

    def restart(self) -> None:
        """Only the process died."""
        self.files.restart()
        self._begin_anew()

    def reboot(self, survive: int, keep_data: bool) -> None:
        self.files.reboot(survive, (lambda content: content) if keep_data else (lambda _content: b""))
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.database.close()
        self.database.cut_at = None
        self.parts = self._parts()

    @property
    def owned(self) -> dict[str, str]:
        inventory = self.parts.store.inventory.load().owned
        return {str(id): str(entry.origin) for id, entry in sorted(inventory.items())}

    def _parts(self) -> Parts:
        store = replace_database(Store.at(self.folder, KINDS, PROBES), self.database)
        settings = Settings(DeviceName("pi"), "/nowhere", "main", self.folder, "/nowhere")
        return Parts(
            settings=settings,
            kinds=KINDS,
            probes=PROBES,
            store=store,
            fetch=lambda url: iter(()),
            source=lambda: Source(Remote("/nowhere"), f"{self.folder}/repo", f"{self.folder}/lock"),
            touch=lambda: SimulatedHost(store.objects, self.files),
            look=lambda: SimulatedHost(store.objects, self.files),
            now=lambda: NOON,
        )


def replace_database(store: Store, database: Database) -> Store:
    parts = {
        name: type(getattr(store, name))(database)
        for name in ("generations", "inventory", "floor", "quarantine", "holds")
    }
    return replace(store, database=database, journal=type(store.journal)(database, KINDS), **parts)


def desired(
    states: Mapping[str, State], limits: Limits | None = None, rules: Mapping[str, Mode] | None = None
) -> Desired:
    """`states` by id, with the folders that they need and nobody names."""
    resources: dict[ResourceId, Resource] = {}
    for text, state in states.items():
        id = ResourceId.parse(text)
        rule = (rules or {}).get(text, Mode.ENFORCE)
        resources[id] = Resource(id, state, Place("devices/pi.yaml"), tuple(KINDS[id.kind].needs(id.name, state)), rule)
    for id in list(resources):
        for folder in folders(KINDS[id.kind].place(id.name) or ""):
            need = ResourceId("directory", folder)
            if need not in resources:
                state = KINDS["directory"].implied
                needs = tuple(KINDS["directory"].needs(folder, state))
                resources[need] = Resource(need, state, Place("devices/pi.yaml"), needs, implied_by=id)
    payloads = (digest for r in resources.values() for digest in KINDS[r.id.kind].payloads(r.state))
    return Desired(
        device=DeviceName("pi"),
        digest=Digest.of(canonical({text: repr(state) for text, state in states.items()})),
        mode=Mode.ENFORCE,
        resources=resources,
        limits=limits or Limits(max_deletes=100, max_delete_percent=100),
        payloads=frozenset(payloads),
    )


def folders(path: str) -> list[str]:
    """From the root down."""
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: n + 1]) for n in range(len(parts))]
