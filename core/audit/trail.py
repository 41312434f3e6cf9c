"""Who asked for what, and what came of it. Proxmox' own log only ever shows the bot's token.

An attempt is one record (refused, planned, or a reading that was answered), or several: asked, written before
anything is sent; sending and sent, around the request to Proxmox; and ended. An attempt without its end was cut off
with the bot; the next start finds out how it ended (core/actions/recovery.py). What is asked for again and
again is one row with a count (core/audit/folding.py).
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
from core.tasks import TaskEnd, end_of
from core.verbs import Verb

__all__ = ["AuditRecord", "AuditStep"]

DETAIL_MOST, OUTCOME_MOST = 500, 1000
"""Characters that are kept of what was typed, and of what came of it."""
LATE_MOST = 1000
"""So many records wait in memory for a disk that refuses."""

_log = logging.getLogger("audit")


UNKNOWN = "unknown: "
"""How an outcome begins of which it is not known whether it was done."""
CUT_OFF = f"{UNKNOWN}cut off"
"""The outcome of what was under way when the bot ended."""
NOTHING_STARTED = "nothing begun"
"""The outcome of what was cut off before Proxmox had it."""
CANCELLED = "cancelled"
"""The outcome of a question that its asker called off."""
RECHECK_SECONDS = 86_400.0
"""Seconds for which a start asks again how something ended of which that is not known."""
NOT_SETTLED = "the task ended well, but the guest is not in the state expected"


class Ending(StrEnum):
    """How an attempt ended, as far as its latest record tells."""

    DONE = "done"
    WARNINGS = "warnings"  # done, and Proxmox warned of something
    FAILED = "failed"
    UNKNOWN = "unknown"  # done or not
    REFUSED = "refused"
    SHOWN = "shown"  # what would happen, and no more
    UNFINISHED = "unfinished"  # no end yet
    CUT_OFF = "cut_off"  # the bot ended meanwhile
    CANCELLED = "cancelled"  # by who asked, before anything was done


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
    """Of an attempt that ended in an error before anything was sent: a no, or a failure."""
    return AuditStep.REFUSED if isinstance(error, Refused) else AuditStep.ENDED


def outcome_of(error: BaseException) -> str:
    """What came of an attempt that ended in an error.

    Of an error nobody expected only its kind: its text may hold anything, a secret included. The log has it.
    """
    if isinstance(error, asyncio.CancelledError):
        return NOTHING_STARTED
    return str(error) if isinstance(error, BotError) else type(error).__name__


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A record as it is kept. `attempt` is the id of its attempt's first record; `began` when that was written,
    `at` when this one was (Unix seconds)."""

    id: int
    attempt: int
    began: float
    at: float
    record: AuditRecord


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which attempts are wanted; None and empty mean all. `since`: begun then or later (Unix seconds). `until`: none
    newer than this id, so that what comes in meanwhile shifts no page."""

    vmid: int | None = None
    person_id: int | None = None
    operation: str = ""
    since: float | None = None
    until: int | None = None


class Stream(StrEnum):
    """The queues to the audit channel: refusals wait for everything else."""

    CHANGES = "changes"
    REFUSALS = "refusals"


@dataclass(frozen=True, slots=True)
class AuditCursor:
    """How far the records of a stream have been posted: up to and with the id `posted`.

    `there`: Discord's id of the last message, 0 where there is none. `tried`: the last
    id of a message of which it is not known whether Discord has it, 0 where there is none;
    `tried_at` when that was (Unix seconds).
    """

    posted: int
    there: int = 0
    tried: int = 0
    tried_at: float = 0.0


class AuditStore(Protocol):
    """The kept records, to which one can only add. Every method raises JournalFailed when the disk refuses."""

    def audit_add(self, record: AuditRecord, at: float, attempt: int | None = None) -> int:
        """Add a record, durably; its id. `attempt`: the id of the one it follows."""

    def audit_page(self, wanted: AuditFilter, offset: int, limit: int) -> tuple[tuple[AuditEntry, ...], int]:
        """The latest record of each attempt, newest attempt first; and how many attempts there are."""

    def audit_people(self, limit: int) -> tuple[tuple[int, str], ...]:
        """Ids and latest names of those who asked for something, the latest first."""

    def audit_export(
        self, wanted: AuditFilter, before: int | None, limit: int
    ) -> tuple[tuple[AuditEntry, ...], int | None]:
        """As `audited`, of attempts older than `before` (an attempt's id; None: all); and where to go on, None at
        the end. What comes in meanwhile shifts nothing."""

    def audit_after(
        self, after: int, limit: int, stream: Stream | None = None
    ) -> tuple[tuple[AuditEntry, ...], int]:
        """The records of higher ids (of one stream), the first ones first; and the id up to which that was all."""

    def audit_last(self) -> int:
        """The id of the newest record, 0 where there is none."""

    def audit_open(self) -> tuple[AuditEntry, ...]:
        """The latest record of each attempt without an end."""

    def audit_unknown(self, since: float) -> tuple[AuditEntry, ...]:
        """The latest record, written since then (Unix seconds), of each attempt of which the end is not known."""

    def audit_upids(self, vmid: int, after: int, but: int) -> frozenset[str]:
        """The tasks that are known of a guest, by records of higher ids and of another attempt than `but`."""

    def audit_cursor(self, stream: Stream = Stream.CHANGES) -> AuditCursor | None: ...

    def audit_put_cursor(self, cursor: AuditCursor | None, stream: Stream = Stream.CHANGES) -> None: ...

    def audit_prune(self, before: float, after: int = 0) -> int | None:
        """Forget attempts of which all was written before then (Unix seconds), among the next few of higher ids than
        `after`; the id to go on after, None at the end."""


class AuditLog(Protocol):
    cut_off: tuple[AuditEntry, ...]
    """What a former run had begun of which it is to be found out how it ended."""

    def record(self, entry: AuditRecord, attempt: int | None = None) -> int | None:
        """Keep it; its id, for the record that follows. Raises JournalFailed for ASKED: what cannot be kept is not
        done. Other steps have happened already: then None, and they are written when the disk allows it."""

    def close_cut_off(self) -> None:
        """At the start: what has no end yet was cut off with a former run. Raises JournalFailed where that cannot be
        read."""

    def write_late(self, *, counts: bool = False) -> None:
        """Once more what the disk had refused, and how often things were asked for, where their minute is over; with
        `counts` of all. Does not raise."""

    def finish(self) -> None:
        """The bot ends: what is not kept by now is in the log only. Does not raise."""


class AuditTrail:
    """The audit in the journal, and one line a record in the bot's log."""

    def __init__(self, book: AuditStore, clock: Clock) -> None:
        self._records, self._clock = book, clock
        self._on_recorded: Callable[[], None] = lambda: None
        self._late: deque[tuple[AuditRecord, float, int | None]] = deque(maxlen=LATE_MOST)
        self._folding = Folding(clock)
        self._finished = False
        self.cut_off: tuple[AuditEntry, ...] = ()

    def subscribe(self, on_kept: Callable[[], None]) -> None:
        """Whom to tell that a record was kept."""
        self._on_recorded = on_kept

    def close_cut_off(self) -> None:
        found = self._records.audit_open()
        unknown = self._records.audit_unknown(self._clock.now() - RECHECK_SECONDS)
        self.cut_off = tuple(each for each in (*found, *unknown) if each.record.operation in list(Verb))
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
            _log.warning("the audit could not be kept, %s: %s", again, error.reason)
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
        """In their order: what waits goes first. Raises JournalFailed."""
        while self._late:
            self._records.audit_add(*self._late[0])
            self._late.popleft()

    def finish(self) -> None:
        self._finished = True
        self.write_late(counts=True)
        if self._late:
            _log.error(
                "%d records of the audit could not be kept; they are in this log only", len(self._late)
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
