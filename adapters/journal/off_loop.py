"""Implement the `Journal` (core/watch/journal.py) and `DashboardStore` (core/dashboard/ports.py) off the event loop.

There are three threads. The first has the connection that writes, and makes all changes in their order. The other two
have connections that only read: a long read delays no change, and a change that waits for a lock delays no read. The
next read of a caller sees everything that the caller has stored. The third thread searches the audit trail, which may
take a second: the watch does not wait for searches, and people take turns. adapters/journal/site_journal.py does the
work in these threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from adapters.files.disk_thread import PATIENCE_SECONDS, DiskCalls, DiskHung, DiskThread
from adapters.files.stored_sites import ONLY_SITE, SiteNames, StoredSites, check_sites
from adapters.journal.errors import JournalReport
from adapters.journal.site_journal import SiteJournal
from adapters.journal.store import SqliteJournal
from core.access.turns import Turns
from core.audit.store import AuditCursor, AuditEntry, AuditFilter, NewRecord, Stream
from core.dashboard.model import Dashboard
from core.dashboard.ports import AddOutcome
from core.errors import DISK_HUNG, JournalFailed
from core.watch.incidents.model import Incident
from core.watch.journal import Backlog, Batch, JournalRenewal, OutboxMessage

T = TypeVar("T")

CLOSE_SECONDS = 4.0
"""Seconds to wait at the end for the remaining writes."""
_LOCKED = {"SQLITE_BUSY", "SQLITE_LOCKED"}


class SiteJournalOffLoop:
    """The `Journal` and the `DashboardStore` of one site.

    `rows`, `reads` and `searches`: the same rows, for the threads of `writing`, `reading` and `searching`.
    `turns`: of the people whose searches wait.
    """

    def __init__(
        self,
        rows: SiteJournal,
        reads: SiteJournal,
        searches: SiteJournal,
        writing: DiskCalls,
        reading: DiskCalls,
        searching: DiskCalls,
        turns: Turns,
    ) -> None:
        self._rows, self._reads, self._searches = rows, reads, searches
        self._writing, self._reading, self._searching, self._turns = writing, reading, searching, turns

    @property
    def run(self) -> int:
        return self._rows.run

    @property
    def nonce_prefix(self) -> str:
        return self._rows.nonce_prefix

    async def _write(self, change: Callable[[SiteJournal], T], *, certain: bool = False) -> T:
        """Make a change. Wait up to `PATIENCE_SECONDS` for a lock that another process holds, and then give up.

        The wait for earlier changes counts, too: a change that has not begun by then is not made.
        `certain`: see `DiskCalls.run`.
        Raises: JournalFailed.
        """
        rows, end = self._rows, time.monotonic() + PATIENCE_SECONDS

        def attempt() -> T:
            failure = JournalFailed(DISK_HUNG)
            while time.monotonic() < end:
                try:
                    return change(rows)
                except JournalFailed as error:
                    if error.reason not in _LOCKED:
                        raise
                    failure = error
            raise failure

        try:
            return await self._writing.run(attempt, certain=certain)
        except DiskHung as error:
            raise JournalFailed(DISK_HUNG) from error

    async def _read(self, read: Callable[[SiteJournal], T]) -> T:
        """Make a short read. Raises: JournalFailed."""
        reads = self._reads
        try:
            return await self._reading.run(lambda: read(reads))
        except DiskHung as error:
            raise JournalFailed(DISK_HUNG, reading=True) from error

    async def _search(self, read: Callable[[SiteJournal], T]) -> T:
        """Make a read that may take long, when it is the person's turn. Raises: JournalFailed."""
        searches = self._searches
        async with self._turns.take():
            try:
                return await self._searching.run(lambda: read(searches))
            except DiskHung as error:
                raise JournalFailed(DISK_HUNG, reading=True) from error

    # -- writing

    async def first_id(self, unix: float) -> int:
        return await self._write(lambda rows: rows.first_id(unix))

    async def check_file(self) -> JournalRenewal | None:
        return await self._write(lambda rows: rows.check_file(), certain=True)

    async def commit(self, batch: Batch) -> None:
        await self._write(lambda rows: rows.commit(batch), certain=True)

    async def put_record(self, key: str, text: str | None) -> None:
        await self._write(lambda rows: rows.put_record(key, text))

    async def note_try(
        self, message_id: int, content: str, at: float, absorbs: int | None = None, *, late: float = 0.0
    ) -> None:
        await self._write(lambda rows: rows.note_try(message_id, content, at, absorbs, late=late))

    async def absorb(self, message_ids: Iterable[int]) -> None:
        numbers = tuple(message_ids)
        await self._write(lambda rows: rows.absorb(numbers))

    async def note_posted(self, message_id: int, discord_id: int, edition: int) -> None:
        await self._write(lambda rows: rows.note_posted(message_id, discord_id, edition))

    async def note_edited(self, message_id: int, edition: int) -> None:
        await self._write(lambda rows: rows.note_edited(message_id, edition))

    async def note_blocked(self, message_id: int, error: str) -> None:
        await self._write(lambda rows: rows.note_blocked(message_id, error))

    async def note_refused(self, message_id: int, error: str, *, not_taken: bool) -> None:
        await self._write(lambda rows: rows.note_refused(message_id, error, not_taken=not_taken))

    async def give_up(self, message_id: int, error: str) -> None:
        await self._write(lambda rows: rows.give_up(message_id, error))

    async def prune(self, before: float) -> bool:
        return await self._write(lambda rows: rows.prune(before))

    async def add_dashboard(self, dashboard: Dashboard) -> AddOutcome:
        return await self._write(lambda rows: rows.add_dashboard(dashboard), certain=True)

    async def put_dashboard(self, dashboard: Dashboard) -> None:
        await self._write(lambda rows: rows.put_dashboard(dashboard), certain=True)

    async def drop_dashboard(self, mark: str) -> None:
        await self._write(lambda rows: rows.drop_dashboard(mark))

    async def audit_add_all(self, records: Sequence[NewRecord]) -> tuple[int, ...]:
        return await self._write(lambda rows: rows.audit_add_all(records), certain=True)

    async def audit_put_cursor(self, cursor: AuditCursor | None, stream: Stream = Stream.CHANGES) -> None:
        await self._write(lambda rows: rows.audit_put_cursor(cursor, stream))

    async def audit_prune(self, before: float, after: int = 0) -> int | None:
        return await self._write(lambda rows: rows.audit_prune(before, after))

    # -- reading

    async def records(self) -> dict[str, str]:
        return await self._read(lambda reads: reads.records())

    async def open_incidents(self) -> tuple[Incident, ...]:
        return await self._read(lambda reads: reads.open_incidents())

    async def to_post(self) -> tuple[OutboxMessage, ...]:
        return await self._read(lambda reads: reads.to_post())

    async def to_edit(self) -> tuple[OutboxMessage, ...]:
        return await self._read(lambda reads: reads.to_edit())

    async def discord_ids(self) -> frozenset[int]:
        return await self._read(lambda reads: reads.discord_ids())

    async def outbox_message(self, message_id: int) -> OutboxMessage | None:
        return await self._read(lambda reads: reads.outbox_message(message_id))

    async def dashboards(self) -> tuple[Dashboard, ...]:
        return await self._read(lambda reads: reads.dashboards())

    async def incident(self, incident_id: int) -> Incident | None:
        return await self._read(lambda reads: reads.incident(incident_id))

    async def history(
        self, vmids: Collection[int] | None, offset: int, limit: int
    ) -> tuple[tuple[Incident, ...], int]:
        return await self._read(lambda reads: reads.history(vmids, offset, limit))

    async def earliest_beginning(self, vmids: Collection[int] | None, count: int) -> float:
        return await self._read(lambda reads: reads.earliest_beginning(vmids, count))

    async def counts(self, since: float) -> dict[int, int]:
        return await self._read(lambda reads: reads.counts(since))

    async def backlog(self, since: float = 0.0) -> Backlog:
        return await self._read(lambda reads: reads.backlog(since))

    async def audit_page(
        self, wanted: AuditFilter, offset: int, limit: int
    ) -> tuple[tuple[AuditEntry, ...], int]:
        return await self._search(lambda reads: reads.audit_page(wanted, offset, limit))

    async def audit_people(self, limit: int) -> tuple[tuple[int, str], ...]:
        return await self._search(lambda reads: reads.audit_people(limit))

    async def audit_export(
        self, wanted: AuditFilter, before: int | None, limit: int
    ) -> tuple[tuple[AuditEntry, ...], int | None]:
        return await self._search(lambda reads: reads.audit_export(wanted, before, limit))

    async def audit_after(
        self, after: int, limit: int, stream: Stream | None = None
    ) -> tuple[tuple[AuditEntry, ...], int]:
        return await self._read(lambda reads: reads.audit_after(after, limit, stream))

    async def audit_last(self) -> int:
        return await self._read(lambda reads: reads.audit_last())

    async def audit_open(self) -> tuple[AuditEntry, ...]:
        return await self._read(lambda reads: reads.audit_open())

    async def audit_unknown(self, since: float) -> tuple[AuditEntry, ...]:
        return await self._read(lambda reads: reads.audit_unknown(since))

    async def audit_upids(self, vmid: int, after: int, but: int) -> frozenset[str]:
        return await self._read(lambda reads: reads.audit_upids(vmid, after, but))

    async def audit_cursor(self, stream: Stream = Stream.CHANGES) -> AuditCursor | None:
        return await self._read(lambda reads: reads.audit_cursor(stream))


