"""One switch that refuses every change: kept in two places, so that it survives restarts and the loss of one.

What either place says is on is on, and so is what cannot be read: somebody meant it.
"""

import contextlib
import json
import logging
from typing import Protocol

from core.clock import Clock
from core.errors import JournalFailed, ReadOnly, StoreFailed

KEY = "access/read_only"

_log = logging.getLogger(__name__)


class Records(Protocol):
    """What is needed of the Journal."""

    def records(self) -> dict[str, str]: ...

    def put_record(self, key: str, text: str | None) -> None: ...


class Spare(Protocol):
    """The second place. Every method raises StoreFailed."""

    def read(self) -> str | None:
        """What was written, None where nothing is."""

    def write(self, text: str) -> None: ...

    def remove(self) -> None: ...


class ReadOnlySwitch:
    """`held` is what to say to changes while they are switched off, None while they are allowed. `unkept`: why it is
    on in memory only."""

    def __init__(self, journal: Records, clock: Clock, spare: Spare | None = None) -> None:
        self._journal, self._clock, self._spare = journal, clock, spare
        self.held: ReadOnly | None = None
        self.unkept: JournalFailed | StoreFailed | None = None

    def begin(self) -> None:
        """Read what was set, when the journal has been opened. Raises JournalFailed."""
        kept, spared = self._journal.records().get(KEY), self._spared()
        self.held = self._read(kept) or self._read(spared)
        if self.held is not None and (kept is None or (spared is None and self._spare is not None)):
            self.keep()

    def _spared(self) -> str | None:
        try:
            return self._spare.read() if self._spare is not None else None
        except StoreFailed as error:
            _log.error("what /readonly has switched off cannot be read (%s), so it stays off", error.reason)
            return "?"

    def _read(self, kept: str | None) -> ReadOnly | None:
        if kept is None:
            return None
        try:
            row = json.loads(kept)
            return ReadOnly(str(row["by"]), float(row["since"]), int(row.get("by_id", 0)))
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.exception("the record %r cannot be read", KEY)
            return ReadOnly("?", self._clock.now())

    def turn_on(self, by: str, by_id: int = 0) -> None:
        """At once, whatever the disk says; see `unkept`. Who turned it on first stays the one who did."""
        if self.held is None:
            self.held = ReadOnly(by, self._clock.now(), by_id)
        self.keep()

    def keep(self) -> None:
        """Write once more that it is on, in both places. One of them is enough. Does not raise."""
        if self.held is None:
            self.unkept = None
            return
        text = _text(self.held)
        failures: list[JournalFailed | StoreFailed] = []
        for write in (self._in_journal, self._in_spare):
            try:
                write(text)
            except (JournalFailed, StoreFailed) as error:
                _log.warning(
                    "that changes are switched off could not be kept in one of two places: %s", error
                )
                failures.append(error)
        places = 1 if self._spare is None else 2
        self.unkept = failures[0] if len(failures) == places else None

    def _in_journal(self, text: str | None) -> None:
        self._journal.put_record(KEY, text)

    def _in_spare(self, text: str) -> None:
        if self._spare is not None:
            self._spare.write(text)

    def turn_off(self) -> None:
        """Raises JournalFailed and StoreFailed; then it is as it was."""
        try:
            if self._spare is not None:
                self._spare.remove()
            self._in_journal(None)
        except (JournalFailed, StoreFailed):
            if self.held is not None:
                with contextlib.suppress(StoreFailed):
                    self._in_spare(_text(self.held))
            raise
        self.held = self.unkept = None


def _text(held: ReadOnly) -> str:
    return json.dumps({"by": held.by, "since": held.since, "by_id": held.by_id})
