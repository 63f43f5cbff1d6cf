"""Entries are only ever added, durably; those of the last plan are kept until the next one opens."""

import json
from collections.abc import Iterable

from reconciler.core.errors import ForeignFormat
from reconciler.core.journal import Entry, Opened, Progress, replay
from reconciler.core.kind import Kinds
from reconciler.core.record import entry_from_json, entry_to_json
from reconciler.store.database import Database


class Journal:
    """`is_ours` says whether this process has written to it: then none that worked on the open plan has ended."""

    def __init__(self, database: Database, kinds: Kinds) -> None:
        self._database = database
        self._kinds = kinds
        self.is_ours = False

    def append(self, entries: Iterable[Entry]) -> None:
        """On the disk when this returns, unless a transaction is open around it."""
        with self._database.transaction():
            for entry in entries:
                if isinstance(entry, Opened):
                    self._database.change("DELETE FROM journal")
                text = json.dumps(entry_to_json(entry), separators=(",", ":"))
                self._database.change("INSERT INTO journal (entry) VALUES (?)", text)
        self.is_ours = True

    def entries(self) -> list[Entry]:
        """Raises ForeignFormat."""
        rows = self._database.rows("SELECT entry FROM journal ORDER BY seq")
        return [entry_from_json(_parse(text), self._kinds) for (text,) in rows]

    def progress(self) -> Progress | None:
        """How far the last plan has come; None before the first."""
        return replay(self.entries())

    def is_open(self) -> bool:
        """Whether a plan is open, by a look at the last entry alone."""
        row = self._database.row("SELECT entry FROM journal ORDER BY seq DESC LIMIT 1")
        return row is not None and _parse(row[0]).get("entry") != "closed"


def _parse(text: str) -> dict[str, object]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ForeignFormat(f"cannot read the journal: {error}") from error
    if not isinstance(data, dict):
        raise ForeignFormat("cannot read the journal: an entry is no map")
    return data
