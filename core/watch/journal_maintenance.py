"""Look after the journal at each poll: check that it accepts writes, and delete old data."""

import logging

from core.clock import Clock
from core.errors import DISK_HUNG, JournalFailed
from core.watch.change_queue import ChangeQueue
from core.watch.journal import Journal, JournalRenewal

RETENTION_SECONDS = 90 * 86400.0
"""Seconds that closed incidents and settled messages are kept."""
PRUNE_EVERY, FIRST_PRUNE = 86400.0, 3600.0
"""Seconds between two prunings, and from the start of the bot to the first."""
PIECES_MOST = 100
"""Maximum number of pieces in one poll. A piece of the audit trail is pruned with each."""

_log = logging.getLogger(__name__)


class JournalMaintenance:
    """Check and prune the journal.

    `error`: why the journal does not accept writes, None if it does.
    `renewed`: how the journal was recreated, until somebody has reported it.
    `has_lost_rows`: the state must be written again.
    """

    def __init__(self, journal: Journal, clock: Clock, audit_days: int) -> None:
        self._journal, self._clock, self._audit_days = journal, clock, audit_days
        self.error: JournalFailed | None = None
        self.renewed: JournalRenewal | None = None
        self.has_lost_rows = False
        self._changes = ChangeQueue()
        self._pruned = clock.monotonic() - PRUNE_EVERY + FIRST_PRUNE
        self._after: int | None = 0  # id in the audit trail to continue from; None: done

    async def check(self) -> None:
        """Check the file, for two seconds at most. Does not raise."""
        try:
            await self._changes.make(self._check)
        except TimeoutError:
            self.error = JournalFailed(DISK_HUNG)

    async def _check(self) -> None:
        try:
            renewed = await self._journal.check_file()
        except JournalFailed as error:
            self.error = error
            return
        self.error = None
        self.renewed = renewed or self.renewed
        self.has_lost_rows |= renewed is not None and not renewed.whole

    async def prune(self) -> None:
        """Delete old data in pieces: other changes are written in between. Does not raise.

        What is left after `PIECES_MOST` pieces waits for the next poll. Pruning does not begin right after the start,
        when a wrong clock may not be corrected yet: the whole audit trail might seem old.
        """
        unix, monotonic = self._clock.now(), self._clock.monotonic()
        if monotonic - self._pruned < PRUNE_EVERY:
            return
        try:
            for _ in range(PIECES_MOST):
                more = await self._journal.prune(unix - RETENTION_SECONDS)
                if self._after is not None:
                    self._after = await self._journal.audit_prune(
                        unix - self._audit_days * 86_400, self._after
                    )
                if not more and self._after is None:
                    self._pruned, self._after = monotonic, 0
                    return
        except JournalFailed as error:
            self._pruned = monotonic
            _log.warning("old data could not be deleted: %s", error.reason)
