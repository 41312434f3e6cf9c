"""journal.db: what must survive a crash (core/journal.py), in SQLite.

Beside it stand journal.db-wal and journal.db-shm while the bot runs, and what could not be read,
journal.db.corrupt-<UTC time>. Only one process may use it (data_lock.py). journal_file.py opens it and has its
transactions, journal_schema.py its tables, journal_audit.py the audit trail.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import parts.journal_audit as trail
from core.audit import Audited, AuditFilter, AuditRecord, Mark
from core.journal import Batch, Posting, Undelivered
from core.watch.codec import decode, encode
from core.watch.model import Incident, Message
from parts.journal_file import READ, JournalError, JournalErrorKind, JournalFile, JournalReport, Opened
from parts.journal_text import kept, told

__all__ = ["JournalError", "JournalErrorKind", "JournalReport", "Opened", "SqliteJournal"]


T = TypeVar("T")

_log = logging.getLogger(__name__)

_NOT_SENT = "message %d in the journal cannot be read, and is not sent"
_NOT_SHOWN = "record %d of the audit trail cannot be read, and is not shown"
_ABSORB = "UPDATE messages SET status = 'absorbed' WHERE id = ? AND status = 'waiting'"


class SqliteJournal:
    """The Journal in a file. `clock` gives Unix seconds and only names files that are set aside."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = JournalFile(path, clock)
        self.run = 0
        self.nonce_prefix = ""
        self._told: set[tuple[str, int]] = set()

    def open(self) -> JournalReport:
        """Make or read the file, bring its tables up to date and count the run. Raises JournalError."""
        report = self._file.open()
        self.run, self.nonce_prefix = self._file.run, self._file.nonce_prefix
        return report

    def close(self) -> None:
        """Leave one file behind, as far as the disk allows; without it nothing is lost either."""
        self._file.close()

    # -- writing

    def commit(self, batch: Batch) -> None:
        changed = {each.id: each for each in batch.incidents}
        ids = [(number,) for number in changed]
        incidents = [(i.id, i.opened, i.ended, i.topic.value, encode(i)) for i in changed.values()]
        guests = [(each.id, vmid) for each in changed.values() for vmid in _vmids(each)]
        messages = [
            (m.id, m.post.value, m.created, encode(m), m.incidents[0] if m.incidents else None)
            for m in batch.messages
        ]
        with self._file.transaction() as db:
            for key, value in batch.records.items():
                if value is None:
                    db.execute("DELETE FROM records WHERE key = ?", (kept(key),))
                else:
                    db.execute(
                        "INSERT INTO records VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                        (kept(key), kept(value)),
                    )
            db.executemany(
                "INSERT INTO incidents (id, opened, ended, topic, json) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET opened = excluded.opened, ended = excluded.ended,"
                " topic = excluded.topic, json = excluded.json",
                incidents,
            )
            db.executemany("DELETE FROM incident_guests WHERE incident = ?", ids)
            db.executemany("INSERT INTO incident_guests (incident, vmid) VALUES (?, ?)", guests)
            # a waiting one may be on its way in its present edition: what it shows is known once it is there
            db.executemany(
                "UPDATE messages SET wanted = wanted + 1"
                " WHERE incident = ? AND post = 'opening' AND status IN ('waiting', 'posted')",
                ids,
            )
            db.executemany(
                "INSERT INTO messages (id, post, created, json, incident) VALUES (?, ?, ?, ?, ?)", messages
            )

    def trying(
        self, message_id: int, content: str, at: float, absorbs: int | None = None, *, late: float = 0.0
    ) -> None:
        with self._file.transaction() as db:
            db.execute(
                "UPDATE messages SET tried = ?, tried_at = ?, late = ?, run = ?, attempts = attempts + 1"
                " WHERE id = ? AND status = 'waiting'",
                (kept(content), at, late, self.run, message_id),
            )
            db.execute(_ABSORB, (absorbs,))

    def absorb(self, message_ids: Iterable[int]) -> None:
        with self._file.transaction() as db:
            db.executemany(_ABSORB, [(number,) for number in message_ids])

    def posted(self, message_id: int, discord_id: int, edition: int) -> None:
        with self._file.transaction() as db:
            db.execute(
                "UPDATE messages SET status = 'posted', discord_id = ?, shown = ?, tried = x'', error = x''"
                " WHERE id = ?",
                (discord_id, edition, message_id),
            )

    def edited(self, message_id: int, edition: int) -> None:
        with self._file.transaction() as db:
            db.execute("UPDATE messages SET shown = ? WHERE id = ?", (edition, message_id))

    def note_blocked(self, message_id: int, error: str) -> None:
        with self._file.transaction() as db:  # of what is posted nothing is tried, so that the column is free
            db.execute(
                "UPDATE messages SET error = ?, tried = ? WHERE id = ? AND status = 'posted'",
                (kept(error), kept("blocked" if error else ""), message_id),
            )

    def refused(self, message_id: int, error: str, *, not_taken: bool) -> None:
        with self._file.transaction() as db:
            db.execute(
                "UPDATE messages SET error = ?, tried = CASE WHEN ? THEN x'' ELSE tried END WHERE id = ?",
                (kept(error), not_taken, message_id),
            )

    def give_up(self, message_id: int, error: str) -> None:
        with self._file.transaction() as db:
            db.execute(
                "UPDATE messages SET status = 'given_up', error = ? WHERE id = ? AND status = 'waiting'",
                (kept(error), message_id),
            )

    def prune(self, before: float) -> None:
        with self._file.transaction() as db:
            db.execute(
                "DELETE FROM messages WHERE max(created, tried_at) < :before"
                " AND status != 'waiting' AND NOT (status = 'posted' AND shown < wanted)"
                " AND NOT (post = 'opening' AND EXISTS (SELECT 1 FROM incidents"
                "  WHERE incidents.id = incident AND (ended IS NULL OR ended >= :before)))",
                {"before": before},
            )
            unsettled = (
                "SELECT json FROM messages WHERE status = 'waiting' OR (status = 'posted' AND shown < wanted)"
            )
            needed = {
                number
                for (text,) in db.execute(unsettled)
                for number in getattr(_read(Message, text), "incidents", ())
            }
            over = db.execute("SELECT id FROM incidents WHERE ended < ?", (before,)).fetchall()
            db.executemany(
                "DELETE FROM incidents WHERE id = ?",
                [(number,) for (number,) in over if number not in needed],
            )

    # -- reading

    def records(self) -> dict[str, str]:
        with self._file.transaction(READ) as db:
            rows = db.execute("SELECT key, value FROM records ORDER BY key")
            return {told(key): told(value) for key, value in rows}

    def open_incidents(self) -> tuple[Incident, ...]:
        with self._file.transaction(READ) as db:
            return _incidents(db.execute("SELECT json FROM incidents WHERE ended IS NULL ORDER BY id"))

    def to_post(self) -> tuple[Posting, ...]:
        return self._postings("SELECT * FROM messages WHERE status = 'waiting' ORDER BY id")

    def to_edit(self) -> tuple[Posting, ...]:
        return self._postings("SELECT * FROM messages WHERE status = 'posted' AND shown < wanted ORDER BY id")

    def discord_ids(self) -> frozenset[int]:
        with self._file.transaction(READ) as db:
            rows = db.execute("SELECT discord_id FROM messages WHERE discord_id IS NOT NULL").fetchall()
        return frozenset(int(row[0]) for row in rows)

    def posting(self, message_id: int) -> Posting | None:
        found = self._postings("SELECT * FROM messages WHERE id = ?", message_id)
        return found[0] if found else None

    def incident(self, incident_id: int) -> Incident | None:
        with self._file.transaction(READ) as db:
            found = _incidents(db.execute("SELECT json FROM incidents WHERE id = ?", (incident_id,)))
        return found[0] if found else None

    def history(
        self, vmids: Collection[int] | None, offset: int, limit: int
    ) -> tuple[tuple[Incident, ...], int]:
        wanted = {
            "vmids": None if vmids is None else json.dumps(sorted(vmids)),
            "offset": offset,
            "limit": limit,
        }
        which = (
            " WHERE :vmids IS NULL OR id IN"
            " (SELECT incident FROM incident_guests WHERE vmid IN (SELECT value FROM json_each(:vmids)))"
        )
        with self._file.transaction(READ) as db:
            page = f"SELECT json FROM incidents{which} ORDER BY id DESC LIMIT :limit OFFSET :offset"  # noqa: S608 - no values in it
            count = db.execute(f"SELECT count(*) FROM incidents{which}", wanted)  # noqa: S608 - no values in it
            return _incidents(db.execute(page, wanted)), int(count.fetchone()[0])

    def counts(self, since: float) -> dict[int, int]:
        with self._file.transaction(READ) as db:
            rows = db.execute(
                "SELECT vmid, count(*) FROM incident_guests JOIN incidents ON id = incident"
                " WHERE opened >= ? AND topic != 'note' GROUP BY vmid",
                (since,),
            )
            return dict(rows.fetchall())

    def undelivered(self, since: float = 0.0) -> Undelivered:
        with self._file.transaction(READ) as db:
            waiting, oldest = db.execute(
                "SELECT count(*), min(created) FROM messages WHERE status = 'waiting'"
            ).fetchone()
            (given_up,) = db.execute(
                "SELECT count(*) FROM messages WHERE status = 'given_up' AND post != 'test'"
            ).fetchone()
            last = db.execute(
                "SELECT error FROM messages WHERE status IN ('waiting', 'given_up') AND post != 'test'"
                " AND error != x'' ORDER BY tried_at DESC, id DESC LIMIT 1"
            ).fetchone()
            blocked = db.execute(
                "SELECT error, count(*) OVER () FROM messages WHERE status = 'posted' AND tried != x''"
                " AND tried_at >= ? ORDER BY tried_at DESC, id DESC LIMIT 1",
                (since,),
            ).fetchone()
            return Undelivered(
                waiting,
                oldest,
                given_up,
                told(last[0]) if last else "",
                blocked[1] if blocked else 0,
                told(blocked[0]) if blocked else "",
            )

    def _postings(self, query: str, *values: int) -> tuple[Posting, ...]:
        with self._file.transaction(READ) as db:
            found = {row["id"]: _posting(db, row) for row in db.execute(query, values).fetchall()}
        return self._readable(found, _NOT_SENT)

    # -- the audit trail

    def audit(self, record: AuditRecord, at: float, attempt: int | None = None) -> int:
        row = trail.row_of(record, at)
        with self._file.transaction() as db:
            return trail.add_record(db, row, attempt)

    def audited(self, wanted: AuditFilter, offset: int, limit: int) -> tuple[tuple[Audited, ...], int]:
        with self._file.transaction(READ) as db:
            found, count = trail.attempts(db, wanted, offset, limit)
        return self._readable(found, _NOT_SHOWN), count

    def audit_people(self, limit: int) -> tuple[tuple[int, str], ...]:
        with self._file.transaction(READ) as db:
            found = trail.people(db, limit)
        return self._readable(found, _NOT_SHOWN)

    def audit_export(
        self, wanted: AuditFilter, before: int | None, limit: int
    ) -> tuple[tuple[Audited, ...], int | None]:
        with self._file.transaction(READ) as db:
            found, on = trail.export(db, wanted, before, limit)
        return self._readable(found, _NOT_SHOWN), on

    def audit_after(self, after: int, limit: int) -> tuple[tuple[Audited, ...], int]:
        with self._file.transaction(READ) as db:
            found, last = trail.records_after(db, after, limit)
        return self._readable(found, _NOT_SHOWN), last

    def audit_last(self) -> int:
        with self._file.transaction(READ) as db:
            return trail.last_id(db)

    def audit_open(self) -> tuple[Audited, ...]:
        with self._file.transaction(READ) as db:
            return self._readable(trail.without_end(db), _NOT_SHOWN)

    def audit_mark(self) -> Mark | None:
        with self._file.transaction(READ) as db:
            return trail.mark_of(db)

    def audit_put_mark(self, mark: Mark | None) -> None:
        with self._file.transaction() as db:
            trail.put_mark(db, mark)

    def audit_prune(self, before: float) -> None:
        with self._file.transaction() as db:
            trail.forget(db, before)

    def _readable(self, found: Mapping[int, T | None], sentence: str) -> tuple[T, ...]:
        """What cannot be read stays where it is, and holds up no other; it is told once."""
        for number in (number for number, value in found.items() if value is None):
            if (sentence, number) not in self._told:
                self._told.add((sentence, number))
                _log.error(sentence, number)
        return tuple(value for value in found.values() if value is not None)


def _read(kind: type[T], text: str) -> T | None:
    """None for what this version cannot read: a damaged row must not hold up the others."""
    try:
        return decode(kind, text)
    except ValueError:
        return None


def _posting(db: sqlite3.Connection, row: sqlite3.Row) -> Posting | None:
    message = _read(Message, row["json"])
    if message is None:
        return None
    return Posting(
        message,
        tuple(
            incident
            for number in message.incidents
            for (text,) in db.execute("SELECT json FROM incidents WHERE id = ?", (number,))
            if (incident := _read(Incident, text))
        ),
        posted=row["discord_id"],
        wanted=row["wanted"],
        shown=row["shown"],
        tried=told(row["tried"]),
        tried_at=row["tried_at"],
        late=row["late"],
        run=row["run"],
        attempts=row["attempts"],
        error=told(row["error"]),
    )


def _incidents(rows: Iterable[tuple[str]]) -> tuple[Incident, ...]:
    return tuple(decode(Incident, text) for (text,) in rows)


def _vmids(incident: Incident) -> set[int]:
    """Whose history it belongs to: a backup's too, which has no guests."""
    backups = {fact.vmid for fact in incident.backups if fact.vmid is not None}
    return {fact.vmid for fact in incident.guests} | backups
