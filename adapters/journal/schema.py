"""Define the tables of journal.db. A part of adapters/journal/store.py.

Each step of `MIGRATIONS` is applied once and in order. The file's user_version counts the applied steps. A
released step never changes. Anything new is a new step at the end: a table, a column, or only a new word of an enum
(an empty step), because an older bot cannot read such a file and must not try.

The ids of incidents and messages are those of core/watch. Text from outside is stored in BLOBs or in ASCII JSON,
because SQLite's text cannot hold half of a surrogate pair. No table is WITHOUT ROWID, because quick_check of SQLite
3.40 reports faults in sound tables of that kind.
"""

from __future__ import annotations

import sqlite3


def encode_text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def decode_text(blob: object) -> str:
    """Decode a BLOB written by `encode_text`. SQLite accepts any type in any column.

    Raises: ValueError for any other value.
    """
    if not isinstance(blob, bytes):
        raise ValueError(blob)  # noqa: TRY004 - the content is wrong, not the type of an argument
    return blob.decode("utf-8", "surrogatepass")


MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value NOT NULL);
    CREATE TABLE records (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL);

    CREATE TABLE incidents (
        id INTEGER PRIMARY KEY,
        opened REAL NOT NULL,
        ended REAL,                 -- NULL: open
        topic TEXT NOT NULL,
        json TEXT NOT NULL
    );
    CREATE INDEX incidents_open ON incidents (id) WHERE ended IS NULL;

    CREATE TABLE incident_guests (
        vmid INTEGER NOT NULL,
        incident INTEGER NOT NULL REFERENCES incidents ON DELETE CASCADE,
        PRIMARY KEY (vmid, incident)
    );
    CREATE INDEX incident_guests_incident ON incident_guests (incident);

    CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        post TEXT NOT NULL,
        created REAL NOT NULL,
        json TEXT NOT NULL,
        incident INTEGER,           -- the first it speaks of, whose changes make new editions
        status TEXT NOT NULL DEFAULT 'waiting'
            CHECK (status IN ('waiting', 'posted', 'given_up', 'absorbed')),
        discord_id INTEGER,
        wanted INTEGER NOT NULL DEFAULT 0,
        shown INTEGER NOT NULL DEFAULT 0,
        tried BLOB NOT NULL DEFAULT x'',
        tried_at REAL NOT NULL DEFAULT 0,
        late REAL NOT NULL DEFAULT 0,
        run INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        error BLOB NOT NULL DEFAULT x''
    );
    CREATE INDEX messages_status ON messages (status);
    CREATE INDEX messages_incident ON messages (incident);
    """,
    """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,               -- never used again, also after the last was pruned
        attempt INTEGER REFERENCES audit ON DELETE CASCADE, -- its first record; NULL: this is the first
        at REAL NOT NULL,
        step TEXT NOT NULL,
        way TEXT NOT NULL,
        person_id INTEGER NOT NULL,
        person BLOB NOT NULL,
        guild_id INTEGER,
        category_id INTEGER,
        channel_id INTEGER,
        operation BLOB NOT NULL,
        detail BLOB NOT NULL,
        vmid INTEGER,
        guest BLOB NOT NULL,
        node BLOB NOT NULL,
        state BLOB NOT NULL,
        reason BLOB NOT NULL,
        upid BLOB NOT NULL,
        outcome BLOB NOT NULL,
        seconds REAL NOT NULL
    );
    CREATE INDEX audit_later ON audit (attempt) WHERE attempt IS NOT NULL;

    -- of first records: in the order of a page and with every filtered column, so that counting reads no rows
    CREATE INDEX audit_first ON audit (id, at) WHERE attempt IS NULL;
    CREATE INDEX audit_vmid ON audit (vmid, id, at, person_id, operation) WHERE attempt IS NULL;
    CREATE INDEX audit_person ON audit (person_id, id, at, vmid, operation) WHERE attempt IS NULL;
    CREATE INDEX audit_operation ON audit (operation, id, at, vmid, person_id) WHERE attempt IS NULL;

    CREATE TRIGGER audit_never_changed BEFORE UPDATE ON audit
    BEGIN
        SELECT RAISE(ABORT, 'the audit trail is only added to');
    END;
    CREATE TRIGGER audit_never_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN
        SELECT RAISE(ABORT, 'the audit trail is only added to');
    END;
    """,
    # adds the words sending and sent to audit.step
    """
    ALTER TABLE audit ADD COLUMN message_id INTEGER;                -- the message that shows how it goes
    ALTER TABLE audit ADD COLUMN times INTEGER NOT NULL DEFAULT 1;  -- how often it was asked for

    -- rewritten by each check of whether the disk accepts writes
    CREATE TABLE probe (id INTEGER PRIMARY KEY, value BLOB NOT NULL);
    """,
    # adds records of other sites, and rows about sites to meta (adapters/journal/site_rows.py)
    """
    -- '': the only site, or the one in FIRST_SITE; '*': none of several
    ALTER TABLE incidents ADD COLUMN site TEXT NOT NULL DEFAULT '';
    ALTER TABLE messages ADD COLUMN site TEXT NOT NULL DEFAULT '';
    ALTER TABLE audit ADD COLUMN site TEXT NOT NULL DEFAULT '';
    CREATE INDEX incidents_site ON incidents (site, id);
    CREATE INDEX messages_site ON messages (site, status);

    DROP INDEX audit_vmid;
    DROP INDEX audit_person;
    DROP INDEX audit_operation;
    CREATE INDEX audit_site ON audit (site, id, at, vmid, person_id, operation) WHERE attempt IS NULL;
    CREATE INDEX audit_vmid ON audit (vmid, id, at, person_id, operation, site) WHERE attempt IS NULL;
    CREATE INDEX audit_person ON audit (person_id, id, at, vmid, operation, site) WHERE attempt IS NULL;
    CREATE INDEX audit_operation ON audit (operation, id, at, vmid, person_id, site) WHERE attempt IS NULL;
    """,
    # adds the words dashboard_create, dashboard_remove and dashboard_list to audit.operation
    """
    CREATE TABLE dashboards (
        id INTEGER PRIMARY KEY,
        site TEXT NOT NULL,
        mark TEXT NOT NULL UNIQUE,
        channel_id INTEGER NOT NULL,
        extent BLOB NOT NULL,       -- what it shows, as JSON
        json TEXT NOT NULL,         -- the whole dashboard
        UNIQUE (site, channel_id, extent)
    );
    """,
    # adds Discord's id of the interaction, which the log names, too
    "ALTER TABLE audit ADD COLUMN interaction_id INTEGER",
)


class NewerSchema(Exception):
    """The file was written by a newer bot with more migration steps."""


def checked_version(db: sqlite3.Connection) -> int:
    """Return the number of applied steps, 0 for a new file.

    Raises: NewerSchema, sqlite3.Error.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise NewerSchema(version)
    return int(version)


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Apply the missing steps, each completely or not at all. `version`: the number of applied steps.

    Raises: sqlite3.Error.
    """
    for number, step in enumerate(MIGRATIONS[version:], version + 1):
        db.executescript(f"BEGIN IMMEDIATE;{step};PRAGMA user_version = {number};COMMIT;")
