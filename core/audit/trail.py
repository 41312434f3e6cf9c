"""Record who asked for what, and how it ended. Proxmox' own log only ever shows the bot's token.

An attempt is one record (refused, planned, or an answered read) or several: asked, written before anything is
sent; sending and sent, around the request to Proxmox; and ended. If the bot ends before the end is recorded,
the next start finds out how the attempt ended (core/actions/recovery.py). Repeated attempts share one row
with a count (core/audit/folding.py).
"""

import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from core.audit.folding import Folding
from core.audit.record import CUT_OFF, AuditRecord, AuditStep
from core.audit.store import AuditEntry, AuditStore
from core.clock import Clock
from core.errors import JournalFailed
from core.operations import ACTIONS

DETAIL_MOST, OUTCOME_MOST = 500, 1000
"""Characters kept of the typed text, and of the outcome."""
LATE_MOST = 1000
"""Maximum number of records that wait in memory while the disk refuses writes."""

_log = logging.getLogger("audit")

RECHECK_SECONDS = 86_400.0
"""Maximum age in seconds of an unknown result that a start still asks Proxmox about."""


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
        """Find the actions that an earlier run left without a result (`cut_off`), and end all other attempts.

        Raises: JournalFailed.
        """

    def write_late(self, *, counts: bool = False) -> None:
        """Write the records that the disk refused, and the counts of repeats whose minute is over.

        `counts`: write all counts. Does not raise.
        """

    def finish(self) -> None:
        """Write the rest before the bot ends. A record that cannot be stored is in the log only.

        Does not raise.
        """


class AuditTrail:
    """Store the audit trail in the journal, with one log line per record."""

    def __init__(self, store: AuditStore, clock: Clock) -> None:
        self._records, self._clock = store, clock
        self._on_recorded: Callable[[], None] = lambda: None
        self._late: deque[tuple[AuditRecord, float, int | None]] = deque(maxlen=LATE_MOST)
        self._folding = Folding(clock)
        self._finished = False
        self.cut_off: tuple[AuditEntry, ...] = ()

    def subscribe(self, on_recorded: Callable[[], None]) -> None:
        """Set the callback for each stored record."""
        self._on_recorded = on_recorded

    def close_cut_off(self) -> None:
        found = self._records.audit_open()
        unknown = self._records.audit_unknown(self._clock.now() - RECHECK_SECONDS)
        self.cut_off = tuple(each for each in (*found, *unknown) if each.record.operation in ACTIONS)
        for each in found:
            if each not in self.cut_off:
                self.record(replace(each.record, step=AuditStep.ENDED, outcome=CUT_OFF), each.attempt)

    def record(self, entry: AuditRecord, attempt: int | None = None) -> int | None:
        entry = replace(entry, detail=entry.detail[:DETAIL_MOST], outcome=entry.outcome[:OUTCOME_MOST])
        is_complete = attempt is None and entry.step is not AuditStep.ASKED
        if is_complete:
            self._write_counts()
            if self._folding.counted(entry):
                return None
            entry = self._folding.row_of(entry)
        _log_line(entry)
        number = self._store(entry, attempt)
        if is_complete:
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
