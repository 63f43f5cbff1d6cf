"""What is committed survives, and who only looks writes nothing."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.errors import CorruptStore, Denied, ForeignFormat
from reconciler.core.pace import HoldKind
from reconciler.store import Store
from reconciler.store.database import Database

INSERT = "INSERT INTO hold VALUES (?, '', 'r', '2026-01-01T00:00:00Z', 'l', NULL)"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(str(tmp_path / "state.db"))
    yield made
    made.close()


def held(database: Database) -> list[str]:
    try:
        return [kind for (kind,) in database.rows("SELECT kind FROM hold ORDER BY kind")]
    finally:
        database.close()


def test_a_look_at_nothing_makes_nothing(database: Database) -> None:
    assert held(database) == []
    assert not os.path.exists(database.path)


def test_a_look_writes_nothing_and_opens_for_reading(database: Database, tmp_path: Path) -> None:
    with database.transaction():
        database.change(INSERT, "a")
    database.close()
    before = {name: os.stat(tmp_path / name).st_mtime_ns for name in os.listdir(tmp_path)}
    assert held(Database(database.path)) == ["a"]
    assert {name: os.stat(tmp_path / name).st_mtime_ns for name in os.listdir(tmp_path)} == before


def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    with pytest.raises(KeyboardInterrupt), database.transaction():
        database.change(INSERT, "a")
        with database.transaction():
            database.change(INSERT, "b")
        raise KeyboardInterrupt
    assert held(database) == []
    with database.transaction():
        database.change(INSERT, "c")
    assert held(database) == ["c"]


def test_a_change_belongs_in_a_transaction(database: Database) -> None:
    with pytest.raises(RuntimeError, match="belongs in a transaction"):
        database.change(INSERT, "a")


def test_a_transaction_that_was_cut_off_is_rolled_back_by_the_next_look(database: Database) -> None:
    """Killed with the journal on the disk and the database half written."""
    with database.transaction():
        database.change(INSERT, "a")
    database.close()
    script = (
        "import os, signal, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA journal_mode=TRUNCATE')\n"
        "c.execute('PRAGMA cache_size=1')\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "for n in range(20000): c.execute(\"INSERT INTO hold VALUES (?, '', 'r', 's', 'l', NULL)\", (f'k{n}',))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, database.path], check=False)
    assert os.path.getsize(database.path + "-journal") > 0, "the control: there is something to roll back"
    assert held(Database(database.path)) == ["a"]


def test_a_file_that_never_got_its_tables_is_made_anew(database: Database) -> None:
    Path(database.path).touch()
    assert held(database) == []


def test_a_foreign_format_is_an_error(database: Database) -> None:
    with database.transaction():
        database.change(INSERT, "a")
    database.close()
    with sqlite3.connect(database.path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(ForeignFormat, match="it has format 99, this release reads 2"):
        held(Database(database.path))


def test_what_is_no_database_is_an_error(database: Database) -> None:
    Path(database.path).write_bytes(b"x" * 8192)
    with pytest.raises(CorruptStore):
        held(database)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_ours(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o500)
    with pytest.raises(Denied), Database(str(tmp_path / "state.db")).transaction():
        pass


def test_names_with_a_meaning_in_a_uri(tmp_path: Path) -> None:
    folder = tmp_path / "a?b#c%20"
    folder.mkdir()
    database = Database(str(folder / "state.db"))
    with database.transaction():
        database.change(INSERT, "a")
    database.close()
    assert held(Database(database.path)) == ["a"]


def test_what_an_older_release_remembered_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "format_1.sql").read_text())
    connection.close()
    store = Store.at(str(tmp_path), {}, {})
    (hold,) = store.holds.all()
    assert (hold.kind, hold.subject, hold.reason) == (HoldKind.ROLLBACK, "", "rolled back to generation 1")
    (failed,) = store.quarantine.all()
    assert (failed.fault.code, failed.fault.evidence) == ("not-converged", ())
    with store.transaction():
        store.holds.lift(hold)
    store.close()
    assert Store.at(str(tmp_path), {}, {}).holds.all() == ()


def test_a_foreign_format_is_refused_at_every_look(database: Database) -> None:
    with database.transaction():
        database.change("PRAGMA user_version=99")
    database.close()
    for _ in range(2):
        with pytest.raises(ForeignFormat):
            database.rows("SELECT kind FROM hold")
