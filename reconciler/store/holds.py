"""A hold that an operator set outlives every process, and says what lifts it."""

from datetime import datetime

from reconciler.core.pace import Hold, HoldKind, rfc3339
from reconciler.store.database import Database


class Holds:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[Hold, ...]:
        rows = self._database.rows(
            "SELECT kind, subject, reason, since, lift, until FROM hold ORDER BY since, kind, subject"
        )
        return tuple(_hold(row) for row in rows)

    def set(self, hold: Hold) -> None:
        until = rfc3339(hold.until) if hold.until else None
        values = (str(hold.kind), hold.subject, hold.reason, rfc3339(hold.since), hold.lift, until)
        self._database.change("INSERT OR REPLACE INTO hold VALUES (?, ?, ?, ?, ?, ?)", *values)

    def lift(self, hold: Hold) -> None:
        self._database.change("DELETE FROM hold WHERE kind = ? AND subject = ?", str(hold.kind), hold.subject)


def _hold(row: tuple[str, ...]) -> Hold:
    kind, subject, reason, since, lift, until = row
    ends = datetime.fromisoformat(until) if until else None
    return Hold(HoldKind(kind), reason, datetime.fromisoformat(since), lift, ends, subject)
