"""What is remembered: one database and one folder of objects, and a door to each of their parts."""

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from reconciler.core.desired import Desired, canonical
from reconciler.core.errors import CorruptStore
from reconciler.core.identity import Digest
from reconciler.core.kind import Kinds
from reconciler.core.probe import Probes
from reconciler.store.database import Database
from reconciler.store.floor import Floors
from reconciler.store.generations import Generations
from reconciler.store.holds import Holds
from reconciler.store.inventory import Inventories
from reconciler.store.journal import Journal
from reconciler.store.objects import Objects
from reconciler.store.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class Store:
    database: Database
    kinds: Kinds
    probes: Probes
    objects: Objects
    journal: Journal
    generations: Generations
    inventory: Inventories
    floor: Floors
    quarantine: Quarantine
    holds: Holds
    recent: dict[Digest, Desired] = field(default_factory=dict)

    @classmethod
    def at(cls, folder: str, kinds: Kinds, probes: Probes) -> "Store":
        """Nothing is opened or made until it is used."""
        database = Database(os.path.join(folder, "state.db"))
        return cls(
            database=database,
            kinds=kinds,
            probes=probes,
            objects=Objects(os.path.join(folder, "objects")),
            journal=Journal(database, kinds),
            generations=Generations(database),
            inventory=Inventories(database),
            floor=Floors(database),
            quarantine=Quarantine(database),
            holds=Holds(database),
        )

    def transaction(self) -> AbstractContextManager[None]:
        return self.database.transaction()

    def save_desired(self, desired: Desired) -> Digest:
        """As an object; its payloads are put by who has them. Belongs in a batch of objects."""
        content = canonical(desired.to_json())
        digest = Digest.of(content)
        self.objects.put((content,), digest)
        return digest

    def load_desired(self, object: Digest) -> Desired:
        """Raises CorruptStore where it is damaged, or of another format. The last one is kept at hand."""
        if object not in self.recent:
            desired = self._read_desired(object)
            self.recent.clear()
            self.recent[object] = desired
        return self.recent[object]

    def _read_desired(self, object: Digest) -> Desired:
        try:
            return Desired.from_json(json.loads(b"".join(self.objects.open(object))), self.kinds, self.probes)
        except (ValueError, KeyError, TypeError) as error:
            hint = "push any commit: it is made anew"
            raise CorruptStore(f"cannot read a stored desired state: {error}", hint=hint) from error

    def sweep(self) -> int:
        """Objects that no kept generation, no open plan and no accepted revision names go. Returns how many."""
        return self.objects.sweep(set(self._named_objects()))

    def _named_objects(self) -> Iterator[Digest]:
        desired = {record.desired for record in self.generations.at_hand()}
        remembered = self.floor.remembered()
        for object in desired | ({remembered} if remembered else set()):
            if self.objects.has(object):
                yield object
                yield from self.load_desired(object).payloads

    def close(self) -> None:
        self.database.close()
