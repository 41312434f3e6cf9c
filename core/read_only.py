"""One switch that refuses every change: kept in the journal, so that it survives restarts."""

import json
import logging
from typing import Protocol

from core.clock import Clock
from core.errors import ReadOnly
from core.journal import Batch

KEY = "access/read_only"

_log = logging.getLogger(__name__)


class Records(Protocol):
    """What is needed of the Journal."""

    def records(self) -> dict[str, str]: ...

    def commit(self, batch: Batch) -> None: ...


class ReadOnlySwitch:
    """`held` is what to say to changes while they are switched off, None while they are allowed."""

    def __init__(self, journal: Records, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self.held: ReadOnly | None = None

    def begin(self) -> None:
        """Read what was set, when the journal has been opened. Raises JournalFailed."""
        kept = self._journal.records().get(KEY)
        if kept is None:
            return
        try:
            row = json.loads(kept)
            self.held = ReadOnly(str(row["by"]), float(row["since"]), int(row.get("by_id", 0)))
        except (ValueError, KeyError, TypeError, AttributeError):
            # somebody meant it: what cannot be read is no permission
            _log.exception("the journal's record %r cannot be read", KEY)
            self.held = ReadOnly("?", self._clock.now())

    def turn_on(self, by: str, by_id: int = 0) -> None:
        """Who turned it on first stays the one who did. Raises JournalFailed."""
        if self.held is None:
            since = self._clock.now()
            self._journal.commit(Batch({KEY: json.dumps({"by": by, "since": since, "by_id": by_id})}))
            self.held = ReadOnly(by, since, by_id)

    def turn_off(self) -> None:
        """Raises JournalFailed; then it is as it was."""
        self._journal.commit(Batch({KEY: None}))
        self.held = None
