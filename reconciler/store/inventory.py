"""What we own is written down before we make it, so that nothing we made is ever unknown to us."""

from reconciler.core.identity import ResourceId
from reconciler.core.inventory import Inventory, Origin, Owned
from reconciler.store.database import Database


class Inventories:
    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> Inventory:
        rows = self._database.rows("SELECT resource, origin, implied FROM inventory")
        return Inventory.of(Owned(ResourceId.parse(text), Origin(origin), bool(flag)) for text, origin, flag in rows)

    def save(self, before: Inventory, after: Inventory) -> None:
        """Only what differs is written."""
        for id in before.owned:
            if id not in after:
                self._database.change("DELETE FROM inventory WHERE resource = ?", str(id))
        for id, entry in after.owned.items():
            if before.owned.get(id) != entry:
                values = (str(id), str(entry.origin), int(entry.implied))
                self._database.change("INSERT OR REPLACE INTO inventory VALUES (?, ?, ?)", *values)
