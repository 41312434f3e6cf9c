"""View the journal as that of a single site, in the thread of its connection. A part of adapters/journal/store.py.

Incidents, messages, records and dashboards are those of the site. Of the audit trail, `audit_add_all`, `audit_open`,
`audit_unknown` and `audit_upids` are about the site. Its other methods, `discord_ids` and pruning cover all sites.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from adapters.journal import audit_rows, dashboard_rows, watch_rows
from adapters.journal.database import READ, JournalFile
from adapters.journal.schema import encode_text
from adapters.journal.shared import SharedJournal
from adapters.journal.site_rows import IDS_EACH
from core.audit.store import AuditCursor, AuditEntry, AuditFilter, NewRecord, Stream
from core.dashboard.model import Dashboard
from core.dashboard.ports import AddOutcome
from core.watch.incidents.model import Incident
from core.watch.journal import Backlog, Batch, JournalRenewal, OutboxMessage

_NOT_SENT = "message %d in the journal cannot be read, and is not sent"
_NOT_KEPT = "dashboard %d in the journal cannot be read, and is not kept"
_NOT_SHOWN = "record %d of the audit trail cannot be read, and is not shown"


class SiteJournal:
    """The rows of one site. adapters/journal/off_loop.py calls the methods in threads.

    `name`: the site's name. NO_SITE: the only site or, with several, data that belongs to none of them.
    The methods that read or write block, and raise JournalFailed if the disk refuses (core/watch/journal.py).
    """

    def __init__(self, shared: SharedJournal, name: str) -> None:
        self._shared, self._name, self._file = shared, name, shared.file
        shared.join(name)

    def reading_from(self, file: JournalFile) -> SiteJournal:
        """Return the same rows, read with another connection."""
        reading = copy.copy(self)
        reading._file = file  # noqa: SLF001  # its own copy
        return reading

    @property
    def run(self) -> int:
        return self._file.run

    @property
    def nonce_prefix(self) -> str:
        return self._file.nonce_prefix

    @property
    def _key(self) -> str:
        """The stored key of the site. It is known once the journal is open."""
        return self._shared.key_of(self._name)

    def first_id(self, unix: float) -> int:
        return self._shared.site_number(self._key) * IDS_EACH + int(unix)

    def check_file(self) -> JournalRenewal | None:
        return self._shared.check_file(self._name)

    # -- writing

    def commit(self, batch: Batch) -> None:
        rows = watch_rows.BatchRows.of(batch, self._key)
        with self._file.transaction() as db:
            watch_rows.write_batch(db, rows)

    def put_record(self, key: str, text: str | None) -> None:
        """Write one record; None removes it."""
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
        with self._file.transaction() as db:  # `tried` is free, as a posted message is not tried again
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
            return watch_rows.read_records(db, self._key)

    def open_incidents(self) -> tuple[Incident, ...]:
        with self._file.transaction(READ) as db:
            return watch_rows.read_incidents(
                db.execute(
                    "SELECT json FROM incidents WHERE ended IS NULL AND site = ? ORDER BY id", (self._key,)
                )
            )

    def to_post(self) -> tuple[OutboxMessage, ...]:
        return self._outbox_messages("status = 'waiting'")

    def to_edit(self) -> tuple[OutboxMessage, ...]:
        return self._outbox_messages("status = 'posted' AND shown < wanted")

    def discord_ids(self) -> frozenset[int]:
        with self._file.transaction(READ) as db:
            rows = db.execute(
                "SELECT discord_id FROM messages WHERE typeof(discord_id) = 'integer'"
            ).fetchall()
        return frozenset(row[0] for row in rows)

    def outbox_message(self, message_id: int) -> OutboxMessage | None:
        found = self._outbox_messages("id = ?", message_id)
        return found[0] if found else None

    def incident(self, incident_id: int) -> Incident | None:
        with self._file.transaction(READ) as db:
            found = watch_rows.read_incidents(
                db.execute("SELECT json FROM incidents WHERE id = ? AND site = ?", (incident_id, self._key))
            )
        return found[0] if found else None

    def history(
        self, vmids: Collection[int] | None, offset: int, limit: int
    ) -> tuple[tuple[Incident, ...], int]:
        with self._file.transaction(READ) as db:
            return watch_rows.read_history(db, self._key, vmids, offset, limit)

    def earliest_beginning(self, vmids: Collection[int] | None, count: int) -> float:
        with self._file.transaction(READ) as db:
            return watch_rows.read_earliest_beginning(db, self._key, vmids, count)

    def counts(self, since: float) -> dict[int, int]:
        with self._file.transaction(READ) as db:
            return watch_rows.read_counts(db, self._key, since)

    def backlog(self, since: float = 0.0) -> Backlog:
        with self._file.transaction(READ) as db:
            return watch_rows.read_backlog(db, self._key, since)

    def _outbox_messages(self, which: str, *values: int) -> tuple[OutboxMessage, ...]:
        query = f"SELECT * FROM messages WHERE {which} AND site = ? ORDER BY id"  # noqa: S608 - fixed words
        with self._file.transaction(READ) as db:
            found = watch_rows.read_outbox(db, query, (*values, self._key))
        return self._shared.readable(found, _NOT_SENT)

    # -- the dashboards

    def dashboards(self) -> tuple[Dashboard, ...]:
        with self._file.transaction(READ) as db:
            found = dashboard_rows.read_dashboards(db, self._key)
        return self._shared.readable(found, _NOT_KEPT)

    def add_dashboard(self, dashboard: Dashboard) -> AddOutcome:
        with self._file.transaction() as db:
            return dashboard_rows.add_dashboard(db, self._key, dashboard)

    def put_dashboard(self, dashboard: Dashboard) -> None:
        with self._file.transaction() as db:
            dashboard_rows.write_dashboard(db, self._key, dashboard)

    def drop_dashboard(self, mark: str) -> None:
        with self._file.transaction() as db:
            dashboard_rows.drop_dashboard(db, mark)

    # -- the audit trail

    def audit_add_all(self, records: Sequence[NewRecord]) -> tuple[int, ...]:
        rows = [(audit_rows.encode_row(each.record, each.at, self._key), each.attempt) for each in records]
        with self._file.transaction() as db:
            numbers = tuple(audit_rows.add_record(db, row, attempt) for row, attempt in rows)
        self._shared.last_audit = max(numbers, default=self._shared.last_audit)
        return numbers

    def audit_page(self, wanted: AuditFilter, offset: int, limit: int) -> tuple[tuple[AuditEntry, ...], int]:
        with self._file.transaction(READ) as db:
            found, count = audit_rows.read_attempts(db, self._stored(wanted), offset, limit)
        return self._entries(found), count

    def audit_people(self, limit: int) -> tuple[tuple[int, str], ...]:
        with self._file.transaction(READ) as db:
            found = audit_rows.read_people(db, limit)
        return self._shared.readable(found, _NOT_SHOWN)

    def audit_export(
        self, wanted: AuditFilter, before: int | None, limit: int
    ) -> tuple[tuple[AuditEntry, ...], int | None]:
        with self._file.transaction(READ) as db:
            found, next_before = audit_rows.read_export(db, self._stored(wanted), before, limit)
        return self._entries(found), next_before

    def audit_after(
        self, after: int, limit: int, stream: Stream | None = None
    ) -> tuple[tuple[AuditEntry, ...], int]:
        with self._file.transaction(READ) as db:
            found, last = audit_rows.read_after(db, after, limit, stream)
        return self._entries(found), last

    def audit_last(self) -> int:
        with self._file.transaction(READ) as db:
            return audit_rows.read_last_id(db)

    def audit_last_given(self) -> int:
        with self._file.transaction(READ) as db:
            return audit_rows.read_last_given_id(db)

    def audit_open(self) -> tuple[AuditEntry, ...]:
        with self._file.transaction(READ) as db:
            return self._entries(audit_rows.read_open(db, self._key))

    def audit_unknown(self, since: float) -> tuple[AuditEntry, ...]:
        with self._file.transaction(READ) as db:
            return self._entries(audit_rows.read_unknown(db, self._key, since))

    def audit_upids(self, vmid: int, after: int, but: int) -> frozenset[str]:
        with self._file.transaction(READ) as db:
            return audit_rows.read_upids(db, self._key, vmid, after, but)

    def audit_cursor(self, stream: Stream = Stream.CHANGES) -> AuditCursor | None:
        with self._file.transaction(READ) as db:
            return audit_rows.read_cursor(db, stream)

    def audit_put_cursor(self, cursor: AuditCursor | None, stream: Stream = Stream.CHANGES) -> None:
        with self._file.transaction() as db:
            audit_rows.write_cursor(db, cursor, stream)

    def audit_prune(self, before: float, after: int = 0) -> int | None:
        with self._file.transaction() as db:
            return audit_rows.forget_attempts(db, before, after)

    def _entries(self, found: Mapping[int, AuditEntry | None]) -> tuple[AuditEntry, ...]:
        return self._shared.named(self._shared.readable(found, _NOT_SHOWN))

    def _stored(self, wanted: AuditFilter) -> AuditFilter:
        """Replace the name of a site by its stored key."""
        return wanted if wanted.site is None else replace(wanted, site=self._shared.key_of(wanted.site))
