"""Copy a journal out of the open connection. A part of adapters/journal/store.py.

It is copied before its tables are migrated, and when its file is gone or damaged. A deleted or replaced file exists
as long as it is open, and can be copied whole. From a truncated or overwritten file, the readable rows are saved
table by table.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from adapters.journal.schema import MIGRATIONS, migrate

_TABLES = ("meta", "records", "incidents", "incident_guests", "messages", "audit", "dashboards")


def copy_all(source: sqlite3.Connection, target: Path) -> bool:
    """Copy the whole journal to `target`. Return False if the source is damaged or cannot be read completely.

    Return False for an I/O error, too, because it may be that of either file.
    Raises: sqlite3.Error if `target` surely cannot be written.
    """
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as db:
        try:
            source.backup(db)
            whole = db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
            return whole and db.execute("PRAGMA foreign_key_check").fetchone() is None
        except sqlite3.DatabaseError as error:
            if _of_target(error):
                raise
            return False
        except UnicodeDecodeError:  # SQLite's error quotes damaged bytes
            return False


def keep_former(source: sqlite3.Connection, path: Path, version: int) -> None:
    """Keep a copy of the journal as it is, if its tables are about to be migrated.

    `version`: the number of migration steps that it has already. The copy is beside the journal, and a bot that knows
    only these steps can open it.
    Raises: sqlite3.Error, OSError.
    """
    if not 0 < version < len(MIGRATIONS):
        return
    fresh = path.with_name(f".{path.name}.{version}.tmp")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as db:
        source.backup(db)
        db.execute("PRAGMA journal_mode = DELETE")  # all of it is in one file
    fresh.replace(path.with_name(f"{path.name}.version-{version}"))


def salvage(source: sqlite3.Connection, target: Path, meta: Mapping[str, object], last_audit: int) -> None:
    """Save the rows of each table, up to its first unreadable row, to `target`.

    Guests of an incident that is lost are left out. So are later records of an attempt whose first record is lost.
    `meta`: rows to store in the table of this name, in place of those that are read.
    `last_audit`: the last id of the audit trail. No new record gets it or a lower one.
    Raises: sqlite3.Error or OSError if `target` cannot be written.
    """
    target.write_bytes(b"")
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as db:
        migrate(db, 0)
        db.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            _save(source, db, table)
        db.executemany("REPLACE INTO meta VALUES (?, ?)", list(meta.items()))
        db.execute("DELETE FROM incident_guests WHERE incident NOT IN (SELECT id FROM incidents)")
        db.execute("DELETE FROM audit WHERE attempt NOT IN (SELECT id FROM audit WHERE attempt IS NULL)")
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'audit'")
        db.execute("INSERT INTO sqlite_sequence VALUES ('audit', ?)", (last_audit,))
        db.execute("COMMIT")


def _save(source: sqlite3.Connection, db: sqlite3.Connection, table: str) -> None:
    """Copy the rows of a table until one cannot be read. A row that the new table refuses is left out.

    Raises: sqlite3.DatabaseError if the target cannot be written.
    """
    for row in _readable_rows(source, table):
        marks = ", ".join("?" * len(row))
        try:
            db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608 - fixed words
        except sqlite3.IntegrityError:
            continue
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorname", "SQLITE_ERROR") == "SQLITE_ERROR":
                return  # the table of the source has other columns
            raise


def _readable_rows(source: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a table until one cannot be read."""
    with contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError):
        for row in source.execute(f"SELECT * FROM {table} ORDER BY rowid"):  # noqa: S608 - fixed words
            yield tuple(row)


def _of_target(error: sqlite3.DatabaseError) -> bool:
    """Return whether the error means that the target cannot be written, and not that the source is unreadable."""
    return getattr(error, "sqlite_errorname", "").startswith(
        ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN")
    )
