"""Whether the state database is whole, told by a reader that cannot change it.

Beside an open transaction not even that is opened: SQLite, run by root, gives the journal's file to its owner again.
"""

import os
import sqlite3
import time
from contextlib import closing
from urllib.parse import quote

from reconciler.agent.doctor.finding import Finding, fault, ok, warning
from reconciler.store.database import FORMAT

NAME = "database"
PATIENCE_S = 1.0
"""For somebody else's transaction to end; they take milliseconds."""

_ASIDE = "put it aside: the next sync adopts what is on the device (docs/how-to/recover.md says what is lost)"
_CUT_OFF = "`reconciler sync` takes it back, and goes on from there"


def look(path: str) -> Finding:
    """Only where this is ok may others read what is recorded."""
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        return ok(NAME, "there is none yet: nothing was ever synced here")
    except OSError as error:
        return fault(NAME, f"{path} cannot be looked at: {error.strerror}", "run this as the owner of its folder")
    if not os.access(path, os.R_OK):
        return fault(NAME, f"{path} is closed to us", "run this as its owner")
    if size == 0:
        return warning(NAME, f"{path} is empty: whoever made it was cut off", "`reconciler sync` gives it its tables")
    if not _is_at_rest(path):
        return warning(NAME, f"a transaction in {path} was cut off", _CUT_OFF)
    try:
        return _examined(path)
    except sqlite3.Error as error:
        return _explained(path, error)


def _is_at_rest(path: str) -> bool:
    """Or comes to rest soon: a journal that has a content belongs to a transaction."""
    end = time.monotonic() + PATIENCE_S
    while _size(f"{path}-journal"):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _examined(path: str) -> Finding:
    with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=PATIENCE_S)) as connection:
        complaints = [text for (text,) in connection.execute("PRAGMA quick_check(3)")]
        (format,) = connection.execute("PRAGMA user_version").fetchone()
    if complaints != ["ok"]:
        return fault(NAME, f"{path} is damaged: {'; '.join(complaints)}", _ASIDE)
    if format != FORMAT:
        return _foreign(path, format)
    return ok(NAME, f"{path} is whole")


def _foreign(path: str, format: int) -> Finding:
    """An older one is brought up to date by whoever may write: a reader that cannot waits for that."""
    seen = f"{path} has format {format}, this release reads {FORMAT}"
    if format < FORMAT:
        return warning(NAME, seen, "`reconciler sync` brings it up to date")
    return fault(NAME, seen, "run the release of reconciler that wrote it, or a newer one")


def _explained(path: str, error: sqlite3.Error) -> Finding:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_BUSY:
            return warning(NAME, f"{path} is being written to", "ask again in a moment")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return fault(NAME, f"{path} is damaged: {error}", _ASIDE)
        case sqlite3.SQLITE_IOERR:
            return fault(NAME, f"{path} cannot be read: {error}", "check the disk: `dmesg` may tell more")
    return fault(NAME, f"{path} cannot be read: {error}", "run this as the owner of its folder")
