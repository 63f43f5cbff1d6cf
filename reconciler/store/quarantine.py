"""What failed here is not tried again, across restarts, until an operator clears it; it blocks nothing else."""

from datetime import datetime

from reconciler.core.identity import Digest, Revision
from reconciler.core.journal import Fault
from reconciler.core.pace import rfc3339
from reconciler.core.status import Quarantined
from reconciler.store.database import Database


class Quarantine:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[Quarantined, ...]:
        rows = self._database.rows('SELECT digest, "commit", code, message, at FROM quarantine ORDER BY at, digest')
        return tuple(_quarantined(row) for row in rows)

    def get(self, digest: Digest) -> Quarantined | None:
        query = 'SELECT digest, "commit", code, message, at FROM quarantine WHERE digest = ?'
        row = self._database.row(query, str(digest))
        return _quarantined(row) if row else None

    def add(self, entry: Quarantined) -> None:
        values = (str(entry.digest), str(entry.commit), entry.fault.code, entry.fault.message, rfc3339(entry.at))
        self._database.change("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?)", *values)

    def clear(self, digest: Digest) -> None:
        self._database.change("DELETE FROM quarantine WHERE digest = ?", str(digest))


def _quarantined(row: tuple[str, ...]) -> Quarantined:
    digest, commit, code, message, at = row
    return Quarantined(Digest(digest), Revision(commit), Fault(code, message), datetime.fromisoformat(at))
