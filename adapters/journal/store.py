"""Store everything that must survive a crash (core/watch/journal.py) in journal.db, with SQLite.

While the bot runs, journal.db-wal and journal.db-shm are beside it. An unreadable file is kept as
journal.db.corrupt-<UTC time>. Only one process may use it (adapters/files/data_lock.py).
adapters/journal/database.py opens it and runs transactions, adapters/journal/schema.py has the tables,
adapters/journal/watch_rows.py the incidents and messages, and adapters/journal/audit_rows.py the audit trail.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from adapters.journal import audit_rows, watch_rows
from adapters.journal.database import (
    CORRUPT_CODES,
    READ,
    JournalError,
    JournalErrorKind,
    JournalFile,
    JournalReport,
    OpenOutcome,
)
from adapters.journal.schema import decode_text, encode_text
from core.audit.record import AuditRecord
from core.audit.store import AuditCursor, AuditEntry, AuditFilter, Stream
from core.errors import JournalFailed
from core.watch.incidents.model import Incident
from core.watch.journal import Backlog, Batch, JournalRenewal, OutboxMessage

__all__ = ["JournalError", "JournalErrorKind", "JournalReport", "OpenOutcome", "SqliteJournal"]


T = TypeVar("T")

_log = logging.getLogger(__name__)

_NOT_SENT = "message %d in the journal cannot be read, and is not sent"
_NOT_SHOWN = "record %d of the audit trail cannot be read, and is not shown"


class SqliteJournal:
    """The `Journal` in a file. `clock` returns Unix seconds, used only in names of files that are set aside."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = JournalFile(path, clock)
        self.run = 0
        self.nonce_prefix = ""
        self._last_audit = 0
        self._logged: set[tuple[str, int]] = set()

    def open(self) -> JournalReport:
        """Create or read the file, migrate its tables and count the run.

        Raises: JournalError.
        """
        report = self._file.open()
        self.run, self.nonce_prefix = self._file.run, self._file.nonce_prefix
        with contextlib.suppress(JournalFailed):  # every later read reports unreadable content itself
            self._last_audit = self.audit_last()
        return report

    def check_file(self) -> JournalRenewal | None:
        lost = self._file.lost()
        if not lost:
            try:
                self._file.probe()
            except JournalFailed as error:
                if error.reason not in CORRUPT_CODES:
                    raise
                lost = True
        if not lost:
            return None
        renewed = self._file.renew(self._last_audit)
        self._file.probe()
        return renewed

    def close(self) -> None:
        """Merge the -wal into the file if the disk allows it. Nothing is lost if it does not."""
        self._file.close()

    # -- writing

    def commit(self, batch: Batch) -> None:
        rows = watch_rows.Rows.of(batch)
        with self._file.transaction() as db:
            watch_rows.write_batch(db, rows)

    def put_record(self, key: str, text: str | None) -> None:
        """Write one record; None removes it. Raises: JournalFailed."""
        self.commit(Batch({key: text}))

    def note_try(
        self, message_id: int, content: str, at: float, absorbs: int | None = None, *, late: float = 0.0
    ) -> None:
        with self._file.transaction() as db:
            db.execute(
                "UPDATE messages SET tried = ?, tried_at = ?, late = ?, run = ?, attempts = attempts + 1"
                " WHERE id = ? AND status = 'waiting'",
                (encode_text(content), at, late, self.run, message_id),
            )
            db.execute(watch_rows.ABSORB, (absorbs,))

    def absorb(self, message_ids: Iterable[int]) -> None:
        with self._file.transaction() as db:
            db.executemany(watch_rows.ABSORB, [(number,) for number in message_ids])

    def note_posted(self, message_id: int, discord_id: int, edition: int) -> None:
        with self._file.transaction() as db:
            db.execute(
                "UPDATE messages SET status = 'posted', discord_id = ?, shown = ?, tried = x'', error = x''"
                " WHERE id = ?",
                (discord_id, edition, message_id),
            )

    def note_edited(self, message_id: int, edition: int) -> None:
        with self._file.transaction() as db:
            db.execute("UPDATE messages SET shown = ? WHERE id = ?", (edition, message_id))

    def note_blocked(self, message_id: int, error: str) -> None:
        with self._file.transaction() as db:  # a posted message has no text to try: `tried` is free
            db.execute(
                "UPDATE messages SET error = ?, tried = ? WHERE id = ? AND status = 'posted'",
                (encode_text(error), encode_text("blocked" if error else ""), message_id),
            )

    def note_refused(self, message_id: int, error: str, *, not_taken: bool) -> None:
        with self._file.transaction() as db:
            db.execute(
                "UPDATE messages SET error = ?, tried = CASE WHEN ? THEN x'' ELSE tried END WHERE id = ?",
                (encode_text(error), not_taken, message_id),
            )

    def give_up(self, message_id: int, error: str) -> None:
        with self._file.transaction() as db:
            db.execute(
                "UPDATE messages SET status = 'given_up', error = ? WHERE id = ? AND status = 'waiting'",
                (encode_text(error), message_id),
            )

    def prune(self, before: float) -> bool:
        with self._file.transaction() as db:
            return watch_rows.forget_old(db, before)

    # -- reading

    def records(self) -> dict[str, str]:
        with self._file.transaction(READ) as db:
            rows = db.execute("SELECT key, value FROM records ORDER BY key")
            return {decode_text(key): decode_text(value) for key, value in rows}

    def open_incidents(self) -> tuple[Incident, ...]:
        with self._file.transaction(READ) as db:
            return watch_rows.read_incidents(
                db.execute("SELECT json FROM incidents WHERE ended IS NULL ORDER BY id")
            )

    def to_post(self) -> tuple[OutboxMessage, ...]:
        return self._outbox_messages("SELECT * FROM messages WHERE status = 'waiting' ORDER BY id")

    def to_edit(self) -> tuple[OutboxMessage, ...]:
        return self._outbox_messages(
            "SELECT * FROM messages WHERE status = 'posted' AND shown < wanted ORDER BY id"
        )

    def discord_ids(self) -> frozenset[int]:
        with self._file.transaction(READ) as db:
            rows = db.execute("SELECT discord_id FROM messages WHERE discord_id IS NOT NULL").fetchall()
        return frozenset(int(row[0]) for row in rows)

    def outbox_message(self, message_id: int) -> OutboxMessage | None:
        found = self._outbox_messages("SELECT * FROM messages WHERE id = ?", message_id)
        return found[0] if found else None

    def incident(self, incident_id: int) -> Incident | None:
        with self._file.transaction(READ) as db:
            found = watch_rows.read_incidents(
                db.execute("SELECT json FROM incidents WHERE id = ?", (incident_id,))
            )
        return found[0] if found else None

    def history(
        self, vmids: Collection[int] | None, offset: int, limit: int
    ) -> tuple[tuple[Incident, ...], int]:
        with self._file.transaction(READ) as db:
            return watch_rows.read_history(db, vmids, offset, limit)

    def counts(self, since: float) -> dict[int, int]:
        with self._file.transaction(READ) as db:
            rows = db.execute(
                "SELECT vmid, count(*) FROM incident_guests JOIN incidents ON id = incident"
                " WHERE opened >= ? AND topic != 'note' GROUP BY vmid",
                (since,),
            )
            return dict(rows.fetchall())

    def backlog(self, since: float = 0.0) -> Backlog:
        with self._file.transaction(READ) as db:
            return watch_rows.read_backlog(db, since)

    def _outbox_messages(self, query: str, *values: int) -> tuple[OutboxMessage, ...]:
        with self._file.transaction(READ) as db:
            found = watch_rows.read_outbox(db, query, values)
        return self._readable(found, _NOT_SENT)

    # -- the audit trail

    def audit_add(self, record: AuditRecord, at: float, attempt: int | None = None) -> int:
        row = audit_rows.encode_row(record, at)
        with self._file.transaction() as db:
            number = audit_rows.add_record(db, row, attempt)
        self._last_audit = number
        return number

    def audit_page(self, wanted: AuditFilter, offset: int, limit: int) -> tuple[tuple[AuditEntry, ...], int]:
        with self._file.transaction(READ) as db:
            found, count = audit_rows.read_attempts(db, wanted, offset, limit)
        return self._readable(found, _NOT_SHOWN), count

    def audit_people(self, limit: int) -> tuple[tuple[int, str], ...]:
        with self._file.transaction(READ) as db:
            found = audit_rows.read_people(db, limit)
        return self._readable(found, _NOT_SHOWN)

    def audit_export(
        self, wanted: AuditFilter, before: int | None, limit: int
    ) -> tuple[tuple[AuditEntry, ...], int | None]:
        with self._file.transaction(READ) as db:
            found, next_before = audit_rows.read_export(db, wanted, before, limit)
        return self._readable(found, _NOT_SHOWN), next_before

    def audit_after(
        self, after: int, limit: int, stream: Stream | None = None
    ) -> tuple[tuple[AuditEntry, ...], int]:
        with self._file.transaction(READ) as db:
            found, last = audit_rows.read_after(db, after, limit, stream)
        return self._readable(found, _NOT_SHOWN), last

    def audit_last(self) -> int:
        with self._file.transaction(READ) as db:
            return audit_rows.read_last_id(db)

    def audit_open(self) -> tuple[AuditEntry, ...]:
        with self._file.transaction(READ) as db:
            return self._readable(audit_rows.read_open(db), _NOT_SHOWN)

    def audit_unknown(self, since: float) -> tuple[AuditEntry, ...]:
        with self._file.transaction(READ) as db:
            return self._readable(audit_rows.read_unknown(db, since), _NOT_SHOWN)

    def audit_upids(self, vmid: int, after: int, but: int) -> frozenset[str]:
        with self._file.transaction(READ) as db:
            return audit_rows.read_upids(db, vmid, after, but)

    def audit_cursor(self, stream: Stream = Stream.CHANGES) -> AuditCursor | None:
        with self._file.transaction(READ) as db:
            return audit_rows.read_cursor(db, stream)

    def audit_put_cursor(self, cursor: AuditCursor | None, stream: Stream = Stream.CHANGES) -> None:
        with self._file.transaction() as db:
            audit_rows.write_cursor(db, cursor, stream)

    def audit_prune(self, before: float, after: int = 0) -> int | None:
        with self._file.transaction() as db:
            return audit_rows.forget_attempts(db, before, after)

    def _readable(self, found: Mapping[int, T | None], sentence: str) -> tuple[T, ...]:
        """Return the readable values. Each unreadable one is logged once, stays stored and blocks no other."""
        for number in (number for number, value in found.items() if value is None):
            if (sentence, number) not in self._logged:
                self._logged.add((sentence, number))
                _log.error(sentence, number)
        return tuple(value for value in found.values() if value is not None)