class JournalOffLoop(SiteJournalOffLoop):
    """The whole journal. It is also the journal of the only site or, with several, that of data without a site."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = SqliteJournal(path, clock)
        self._read_files = self._file.reading_file(), self._file.reading_file()
        self._threads = DiskThread("journal"), DiskThread("journal reads"), DiskThread("journal searches")
        super().__init__(*self._views(""), *self._threads, Turns(1))

    def _views(self, name: str) -> tuple[SiteJournal, SiteJournal, SiteJournal]:
        rows, (reads, searches) = self._file.of_site(name), self._read_files
        return rows, rows.reading_from(reads), rows.reading_from(searches)

    def of_site(self, name: str) -> SiteJournalOffLoop:
        """Return the journal of one site.

        "": the journal of the only site or, with several, that of data without a site.
        """
        return self if name == "" else SiteJournalOffLoop(*self._views(name), *self._threads, self._turns)

    def open(
        self,
        sites: SiteNames = ONLY_SITE,
        check: Callable[[SiteNames, StoredSites], None] = check_sites,
    ) -> JournalReport:
        """Open the file as `SqliteJournal.open` does, and block until it is open: nothing else runs before.

        Raises: as `SqliteJournal.open` does, and DiskHung after `close`.
        """
        return self._threads[0].run_blocking(lambda: self._file.open(sites, check))

    async def close(self) -> None:
        """Carry out the waiting calls, and close the file.

        Do not wait long for a hung disk: every acknowledged write is stored.
        """
        writing, reading, searching = self._threads
        reads, searches = self._read_files
        # the last connection merges the -wal into the file
        await asyncio.gather(reading.close(reads.close), searching.close(searches.close))
        await writing.close(self._file.close, CLOSE_SECONDS)

    @property
    def first_site(self) -> str | None:
        """The site that owns the data from before there were several. None if FIRST_SITE never named it."""
        return self._file.first_site

    def unknown_sites(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the named sites in the journal that are not among these."""
        return self._file.unknown_sites(names)
