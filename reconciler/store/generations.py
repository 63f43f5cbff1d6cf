"""The desired states that this device accepted, each complete in itself, and which of them is in force."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.core.facts import Applied
from reconciler.core.identity import Digest, Generation, Revision
from reconciler.core.journal import Outcome
from reconciler.core.pace import rfc3339
from reconciler.store.database import Database

KEEP = 200
"""Generations of which history tells."""

KEEP_DESIRED = 10
"""Generations to which a device can go back, besides the one in force: their payloads take room."""

RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Record:
    """One line of history. `result` is `running` or how its last plan ended; `desired` is an object."""

    generation: Generation
    digest: Digest
    commit: Revision
    author: str
    subject: str
    plan: Digest
    result: str
    reason: str | None
    started: datetime
    ended: datetime | None
    desired: Digest


def duration_of(record: Record) -> timedelta | None:
    """None while it runs, and where the clock went back meanwhile: then nobody knows."""
    took = record.ended - record.started if record.ended else None
    return took if took is not None and took >= timedelta(0) else None


class Generations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Record]:
        """Newest first."""
        return [_record(row) for row in self._database.rows(f"{_SELECT} ORDER BY number DESC")]

    def get(self, generation: Generation) -> Record | None:
        row = self._database.row(f"{_SELECT} WHERE number = ?", generation.number)
        return _record(row) if row else None

    def newest(self) -> Record | None:
        row = self._database.row(f"{_SELECT} ORDER BY number DESC LIMIT 1")
        return _record(row) if row else None

    def at_hand(self) -> list[Record]:
        """Those whose desired state is kept: what failed is nothing to go back to."""
        applied = self.applied()
        in_force = applied.generation if applied else None
        useful = (r for r in self.all() if r.result in (Outcome.CONVERGED, RUNNING))
        return [r for n, r in enumerate(useful) if n < KEEP_DESIRED or r.generation == in_force]

    def put(self, record: Record) -> None:
        """New, or tried again."""
        self._database.change(
            "INSERT OR REPLACE INTO generation VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            record.generation.number,
            str(record.digest),
            str(record.commit),
            record.author,
            record.subject,
            str(record.plan),
            record.result,
            record.reason,
            rfc3339(record.started),
            rfc3339(record.ended) if record.ended else None,
            str(record.desired),
        )

    def end(self, generation: Generation, result: str, reason: str | None, at: datetime) -> None:
        statement = "UPDATE generation SET result = ?, reason = ?, ended = ? WHERE number = ?"
        self._database.change(statement, result, reason, rfc3339(at), generation.number)

    def forget_old(self) -> None:
        """All but the newest KEEP, never the one in force."""
        self._database.change(
            "DELETE FROM generation WHERE number <= (SELECT max(number) FROM generation) - ?"
            " AND number NOT IN (SELECT generation FROM applied)",
            KEEP,
        )

    def applied(self) -> Applied | None:
        row = self._database.row('SELECT generation, "commit", digest, at FROM applied')
        if row is None:
            return None
        number, commit, digest, at = row
        return Applied(Generation(number), Revision(commit), Digest(digest), datetime.fromisoformat(at))

    def apply(self, applied: Applied) -> None:
        self._database.change(
            "INSERT OR REPLACE INTO applied VALUES (1, ?, ?, ?, ?)",
            applied.generation.number,
            str(applied.commit),
            str(applied.digest),
            rfc3339(applied.at),
        )


_SELECT = (
    'SELECT number, digest, "commit", author, subject, plan, result, reason, started, ended, desired FROM generation'
)


def _record(row: tuple[str, ...]) -> Record:
    number, digest, commit, author, subject, plan, result, reason, started, ended, desired = row
    return Record(
        generation=Generation(int(number)),
        digest=Digest(digest),
        commit=Revision(commit),
        author=author,
        subject=subject,
        plan=Digest(plan),
        result=result,
        reason=reason,
        started=datetime.fromisoformat(started),
        ended=datetime.fromisoformat(ended) if ended else None,
        desired=Digest(desired),
    )
