"""journal.db: what must survive a crash (core/watch/journal.py), in SQLite.

Beside it stand journal.db-wal and journal.db-shm while the bot runs, and what could not be read,
journal.db.corrupt-<UTC time>. Only one process may use it (adapters/files/data_lock.py).
adapters/journal/database.py opens it and has its transactions, adapters/journal/schema.py its tables,
adapters/journal/watch_rows.py incidents and messages, adapters/journal/audit_rows.py the audit trail.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from adapters.journal import audit_rows as trail
from adapters.journal import watch_rows as watch
from adapters.journal.database import (
    READ,
    SPOILT,
    JournalError,
    JournalErrorKind,
    JournalFile,
    JournalReport,
    Opened,
)
from adapters.journal.text import kept, told
from core.audit.trail import Audited, AuditFilter, AuditRecord, Mark, Stream
from core.errors import JournalFailed
from core.watch.incidents.model import Incident
from core.watch.journal import Batch, Posting, Renewed, Undelivered

__all__ = ["JournalError", "JournalErrorKind", "JournalReport", "Opened", "SqliteJournal"]


T = TypeVar("T")

_log = logging.getLogger(__name__)

_NOT_SENT = "message %d in the journal cannot be read, and is not sent"
_NOT_SHOWN = "record %d of the audit trail cannot be read, and is not shown"


class SqliteJournal:
    """The Journal in a file. `clock` gives Unix seconds and only names files that are set aside."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = JournalFile(path, clock)
        self.run = 0
        self.nonce_prefix = ""
        self._last_audit = 0
        self._told: set[tuple[str, int]] = set()

    def open(self) -> JournalReport:
        """Make or read the file, bring its tables up to date and count the run. Raises JournalError."""
        report = self._file.open()
        self.run, self.nonce_prefix = self._file.run, self._file.nonce_prefix
        with contextlib.suppress(JournalFailed):  # of what cannot be read each read tells
            self._last_audit = self.audit_last()
        return report

    def look_after(self) -> Renewed | None:
        lost = self._file.lost()
        if not lost:
            try:
                self._file.probe()
            except JournalFailed as error:
                if error.reason not in SPOILT:
                    raise
                lost = True
        if not lost:
            return None
        renewed = self._file.renew(self._last_audit)
        self._file.probe()
        return renewed

    def close(self) -> None:
        """Leave one file behind, as far as the disk allows; without it nothing is lost either."""
        self._file.close()

    # -- writing

    def commit(self, batch: Batch) -> None:
        rows = watch.Rows.of(batch)
        with self._file.transaction() as db:
            watch.write(db, rows)

    def put_record(self, key: str, text: str | None) -> None:
        """Write one record; None removes it. Raises: JournalFailed."""
        self.commit(Batch({key: text}))

    def trying(
        self, message_id: int, content: str, at: float, absorbs: int | None = None, *, late: float = 0.0
    ) -> None:
        with self._file.transaction() as db:
            db.execute(
                "UPDATE messages SET tried = ?, tried_at = ?, late = ?, run = ?, attempts = attempts + 1"
                " WHERE id = ? AND status = 'waiting'",
                (kept(content), at, late, self.run, message_id),
            )
            db.execute(watch.ABSORB, (absorbs,))

    def absorb(self, message_ids: Iterable[int]) -> None:
        with self._file.transaction() as db:
            db.executemany(watch.ABSORB, [(number,) for number in message_ids])

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

    def prune(self, before: float) -> bool:
        with self._file.transaction() as db:
            return watch.forget(db, before)

    # -- reading

    def records(self) -> dict[str, str]:
        with self._file.transaction(READ) as db:
            rows = db.execute("SELECT key, value FROM records ORDER BY key")
            return {told(key): told(value) for key, value in rows}

    def open_incidents(self) -> tuple[Incident, ...]:
        with self._file.transaction(READ) as db:
            return watch.incidents(db.execute("SELECT json FROM incidents WHERE ended IS NULL ORDER BY id"))

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
            found = watch.incidents(db.execute("SELECT json FROM incidents WHERE id = ?", (incident_id,)))
        return found[0] if found else None

    def history(
        self, vmids: Collection[int] | None, offset: int, limit: int
    ) -> tuple[tuple[Incident, ...], int]:
        with self._file.transaction(READ) as db:
            return watch.history(db, vmids, offset, limit)

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
            return watch.undelivered(db, since)

    def _postings(self, query: str, *values: int) -> tuple[Posting, ...]:
        with self._file.transaction(READ) as db:
            found = watch.postings(db, query, values)
        return self._readable(found, _NOT_SENT)

    # -- the audit trail

    def audit(self, record: AuditRecord, at: float, attempt: int | None = None) -> int:
        row = trail.row_of(record, at)
        with self._file.transaction() as db:
            number = trail.add_record(db, row, attempt)
        self._last_audit = number
        return number

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

    def audit_after(
        self, after: int, limit: int, stream: Stream | None = None
    ) -> tuple[tuple[Audited, ...], int]:
        with self._file.transaction(READ) as db:
            found, last = trail.records_after(db, after, limit, stream)
        return self._readable(found, _NOT_SHOWN), last

    def audit_last(self) -> int:
        with self._file.transaction(READ) as db:
            return trail.last_id(db)

    def audit_open(self) -> tuple[Audited, ...]:
        with self._file.transaction(READ) as db:
            return self._readable(trail.without_end(db), _NOT_SHOWN)

    def audit_unknown(self, since: float) -> tuple[Audited, ...]:
        with self._file.transaction(READ) as db:
            return self._readable(trail.of_unknown_end(db, since), _NOT_SHOWN)

    def audit_upids(self, vmid: int, after: int, but: int) -> frozenset[str]:
        with self._file.transaction(READ) as db:
            return trail.upids(db, vmid, after, but)

    def audit_mark(self, stream: Stream = Stream.CHANGES) -> Mark | None:
        with self._file.transaction(READ) as db:
            return trail.mark_of(db, stream)

    def audit_put_mark(self, mark: Mark | None, stream: Stream = Stream.CHANGES) -> None:
        with self._file.transaction() as db:
            trail.put_mark(db, mark, stream)

    def audit_prune(self, before: float, after: int = 0) -> int | None:
        with self._file.transaction() as db:
            return trail.forget(db, before, after)

    def _readable(self, found: Mapping[int, T | None], sentence: str) -> tuple[T, ...]:
        """What cannot be read stays where it is, and holds up no other; it is told once."""
        for number in (number for number, value in found.items() if value is None):
            if (sentence, number) not in self._told:
                self._told.add((sentence, number))
                _log.error(sentence, number)
        return tuple(value for value in found.values() if value is not None)
