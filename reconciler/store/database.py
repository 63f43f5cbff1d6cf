"""What is committed here survives a power cut, and who only looks writes nothing.

journal_mode=TRUNCATE, because merely reading a WAL database writes beside it; synchronous=FULL, so that a commit is on
the disk when it returns. The database is opened for reading until somebody writes.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from reconciler import durable
from reconciler.core.errors import Broken, CorruptStore, Denied, Failure, ForeignFormat, InputOutput, NoRoom

FORMAT = 2
BUSY_MS = 5000

_SCHEMA = """
CREATE TABLE journal (seq INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;
CREATE TABLE generation (
    number INTEGER PRIMARY KEY, digest TEXT NOT NULL, "commit" TEXT NOT NULL, author TEXT NOT NULL,
    subject TEXT NOT NULL, plan TEXT NOT NULL, result TEXT NOT NULL, reason TEXT,
    started TEXT NOT NULL, ended TEXT, desired TEXT NOT NULL
) STRICT;
CREATE TABLE applied (only INTEGER PRIMARY KEY CHECK (only = 1), generation INTEGER NOT NULL,
    "commit" TEXT NOT NULL, digest TEXT NOT NULL, at TEXT NOT NULL) STRICT;
CREATE TABLE inventory (resource TEXT PRIMARY KEY, origin TEXT NOT NULL,
    implied INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE floor (only INTEGER PRIMARY KEY CHECK (only = 1), "commit" TEXT NOT NULL, ref TEXT NOT NULL,
    author TEXT NOT NULL, subject TEXT NOT NULL, at TEXT NOT NULL) STRICT;
CREATE TABLE expanded (only INTEGER PRIMARY KEY CHECK (only = 1), key TEXT NOT NULL, desired TEXT NOT NULL) STRICT;
CREATE TABLE quarantine (digest TEXT PRIMARY KEY, "commit" TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
    at TEXT NOT NULL, evidence TEXT NOT NULL DEFAULT '[]') STRICT, WITHOUT ROWID;
CREATE TABLE hold (kind TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL, since TEXT NOT NULL,
    lift TEXT NOT NULL, until TEXT, PRIMARY KEY (kind, subject)) STRICT, WITHOUT ROWID;
"""

_UPGRADES = {
    1: """
ALTER TABLE quarantine ADD COLUMN evidence TEXT NOT NULL DEFAULT '[]';
ALTER TABLE hold RENAME TO hold_1;
CREATE TABLE hold (kind TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL, since TEXT NOT NULL,
    lift TEXT NOT NULL, until TEXT, PRIMARY KEY (kind, subject)) STRICT, WITHOUT ROWID;
INSERT INTO hold SELECT kind, '', reason, since, lift, until FROM hold_1;
DROP TABLE hold_1;
""",
}
"""By the format that each of them takes to the next one."""

_CAUSES: dict[int, tuple[type[Failure], str]] = {
    sqlite3.SQLITE_FULL: (NoRoom, "free some space"),
    sqlite3.SQLITE_NOMEM: (NoRoom, "free some memory"),
    sqlite3.SQLITE_IOERR: (InputOutput, "check the disk: `dmesg` may tell more"),
    sqlite3.SQLITE_READONLY: (Denied, "run this as the owner of the state directory"),
    sqlite3.SQLITE_PERM: (Denied, "run this as the owner of the state directory"),
    sqlite3.SQLITE_CANTOPEN: (Denied, "run this as the owner of the state directory"),
    sqlite3.SQLITE_CORRUPT: (CorruptStore, "put it aside: the next sync adopts what is on the device"),
    sqlite3.SQLITE_NOTADB: (CorruptStore, "put it aside: the next sync adopts what is on the device"),
}


class Database:
    """One file, one writer at a time (who holds the agent's lock), any number of readers."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._may_write = False
        self._depth = 0

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._named():
            return self._reader().execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        return next(iter(self.rows(query, *values)), None)

    def change(self, statement: str, *values: Any) -> None:
        """Part of the transaction that is open; there must be one."""
        if not self._depth:
            raise RuntimeError("a change belongs in a transaction")
        with self._named():
            self._writer().execute(statement, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes within are kept, durably, or none. One inside another is part of it."""
        if self._depth:
            yield
            return
        with self._named():
            self._writer().execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
            with self._named():
                self._writer().execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._writer().execute("ROLLBACK")
            raise
        finally:
            self._depth = 0

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._may_write = False

    def _reader(self) -> sqlite3.Connection:
        if self._connection is None:
            if not os.path.exists(self.path):
                self._connection = sqlite3.connect(":memory:", isolation_level=None)
                self._connection.executescript(_SCHEMA)
            elif self._is_interrupted():
                return self._writer()
            else:
                connection = _connect(f"file:{_quote(self.path)}?mode=ro")
                if _format(connection) in _UPGRADES:
                    connection.close()
                    return self._writer()
                _check_format(connection, self.path)
                self._connection = connection
        return self._connection

    def _writer(self) -> sqlite3.Connection:
        if self._connection is None or not self._may_write:
            self.close()
            self._connection = self._open_to_write()
            self._may_write = True
        return self._connection

    def _open_to_write(self) -> sqlite3.Connection:
        is_new = not os.path.exists(self.path)
        if is_new:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            durable.fsync_directory(os.path.dirname(self.path))
        connection = _connect(f"file:{_quote(self.path)}?mode=rw")
        connection.execute("PRAGMA journal_mode=TRUNCATE")
        connection.execute("PRAGMA synchronous=FULL")
        if _format(connection) == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={FORMAT}; COMMIT")
        while (format := _format(connection)) in _UPGRADES:
            upgrade = f"{_UPGRADES[format]} PRAGMA user_version={format + 1};"
            connection.executescript(f"BEGIN IMMEDIATE; {upgrade} COMMIT")
        _check_format(connection, self.path)
        return connection

    def _is_interrupted(self) -> bool:
        """Whether a transaction was cut off, or the file never got its tables; only who may write can mend that."""
        journal = f"{self.path}-journal"
        return os.path.getsize(self.path) == 0 or (os.path.exists(journal) and os.path.getsize(journal) > 0)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors of SQLite and of the system by who must act on them."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            failure, hint = _CAUSES.get(code, (Broken, None))
            raise failure(f"cannot use the state database: {error}", where=self.path, hint=hint) from error
        except PermissionError as error:
            hint = "run this as the owner of the state directory"
            raise Denied(f"cannot use the state database: {error.strerror}", where=self.path, hint=hint) from error
        except OSError as error:
            raise InputOutput(f"cannot use the state database: {error.strerror}", where=self.path) from error


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    return connection


def _format(connection: sqlite3.Connection) -> int:
    (format,) = connection.execute("PRAGMA user_version").fetchone()
    return int(format)


def _check_format(connection: sqlite3.Connection, path: str) -> None:
    format = _format(connection)
    if format != FORMAT:
        raise ForeignFormat(
            f"cannot read the state database: it has format {format}, this release reads {FORMAT}",
            where=path,
            hint="run the release of reconciler that wrote it",
        )


def _quote(path: str) -> str:
    """For an SQLite URI: these three have a meaning there."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
