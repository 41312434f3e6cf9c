"""The care of the journal, with every look: is it there, does it take what is written, what is old goes."""

import logging

from core.clock import Clock
from core.errors import JournalFailed
from core.watch.journal import Journal, JournalRenewal

RETENTION_SECONDS = 90 * 86400.0
PRUNE_EVERY = 86400.0
FIRST_PRUNE = 3600.0
"""How long incidents that are over stay in the journal, how often the older ones are taken out, and how long after
the start for the first time."""
PIECES_MOST = 100
"""Pieces of it in one look: each takes some milliseconds."""

_log = logging.getLogger(__name__)


class JournalMaintenance:
    """`trouble`: why the journal does not take what is written. `renewed`: it was made anew, until somebody tells."""

    def __init__(self, journal: Journal, clock: Clock, audit_days: int) -> None:
        self._journal, self._clock, self._audit_days = journal, clock, audit_days
        self.error: JournalFailed | None = None
        self.renewed: JournalRenewal | None = None
        self._pruned = clock.monotonic() - PRUNE_EVERY + FIRST_PRUNE
        self._after: int | None = 0  # of the audit trail: where to go on; None: it is done

    def check(self) -> JournalRenewal | None:
        """Whether it was made anew just now. Does not raise."""
        try:
            renewed = self._journal.check_file()
        except JournalFailed as error:
            self.error = error
            return None
        self.error = None
        self.renewed = renewed or self.renewed
        return renewed

    async def prune(self) -> None:
        """Not at once: a clock that is set right after the start must not cost the trail. In pieces, between which
        others go on; what is left after some of them waits for the next look. Does not raise."""
        unix, monotonic = self._clock.now(), self._clock.monotonic()
        if monotonic - self._pruned < PRUNE_EVERY:
            return
        try:
            for _ in range(PIECES_MOST):
                more = self._journal.prune(unix - RETENTION_SECONDS)
                if self._after is not None:
                    self._after = self._journal.audit_prune(unix - self._audit_days * 86_400, self._after)
                if not more and self._after is None:
                    self._pruned, self._after = monotonic, 0
                    return
                await self._clock.sleep(0)
        except JournalFailed as error:
            self._pruned = monotonic
            _log.warning("old incidents could not be taken out: %s", error.reason)
