"""What failed here is not tried again, across restarts, until an operator clears it; it blocks nothing else."""

import json
from datetime import datetime

from reconciler.core.facts import Quarantined
from reconciler.core.identity import Digest, Revision
from reconciler.core.journal import Fault
from reconciler.core.pace import rfc3339
from reconciler.store.database import Database


class Quarantine:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[Quarantined, ...]:
        rows = self._database.rows(f"{_SELECT} ORDER BY at, digest")
        return tuple(_quarantined(row) for row in rows)

    def get(self, digest: Digest) -> Quarantined | None:
        row = self._database.row(f"{_SELECT} WHERE digest = ?", str(digest))
        return _quarantined(row) if row else None

    def add(self, entry: Quarantined) -> None:
        fault, evidence = entry.fault, json.dumps(entry.fault.evidence)
        values = (str(entry.digest), str(entry.commit), fault.code, fault.message, rfc3339(entry.at), evidence)
        self._database.change("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)", *values)

    def clear(self, digest: Digest) -> None:
        self._database.change("DELETE FROM quarantine WHERE digest = ?", str(digest))


_SELECT = 'SELECT digest, "commit", code, message, at, evidence FROM quarantine'


def _quarantined(row: tuple[str, ...]) -> Quarantined:
    digest, commit, code, message, at, evidence = row
    fault = Fault(code, message, evidence=tuple(json.loads(evidence)))
    return Quarantined(Digest(digest), Revision(commit), fault, datetime.fromisoformat(at))
