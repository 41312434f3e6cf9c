"""Read the records of the audit trail that are to be posted, and keep the cursor of each stream."""

import contextlib
from dataclasses import replace

from core.audit.relevance import is_posted
from core.audit.store import AuditCursor, AuditEntry, Stream
from core.errors import JournalFailed
from core.watch.journal import Journal

PAGE_RECORDS = 200
"""Number of records read at a time."""
SKIPPED_MOST = 500
"""Number of record ids by which the cursor may be ahead of the stored one while no record needs a line."""


class AuditQueue:
    """One stream of the audit trail, and its cursor."""

    def __init__(self, journal: Journal, stream: Stream) -> None:
        self._journal, self.stream = journal, stream
        self._cursor: AuditCursor | None = None
        self._stored_up_to = 0
        """`posted` of the stored cursor; the cursor in memory may be ahead of it."""
        self.tried: float | None = None
        """Monotonic time at which this run tried to send the message that ends with the record `cursor.tried`."""
        self.separate_up_to = 0
        """Up to this record id each line is a message of its own, because Discord refused them together."""

    @property
    def known(self) -> AuditCursor | None:
        """The cursor, None before it is read."""
        return self._cursor

    async def cursor(self) -> AuditCursor:
        """Return the cursor. The first call reads it from the journal.

        A stream without a cursor begins at that of CHANGES, which an earlier version used for both streams. Without
        that, it begins at the newest record.
        Raises: JournalFailed.
        """
        if self._cursor is None:
            cursor = await self._journal.audit_cursor(self.stream)
            if cursor is None:
                former = await self._journal.audit_cursor()
                newest = former.posted if former else await self._journal.audit_last()
                cursor = AuditCursor(newest)
                await self._journal.audit_put_cursor(cursor, self.stream)
            self._cursor, self._stored_up_to = cursor, cursor.posted
        return self._cursor

    async def records(self) -> tuple[tuple[AuditEntry, ...], int]:
        """Return those of the next records that need a line, and the last id up to which they were read.

        While it is unknown whether Discord has the last message, only the records of that message are returned.
        Raises: JournalFailed.
        """
        cursor = await self.cursor()
        records, last = await self._journal.audit_after(cursor.posted, PAGE_RECORDS, self.stream)
        if cursor.tried:
            last = min(last, cursor.tried) if records else cursor.tried
        return tuple(each for each in records if is_posted(each.record) and each.id <= last), last

    async def waiting(self) -> list[AuditEntry]:
        """Return those of the next `PAGE_RECORDS` records that need a line, without changing anything.

        Raises: JournalFailed.
        """
        cursor = self._cursor or await self._journal.audit_cursor(self.stream)
        if cursor is None:
            return []
        records, _ = await self._journal.audit_after(cursor.posted, PAGE_RECORDS, self.stream)
        return [each for each in records if is_posted(each.record)]

    async def skip(self, last: int) -> None:
        """Pass over the records up to `last`: none of them gets a line. Not every call stores the cursor.

        Raises: JournalFailed.
        """
        cursor = await self.cursor()
        if cursor.tried or last - self._stored_up_to >= SKIPPED_MOST:
            await self.store(replace(cursor, posted=last, tried=0, tried_at=0.0))
        else:
            self._cursor = replace(cursor, posted=last)

    async def store(self, cursor: AuditCursor) -> None:
        """Store the cursor.

        Raises: JournalFailed.
        """
        await self._journal.audit_put_cursor(cursor, self.stream)
        self._cursor, self._stored_up_to = cursor, cursor.posted
        if not cursor.tried:
            self.tried = None

    async def forget(self) -> None:
        """Delete the stored cursor, if there is one. Does not raise."""
        with contextlib.suppress(JournalFailed):
            if await self._journal.audit_cursor(self.stream) is not None:
                await self._journal.audit_put_cursor(None, self.stream)
