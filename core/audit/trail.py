"""Record who asked for what, and how it ended. Proxmox' own log only ever shows the bot's token.

An attempt is one record (refused, planned, or an answered read) or several: asked, written before anything is
sent; sending and sent, around the request to Proxmox; and ended. If the bot ends before the end is recorded,
the next start finds out how the attempt ended (core/actions/recovery.py). Repeated attempts share one row
with a count (core/audit/folding.py).
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from core.audit.folding import Folding
from core.audit.record import AuditRecord, AuditStep
from core.clock import Clock
from core.errors import BotError, JournalFailed, Refused
from core.operations import ACTIONS
from core.tasks import TaskEnd, end_of

__all__ = ["AuditRecord", "AuditStep"]

DETAIL_MOST, OUTCOME_MOST = 500, 1000
"""Characters kept of the typed text, and of the outcome."""
LATE_MOST = 1000
"""Maximum number of records that wait in memory while the disk refuses writes."""

_log = logging.getLogger("audit")


UNKNOWN = "unknown: "
"""Prefix of an outcome when it is not known whether the action was done."""
CUT_OFF = f"{UNKNOWN}cut off"
"""Outcome of an attempt that was running when the bot ended."""
NOTHING_STARTED = "nothing begun"
"""Outcome of an attempt that ended before Proxmox had the request."""
CANCELLED = "cancelled"
"""Outcome of a question that its asker cancelled."""
RECHECK_SECONDS = 86_400.0
"""Maximum age in seconds of an unknown result that a start still asks Proxmox about."""
NOT_SETTLED = "the task ended well, but the guest is not in the state expected"


class Ending(StrEnum):
    """Result of an attempt according to its latest record."""

    DONE = "done"
    WARNINGS = "warnings"  # done, with warnings from Proxmox
    FAILED = "failed"
    UNKNOWN = "unknown"  # done or not
    REFUSED = "refused"
    SHOWN = "shown"  # only the plan was shown
    UNFINISHED = "unfinished"  # no result yet
    CUT_OFF = "cut_off"  # the bot ended during it
    CANCELLED = "cancelled"  # cancelled by the asker before anything was done


_STEPS = {AuditStep.REFUSED: Ending.REFUSED, AuditStep.PLANNED: Ending.SHOWN}
_TASKS = {TaskEnd.OK: Ending.DONE, TaskEnd.WARNINGS: Ending.WARNINGS, TaskEnd.ERROR: Ending.FAILED}


def ending_of(record: AuditRecord) -> Ending:
    if record.outcome == CANCELLED:
        return Ending.CANCELLED
    if record.step is not AuditStep.ENDED:
        return _STEPS.get(record.step, Ending.UNFINISHED)
    if record.outcome == CUT_OFF:
        return Ending.CUT_OFF
    if record.outcome.startswith(UNKNOWN) or record.outcome in (TaskEnd.VANISHED, TaskEnd.LOST):
        return Ending.UNKNOWN
    return _TASKS[end_of(record.outcome)]


def step_of(error: BaseException) -> AuditStep:
    """Return the step of an attempt that failed before anything was sent: refused or ended."""
    return AuditStep.REFUSED if isinstance(error, Refused) else AuditStep.ENDED


def outcome_of(error: BaseException) -> str:
    """Return the outcome of an attempt that ended in an error.

    An unexpected error is named by its class alone, because its text may contain a secret. The log has the
    text.
    """
    if isinstance(error, asyncio.CancelledError):
        return NOTHING_STARTED
    return str(error) if isinstance(error, BotError) else type(error).__name__


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A stored record.

    `attempt`: id of the attempt's first record. `began` and `at`: Unix seconds of the first and this record.
    """

    id: int
    attempt: int
    began: float
    at: float
    record: AuditRecord


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Filter of attempts; None and "" mean all. `since`: earliest start in Unix seconds.

    `until`: newest id to include, so that pages stay stable.
    """

    vmid: int | None = None
    person_id: int | None = None
    operation: str = ""
    since: float | None = None
    until: int | None = None


class Stream(StrEnum):
    """Queues to the audit channel. Refusals wait for all changes."""

    CHANGES = "changes"
    REFUSALS = "refusals"


@dataclass(frozen=True, slots=True)
class AuditCursor:
    """How far the records of a stream have been posted: up to and including the id `posted`.

    `there`: Discord's id of the last message, 0 if there is none.
    `tried`: last record id of a message that Discord may or may not have, 0 if there is none.
    `tried_at`: Unix seconds of that attempt.
    """

    posted: int
    there: int = 0
    tried: int = 0
    tried_at: float = 0.0


class AuditStore(Protocol):
    """The stored records, which can only be added to.

    Every method raises JournalFailed if the disk refuses.
    """

    def audit_add(self, record: AuditRecord, at: float, attempt: int | None = None) -> int:
        """Add a record durably and return its id. `attempt`: id of an earlier record of the same attempt."""

    def audit_page(self, wanted: AuditFilter, offset: int, limit: int) -> tuple[tuple[AuditEntry, ...], int]:
        """Return the latest record of each attempt, newest attempt first, and the number of attempts."""

    def audit_people(self, limit: int) -> tuple[tuple[int, str], ...]:
        """Return ids and latest names of the people who asked for something, latest first."""

    def audit_export(
        self, wanted: AuditFilter, before: int | None, limit: int
    ) -> tuple[tuple[AuditEntry, ...], int | None]:
        """Return attempts older than `before` as `audited` does, and the id for the next call.

        `before`: an attempt's id; None: all. The returned id is None at the end. New attempts do not shift the
        result.
        """

    def audit_after(
        self, after: int, limit: int, stream: Stream | None = None
    ) -> tuple[tuple[AuditEntry, ...], int]:
        """Return the records of a stream (None: all) with higher ids, oldest first, and the last id covered."""

    def audit_last(self) -> int:
        """Return the id of the newest record, 0 if there is none."""

    def audit_open(self) -> tuple[AuditEntry, ...]:
        """Return the latest record of each attempt without a result."""

    def audit_unknown(self, since: float) -> tuple[AuditEntry, ...]:
        """Return the latest record of each attempt whose result is unknown.

        Records before `since` (Unix seconds) are left out.
        """

    def audit_upids(self, vmid: int, after: int, but: int) -> frozenset[str]:
        """Return the known UPIDs of a guest from records with higher ids, except those of the attempt `but`."""

    def audit_cursor(self, stream: Stream = Stream.CHANGES) -> AuditCursor | None: ...

    def audit_put_cursor(self, cursor: AuditCursor | None, stream: Stream = Stream.CHANGES) -> None: ...

    def audit_prune(self, before: float, after: int = 0) -> int | None:
        """Delete the attempts whose records are all older than `before` (Unix seconds).

        Checks the next few ids after `after`. Return the id for the next call, None at the end.
        """


class AuditLog(Protocol):
    cut_off: tuple[AuditEntry, ...]
    """Attempts of an earlier run whose result has to be found out."""

    def record(self, entry: AuditRecord, attempt: int | None = None) -> int | None:
        """Store a record and return its id, None if it could not be stored yet.

        An ASKED record must be stored before the action. Other steps have already happened: they are written
        when the disk allows it.
        Raises: JournalFailed, for ASKED only.
        """

    def close_cut_off(self) -> None:
        """At the start, find the attempts that an earlier run left without a result.

        Raises: JournalFailed.
        """

    def write_late(self, *, counts: bool = False) -> None:
        """Write the records that the disk refused, and the counts of repeats whose minute is over.

        `counts`: write all counts. Does not raise.
        """

    def finish(self) -> None:
        """Write the rest before the bot ends; a record that cannot be stored is in the log only.

        Does not raise.
        """


class AuditTrail:
    """Store the audit trail in the journal, with one log line per record."""

    def __init__(self, book: AuditStore, clock: Clock) -> None:
        self._records, self._clock = book, clock
        self._on_recorded: Callable[[], None] = lambda: None
        self._late: deque[tuple[AuditRecord, float, int | None]] = deque(maxlen=LATE_MOST)
        self._folding = Folding(clock)
        self._finished = False
        self.cut_off: tuple[AuditEntry, ...] = ()

    def subscribe(self, on_kept: Callable[[], None]) -> None:
        """Set the callback for each stored record."""
        self._on_recorded = on_kept

    def close_cut_off(self) -> None:
        found = self._records.audit_open()
        unknown = self._records.audit_unknown(self._clock.now() - RECHECK_SECONDS)
        self.cut_off = tuple(each for each in (*found, *unknown) if each.record.operation in ACTIONS)
        for each in found:
            if each not in self.cut_off:
                self.record(replace(each.record, step=AuditStep.ENDED, outcome=CUT_OFF), each.attempt)

    def record(self, entry: AuditRecord, attempt: int | None = None) -> int | None:
        entry = replace(entry, detail=entry.detail[:DETAIL_MOST], outcome=entry.outcome[:OUTCOME_MOST])
        whole = attempt is None and entry.step is not AuditStep.ASKED
        if whole:
            self._write_counts()
            if self._folding.counted(entry):
                return None
            entry = self._folding.row_of(entry)
        _log_line(entry)
        number = self._store(entry, attempt)
        if whole:
            self._folding.opened(entry, number)
        return number

    def _store(self, entry: AuditRecord, attempt: int | None) -> int | None:
        now = self._clock.now()
        try:
            self._write_late()
            number = self._records.audit_add(entry, now, attempt)
        except JournalFailed as error:
            if entry.step is AuditStep.ASKED:
                raise
            again = "the bot ends" if self._finished else "and is tried again later"
            _log.warning("the audit trail could not be written, %s: %s", again, error.reason)
            self._late.append((entry, now, attempt))
            return None
        self._on_recorded()
        return number

    def write_late(self, *, counts: bool = False) -> None:
        self._write_counts(everything=counts)
        with contextlib.suppress(JournalFailed):
            self._write_late()

    def _write_counts(self, *, everything: bool = False) -> None:
        for entry, attempt in self._folding.due(everything=everything):
            _log_line(entry)
            self._store(entry, attempt)

    def _write_late(self) -> None:
        """Write the waiting records in order.

        Raises: JournalFailed.
        """
        while self._late:
            self._records.audit_add(*self._late[0])
            self._late.popleft()

    def finish(self) -> None:
        self._finished = True
        self.write_late(counts=True)
        if self._late:
            _log.error(
                "%d records of the audit trail could not be written; they are only in this log",
                len(self._late),
            )


def _log_line(entry: AuditRecord) -> None:
    _log.info(
        "%s: %s by %r (%d) by %s in %s on %s %r node=%s state=%s upid=%s outcome=%r %.1fs x%d",
        entry.step,
        entry.operation,
        entry.actor.name,
        entry.actor.user_id,
        entry.actor.interaction_kind,
        entry.actor.place.channel_id,
        entry.vmid,
        entry.detail,
        entry.node,
        entry.state,
        entry.upid,
        entry.outcome,
        entry.seconds,
        entry.times,
    )
