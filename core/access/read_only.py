"""Store the switch that refuses every change, in two places, to survive restarts and the loss of one place.

A place is empty while the switch is off. The switch is on if either place holds anything, even if it is unreadable.
"""

import asyncio
import contextlib
import json
import logging
from typing import Protocol

from core.clock import Clock
from core.errors import JournalFailed, ReadOnly, StoreFailed

KEY = "access/read_only"

_log = logging.getLogger(__name__)


class RecordStore(Protocol):
    """The methods of the `Journal` that the switch needs. `put_record` deletes the record if the text is None."""

    async def records(self) -> dict[str, str]: ...

    async def put_record(self, key: str, text: str | None) -> None: ...


class SwitchFile(Protocol):
    """The second place: a file. Every method may raise StoreFailed."""

    async def read(self) -> str | None:
        """Return the stored text, None if there is none."""

    async def write(self, text: str) -> None: ...

    async def remove(self) -> None: ...


class ReadOnlySwitch:
    """Keep the switch in memory and in both places.

    `refusal`: the error for changes while they are switched off, None while they are allowed.
    `store_error`: why the switch is on in memory only, None if it is stored or off.
    """

    def __init__(self, journal: RecordStore, clock: Clock, file: SwitchFile | None = None) -> None:
        self._journal, self._clock, self._file = journal, clock, file
        self.refusal: ReadOnly | None = None
        self.store_error: JournalFailed | StoreFailed | None = None
        self._storing = asyncio.Lock()

    async def load(self) -> None:
        """Read the stored switch. If only one place has it, write it to the other one, too.

        The journal must be open.
        Raises: JournalFailed.
        """
        kept, copied = (await self._journal.records()).get(KEY), await self._read_file()
        self.refusal = self._decode(kept) or self._decode(copied)
        if self.refusal is not None and (kept is None or (copied is None and self._file is not None)):
            await self.store()

    async def _read_file(self) -> str | None:
        try:
            return await self._file.read() if self._file is not None else None
        except StoreFailed as error:
            _log.error("the read-only switch cannot be read (%s), so read-only mode is on", error.reason)
            return "?"

    def _decode(self, kept: str | None) -> ReadOnly | None:
        if kept is None:
            return None
        try:
            row = json.loads(kept)
            return ReadOnly(str(row["by"]), float(row["since"]), int(row.get("by_id", 0)))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            _log.exception("the record %r cannot be read", KEY)
            return ReadOnly("?", self._clock.now())

    async def turn_on(self, by: str, by_id: int = 0) -> None:
        """Refuse changes from now on, even if the disk fails (`store_error`).

        If the switch is already on, the first person stays on record.
        """
        held = self.refusal or ReadOnly(by, self._clock.now(), by_id)
        self.refusal = held
        async with self._storing:
            self.refusal = held  # it may have been turned off while this waited
            await self._store()

    async def store(self) -> None:
        """Write the switch to both places again if it is on. One place is enough. Does not raise."""
        async with self._storing:
            await self._store()

    async def _store(self) -> None:
        if self.refusal is None:
            self.store_error = None
            return
        text = _text(self.refusal)
        failures: list[JournalFailed | StoreFailed] = []
        for write in (self._write_journal, self._write_file):
            try:
                await write(text)
            except (JournalFailed, StoreFailed) as error:
                _log.warning("one of two places could not store that changes are switched off: %s", error)
                failures.append(error)
        places = 1 if self._file is None else 2
        self.store_error = failures[0] if len(failures) == places else None

    async def _write_journal(self, text: str | None) -> None:
        await self._journal.put_record(KEY, text)

    async def _write_file(self, text: str) -> None:
        if self._file is not None:
            await self._file.write(text)

    async def turn_off(self) -> None:
        """Allow changes again.

        Raises: JournalFailed or StoreFailed; the switch then stays on.
        """
        async with self._storing:
            try:
                if self._file is not None:
                    await self._file.remove()
                await self._write_journal(None)
            except (JournalFailed, StoreFailed):
                if self.refusal is not None:
                    with contextlib.suppress(StoreFailed):
                        await self._write_file(_text(self.refusal))
                raise
            self.refusal = self.store_error = None


def _text(held: ReadOnly) -> str:
    return json.dumps({"by": held.by, "since": held.since, "by_id": held.by_id})
