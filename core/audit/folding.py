"""Repeats in the audit trail: what one person asks for again and again is one row, and later its count.

A refusal that repeats one of the last minute (same person, operation, guest and kind of refusal) is counted, and
so is all that a person asks for beyond some tens of rows a minute, as far as it changes nothing: a person fills so
many rows and no more. The count is written when the minute is over, as a record that follows the row; a death before
loses the count, never the row.
"""

from dataclasses import dataclass, field, replace

from core.audit.record import AuditRecord, AuditStep
from core.clock import Clock

WINDOW_SECONDS = 60.0
ROWS_MOST = 30
"""Refusals of one person in a window that have a row of their own; of everything else that changes nothing as many
again."""
VARIOUS = "various"
"""The operation of the row that all the others of a person are counted in."""

_Whose = tuple[int, bool]
_Key = tuple[AuditStep, str, int | None, str]
_REST: _Key = (AuditStep.REFUSED, VARIOUS, None, "")


@dataclass(slots=True)
class _Fold:
    """`row`: what was written; `attempt` its id, None where the disk refused. `kept`: the count that is written."""

    row: AuditRecord
    attempt: int | None
    count: int = 1
    kept: int = 1


@dataclass(slots=True)
class _Window:
    """A person's rows since the first of them."""

    until: float
    rows: int = 0
    folds: dict[_Key, _Fold] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        return self.rows >= ROWS_MOST


class Folding:
    """Counts what need not be a row. It holds the rows of one window a person, and forgets them after it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[_Whose, _Window] = {}

    def counted(self, entry: AuditRecord) -> bool:
        """Whether it repeats a row that stands, which counts it then."""
        window = self._windows.get(_whose(entry))
        if window is None or not (window.full or entry.step is AuditStep.REFUSED):
            return False
        fold = window.folds.get(_key(entry))
        if fold is None and window.full:
            fold = window.folds.get(_REST)
        if fold is None:
            return False
        fold.count += 1
        return True

    def row_of(self, entry: AuditRecord) -> AuditRecord:
        """The row for what was not counted: as it is, or one for all that is left."""
        window = self._windows.get(_whose(entry))
        if window is None or not window.full:
            return entry
        outcome = "" if entry.step is AuditStep.REFUSED else "OK"
        return AuditRecord(entry.step, entry.actor, VARIOUS, outcome=outcome)

    def opened(self, row: AuditRecord, attempt: int | None) -> None:
        """The row was written, by this id; None: it will be."""
        until = self._clock.monotonic() + WINDOW_SECONDS
        window = self._windows.setdefault(_whose(row), _Window(until))
        window.rows += 1
        window.folds[_REST if row.operation == VARIOUS else _key(row)] = _Fold(row, attempt)

    def due(self, *, everything: bool = False) -> list[tuple[AuditRecord, int | None]]:
        """The counts to be written, each with the id of its row: of windows that are over, or of all."""
        now, found = self._clock.monotonic(), []
        for whose, window in list(self._windows.items()):
            over = now >= window.until
            for fold in window.folds.values() if over or everything else ():
                if fold.count > fold.kept:
                    times = fold.count if fold.attempt is not None else fold.count - fold.kept
                    found.append((replace(fold.row, times=times), fold.attempt))
                    fold.kept = fold.count
            if over:
                del self._windows[whose]
        return found


def _whose(entry: AuditRecord) -> _Whose:
    return entry.actor.user_id, entry.step is AuditStep.REFUSED


def _key(entry: AuditRecord) -> _Key:
    """The kind of a refusal stands before its values, some of which are never the same twice."""
    return entry.step, entry.operation, entry.vmid, entry.outcome.partition("(")[0]
