"""Fold repeats in the audit trail: repeated attempts of one person share a row and a count.

A person's minute begins with the first row. A refusal that repeats one of this minute (same person, operation, guest
and kind of refusal) is counted. Attempts beyond `ROWS_MOST` rows a minute are counted too, if they change nothing:
one person cannot fill the trail. The count is written when the minute is over, as a record that follows the row. A
crash before that loses the count.
"""

from dataclasses import dataclass, field, replace

from core.audit.record import AuditRecord, AuditStep
from core.audit.store import Ticket
from core.clock import Clock
from core.error_codec import word_of

WINDOW_SECONDS = 60.0
ROWS_MOST = 30
"""Maximum number of rows per person and window, besides one for all further attempts.

It applies to refusals, and again to everything else that changes nothing.
"""
VARIOUS = "various"
"""Operation of the row that counts all further attempts of a person."""

_Whose = tuple[int, bool]
"""A person's user id, and whether the records are refusals. Each has a window of its own."""
_Key = tuple[AuditStep, str, int | None, str]
_REST: _Key = (AuditStep.REFUSED, VARIOUS, None, "")


@dataclass(slots=True)
class _Fold:
    """A row and its count. `ticket`: of the row. `kept`: the stored count."""

    row: AuditRecord
    ticket: Ticket
    count: int = 1
    kept: int = 1


@dataclass(slots=True)
class _Window:
    """The rows of one `_Whose` since the first of them. `until`: monotonic time of its end."""

    until: float
    rows: int = 0
    folds: dict[_Key, _Fold] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        return self.rows >= ROWS_MOST


class Folding:
    """Count attempts that need no row of their own. Remember each person's rows of the current minute only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[_Whose, _Window] = {}

    def counted(self, record: AuditRecord) -> bool:
        """Count the record if it needs no row of its own, and return whether it was counted."""
        window = self._windows.get(_whose(record))
        if window is None or not (window.full or record.step is AuditStep.REFUSED):
            return False
        fold = window.folds.get(_key(record))
        if fold is None and window.full:
            fold = window.folds.get(_REST)
        if fold is None:
            return False
        fold.count += 1
        return True

    def row_of(self, record: AuditRecord) -> AuditRecord:
        """Return the row for a record that was not counted: itself, or the one for all further attempts."""
        window = self._windows.get(_whose(record))
        if window is None or not window.full:
            return record
        outcome = "" if record.step is AuditStep.REFUSED else "OK"
        return AuditRecord(record.step, record.actor, VARIOUS, outcome=outcome)

    def opened(self, record: AuditRecord, ticket: Ticket) -> None:
        """Note that a row was recorded."""
        until = self._clock.monotonic() + WINDOW_SECONDS
        window = self._windows.setdefault(_whose(record), _Window(until))
        window.rows += 1
        window.folds[_REST if record.operation == VARIOUS else _key(record)] = _Fold(record, ticket)

    def due(self, *, everything: bool = False) -> list[tuple[AuditRecord, Ticket]]:
        """Return the counts to write, each with the ticket of its row: those of finished windows, or all."""
        now, found = self._clock.monotonic(), []
        for whose, window in list(self._windows.items()):
            over = now >= window.until
            for fold in window.folds.values() if over or everything else ():
                if fold.count > fold.kept:
                    found.append((replace(fold.row, times=fold.count), fold.ticket))
                    fold.kept = fold.count
            if over:
                del self._windows[whose]
        return found


def _whose(record: AuditRecord) -> _Whose:
    return record.actor.user_id, record.step is AuditStep.REFUSED


def _key(record: AuditRecord) -> _Key:
    """Return the key by which repeats are found. It has only the class of an error, because the values vary."""
    return record.step, record.operation, record.vmid, word_of(record.outcome)
