"""Record who asked for what, and how it ended. Proxmox' own log only ever shows the bot's token.

An attempt is one record (refused, planned, or a read that ended) or several: asked, written before anything is
sent; for an action on a guest sending and sent, around the request to Proxmox; and ended. If the bot ends before the
end is recorded, the next start finds out how an action on a guest ended (core/actions/recovery.py). Repeated
refusals, and many attempts of one person that change nothing, share a row with a count (core/audit/folding.py).
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from core.audit.folding import Folding
from core.audit.log_line import completed, log_line
from core.audit.record import CUT_OFF, NOTHING_STARTED, AuditRecord, AuditStep
from core.audit.store import WAIT_SECONDS, AuditEntry, AuditStore, NewRecord, Ticket
from core.clock import Clock
from core.errors import DISK_HUNG, JournalFailed
from core.operations import ACTIONS

LATE_MOST = 1000
"""Maximum number of records that wait in memory to be written."""
BATCH_MOST = 100
"""Maximum number of records written at once."""
FINISH_SECONDS = 2 * WAIT_SECONDS
"""Seconds in which the bot tries to write the rest at its end, twice if the disk refuses it."""

_log = logging.getLogger("audit")

RECHECK_SECONDS = 86_400.0
"""Maximum age in seconds of an unknown result that a start still asks Proxmox about."""


class AuditLog(Protocol):
    """The audit trail, for everything that records attempts."""

    cut_off: tuple[AuditEntry, ...]
    """Actions on guests of earlier runs whose result has to be found out."""

    def record(self, record: AuditRecord, attempt: Ticket | int | None = None) -> None:
        """Queue the record of a step. It is written soon, or when the disk allows it.

        `attempt`: an earlier record of the same attempt. None: this is the first. It is only counted if it need not
        have a row of its own (core/audit/folding.py).
        """

    async def record_first(self, record: AuditRecord) -> Ticket:
        """Store an ASKED record durably before the action.

        Return the ticket to which later records of the attempt refer. A record that is not stored within two
        seconds is withdrawn. If it is stored all the same, a second record says that nothing was started.
        Raises: JournalFailed if the record cannot be stored, or not in time.
        """

    async def close_cut_off(self) -> None:
        """Find the actions of earlier runs without a certain result (`cut_off`), and end the other open attempts.

        Actions whose result is unknown count if they are less than RECHECK_SECONDS old.
        Raises: JournalFailed.
        """

    def write_late(self) -> None:
        """Try again to write the records that the disk refused, and the counts of repeats whose minute is over."""

    async def flush(self, *, counts: bool = False) -> None:
        """Wait until everything recorded so far is written or refused, for two seconds at most.

        `counts`: write all counts. Does not raise.
        """

    async def finish(self) -> None:
        """Write the rest before the bot ends, and try a second time if the disk refuses it.

        Takes at most four seconds. A record that cannot be stored is in the log only. Does not raise.
        """


@dataclass(slots=True, eq=False)
class _Row:
    """A record that waits to be written.

    `number`: counts the records of this run. `at`: Unix seconds. `follows`: an earlier record of the same attempt.
    `stored`: the future for which `record_first` waits, None for other records.
    `is_late`: it waits since the disk refused a write, and the log says so.
    `withdrawn`: an ASKED record for which `record_first` no longer waits. It may still be stored.
    """

    number: int
    record: AuditRecord
    at: float
    follows: Ticket | int | None
    ticket: Ticket
    stored: asyncio.Future[None] | None = None
    is_late: bool = False
    withdrawn: bool = False

    @property
    def attempt(self) -> int | None:
        return self.follows.id if isinstance(self.follows, Ticket) else self.follows


class AuditTrail:
    """Store the audit trail in the journal, with one log line per record, but none for a repeat that is counted.

    Records are written by one task, in their order, several at once if they wait.
    """

    def __init__(self, store: AuditStore, clock: Clock) -> None:
        self._records, self._clock = store, clock
        self._on_recorded: Callable[[], None] = lambda: None
        self._rows: deque[_Row] = deque()
        self._queued = 0
        """Number of the last record that was queued."""
        self._writing: asyncio.Task[None] | None = None
        self._flushes: list[tuple[int, asyncio.Future[None]]] = []
        """Numbers of records, each with a future that is set once the record is written or refused."""
        self._folding = Folding(clock)
        self._finished = False
        self.cut_off: tuple[AuditEntry, ...] = ()

    def subscribe(self, on_recorded: Callable[[], None]) -> None:
        """Set the callback that is called after records were stored."""
        self._on_recorded = on_recorded

    async def close_cut_off(self) -> None:
        found = await self._records.audit_open()
        unknown = await self._records.audit_unknown(self._clock.now() - RECHECK_SECONDS)
        self.cut_off = tuple(each for each in (*found, *unknown) if each.record.operation in ACTIONS)
        for each in found:
            if each not in self.cut_off:
                self.record(replace(each.record, step=AuditStep.ENDED, outcome=CUT_OFF), each.attempt)
        await self.flush()

    def record(self, record: AuditRecord, attempt: Ticket | int | None = None) -> None:
        record = completed(record)
        if attempt is not None:
            self._queue(record, attempt)
            return
        self._write_counts()
        if not self._folding.counted(record):
            record = self._folding.row_of(record)
            self._folding.opened(record, self._queue(record).ticket)

    async def record_first(self, record: AuditRecord) -> Ticket:
        stored = asyncio.get_running_loop().create_future()
        row = self._queue(completed(record), stored=stored)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await stored
        except TimeoutError:
            self._withdraw(row)
            raise JournalFailed(DISK_HUNG) from None
        except asyncio.CancelledError:
            self._withdraw(row)
            raise
        return row.ticket

    def _withdraw(self, row: _Row) -> None:
        """Take an ASKED record back. If it is stored or being stored, record that nothing was started."""
        if row in self._rows:
            self._rows.remove(row)
        elif row.ticket.id is not None:
            self._record_nothing_started(row)
        else:
            row.withdrawn = True

    def _record_nothing_started(self, row: _Row) -> None:
        self._queue(replace(row.record, step=AuditStep.ENDED, outcome=NOTHING_STARTED), row.ticket)

    def write_late(self) -> None:
        self._write_counts()
        self._start_writing()

    async def flush(self, *, counts: bool = False) -> None:
        self._write_counts(everything=counts)
        if self._start_writing():
            written = asyncio.get_running_loop().create_future()
            self._flushes.append((self._queued, written))
            await asyncio.wait({written}, timeout=WAIT_SECONDS)

    async def finish(self) -> None:
        self._finished = True
        self._write_counts(everything=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINISH_SECONDS):
                for _ in range(2):  # a write that is under way may have begun long before, and be refused now
                    if self._start_writing() and self._writing is not None:
                        await asyncio.wait({self._writing})
        if self._rows:
            _log.error(
                "%d records of the audit trail could not be written; they are only in this log",
                len(self._rows),
            )

    def _write_counts(self, *, everything: bool = False) -> None:
        for record, ticket in self._folding.due(everything=everything):
            self._queue(record, ticket)

    # -- writing

    def _queue(
        self,
        record: AuditRecord,
        follows: Ticket | int | None = None,
        stored: asyncio.Future[None] | None = None,
    ) -> _Row:
        """Let a record be written after those before it. If too many wait, the oldest is in the log only."""
        log_line(record)
        while len(self._rows) >= LATE_MOST:
            self._rows.popleft()
        self._queued += 1
        row = _Row(self._queued, record, self._clock.now(), follows, Ticket(), stored)
        self._rows.append(row)
        self._start_writing()
        return row

    def _start_writing(self) -> bool:
        """Start the task that writes if something waits, and return whether it runs."""
        if self._rows and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write(), name="audit trail")
        return self._writing is not None and not self._writing.done()

    def _end_flushes(self, number: int) -> None:
        """Release everybody who waits for a record up to this number."""
        for each in [each for each in self._flushes if each[0] <= number]:
            self._flushes.remove(each)
            if not each[1].done():
                each[1].set_result(None)

    async def _write(self) -> None:
        """Write the waiting records. Stop if the disk refuses them: the next record, or `write_late`, tries again."""
        try:
            await self._write_batches()
        finally:
            self._end_flushes(self._queued)

    async def _write_batches(self) -> None:
        """Write the waiting records in batches, but one by one after a batch with a record that no store can hold."""
        alone = 0  # number of next records to write one by one
        while batch := self._take_batch(1 if alone else BATCH_MOST):
            try:
                records = [NewRecord(row.record, row.at, row.attempt) for row in batch]
                numbers = await self._records.audit_add_all(records)
            except JournalFailed as error:
                self._rows.extendleft(reversed(batch))
                self._on_refused(error)
                return
            except Exception as error:  # noqa: BLE001 - one such record would keep all others from being stored
                alone = len(batch)
                if alone > 1:
                    self._rows.extendleft(reversed(batch))
                    continue
                self._give_up(batch[0], error)
            except BaseException:
                self._rows.extendleft(reversed(batch))
                raise
            else:
                self._on_stored(batch, numbers)
            alone = max(0, alone - 1)
            self._end_flushes(batch[-1].number)

    def _on_stored(self, batch: list[_Row], numbers: tuple[int, ...]) -> None:
        for row, number in zip(batch, numbers, strict=True):
            row.ticket.id = number
            if row.withdrawn:
                self._record_nothing_started(row)
            elif row.stored is not None and not row.stored.done():
                row.stored.set_result(None)
        self._on_recorded()

    def _give_up(self, row: _Row, error: Exception) -> None:
        """Leave a record that no store can hold in the log only, and refuse the action that waits for it."""
        _log.error("a record of the audit trail cannot be stored and is only in this log", exc_info=error)
        if row.stored is not None and not row.stored.done():
            row.stored.set_exception(JournalFailed(type(error).__name__))

    def _take_batch(self, most: int) -> list[_Row]:
        """Take the next records that can be written at once.

        One that follows another record waits until the id of that record is known.
        """
        batch: list[_Row] = []
        while self._rows and len(batch) < most:
            follows = self._rows[0].follows
            if any(row.ticket is follows for row in batch):
                break
            batch.append(self._rows.popleft())
        return batch

    def _on_refused(self, error: JournalFailed) -> None:
        """Refuse the actions that wait for their record. Keep all other records for later."""
        rows = list(self._rows)
        self._rows.clear()
        for row in rows:
            if row.stored is None:
                self._rows.append(row)
            elif not row.stored.done():
                row.stored.set_exception(error)
        late = [row for row in self._rows if not row.is_late]
        for row in late:
            row.is_late = True
        if late:
            again = "the bot ends" if self._finished else "and is tried again later"
            _log.warning("the audit trail could not be written, %s: %s", again, error.reason)
