"""The newest revision that was ever accepted here. It never falls: it is ours, on our disk, and no git ref.

Beside it lies what that revision expanded to, so that nothing is parsed twice.
"""

from dataclasses import dataclass
from datetime import datetime

from reconciler.core.identity import Digest, Revision
from reconciler.core.pace import rfc3339
from reconciler.store.database import Database


@dataclass(frozen=True, slots=True)
class Floor:
    commit: Revision
    ref: str
    author: str
    subject: str
    at: datetime


class Floors:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self) -> Floor | None:
        row = self._database.row('SELECT "commit", ref, author, subject, at FROM floor')
        if row is None:
            return None
        commit, ref, author, subject, at = row
        return Floor(Revision(commit), ref, author, subject, datetime.fromisoformat(at))

    def raise_to(self, floor: Floor) -> None:
        """The caller has proved that it descends from the floor before."""
        values = (str(floor.commit), floor.ref, floor.author, floor.subject, rfc3339(floor.at))
        self._database.change("INSERT OR REPLACE INTO floor VALUES (1, ?, ?, ?, ?, ?)", *values)

    def expanded(self, key: str) -> Digest | None:
        """The object that holds the desired state made from `key` (commit, device, version), if it is the last."""
        row = self._database.row("SELECT desired FROM expanded WHERE key = ?", key)
        return Digest(row[0]) if row else None

    def remember(self, key: str, desired: Digest) -> None:
        self._database.change("INSERT OR REPLACE INTO expanded VALUES (1, ?, ?)", key, str(desired))

    def remembered(self) -> Digest | None:
        row = self._database.row("SELECT desired FROM expanded")
        return Digest(row[0]) if row else None
