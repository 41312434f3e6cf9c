"""From the audit trail to its channel: a line for whatever changed something, or was refused.

The trail is two queues, of changes and of refusals, so that no flood of refusals holds a change back: a mark in the
journal says of each up to which record it was posted. Many lines go into one message.
A message is marked as tried before it is sent; until it is known what became of it the same records are sent again,
under the same nonce, by which Discord knows it for a few minutes; later the channel is searched for it first.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from core.audit.folding import VARIOUS
from core.audit.record import AuditRecord, AuditStep
from core.audit.trail import AuditCursor, AuditEntry, Stream
from core.clock import Clock
from core.delivery.alerts import CLOCK_MARGIN_SECONDS, NONCE_SECONDS
from core.delivery.blocked_text import send_with_fallbacks
from core.delivery.channel import DeliveryFailure, NotDelivered
from core.delivery.retries import LIMIT_MOST, LONG_PAUSE, PAUSES, sleep_until_set
from core.errors import JournalFailed
from core.rights import RIGHTS, Effect, Operation
from core.watch.journal import Backlog, Journal

_log = logging.getLogger(__name__)

CONTENT_MOST = 2000
"""Characters of a message without components (Discord)."""
SPACING_SECONDS = 2.0
"""Seconds between two messages, so that a flood of attempts is none of messages."""
PAGE_RECORDS = 200
"""Records read at once."""
UNMARKED_MOST = 500
"""So many records that need no line, and it is written down that they were passed."""
_READS = {operation.value for operation in Operation if RIGHTS[operation].effect is Effect.NOTHING} | {
    VARIOUS
}


class AuditChannel(Protocol):
    """The channel of the trail. The two asynchronous calls raise NotDelivered and nothing else."""

    def line(self, audited: AuditEntry) -> str:
        """An attempt, in at most CONTENT_MOST characters."""

    async def post(self, content: str, nonce: str) -> int:
        """Discord's id of the message."""

    def fallback_texts(self, content: str) -> tuple[str, ...]:
        """What is shown instead where Discord blocks this text: without foreign words, then a fixed sentence."""

    async def find(self, content: str, since: float, known: frozenset[int]) -> int | None:
        """The bot's own message of this content, not older than `since` (Unix seconds), if it is there and none of
        the `known` ones."""


def is_posted(record: AuditRecord) -> bool:
    """Refusals, and the ends of what changed something or may have; no readings, no plans."""
    return record.step is AuditStep.REFUSED or (
        record.step is AuditStep.ENDED and record.operation not in _READS
    )


def count_fitting(lines: Sequence[str], most: int = CONTENT_MOST) -> int:
    """How many of the lines fit into one message, one below the other; at least one, if there is any."""
    room, count = most, 0
    for line in lines:
        room -= _units(line) + (1 if count else 0)
        if room < 0 and count:
            break
        count += 1
    return count


def _units(text: str) -> int:
    """As JavaScript counts, which may be how Discord does: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _format_lines(channel: AuditChannel, told: Sequence[AuditEntry]) -> dict[int, str]:
    """By the id of the record. One that cannot be put into words holds up no other: it is in the trail."""
    found: dict[int, str] = {}
    for each in told:
        try:
            found[each.id] = channel.line(each)
        except Exception:  # noqa: BLE001 - a bug of ours in one line
            _log.exception("record %d of the audit trail is not posted", each.id)
    return found


async def _find_posted(channel: AuditChannel, content: str, cursor: AuditCursor) -> int | None:
    """None, too, where Discord does not understand the search."""
    try:
        return await channel.find(
            content, max(0.0, cursor.tried_at - CLOCK_MARGIN_SECONDS), frozenset({cursor.there})
        )
    except NotDelivered as error:
        if error.failure not in (DeliveryFailure.BLOCKED, DeliveryFailure.REJECTED):
            raise
        return None


class _Queue:
    """One stream of the trail, and how far it was posted."""

    def __init__(self, journal: Journal, stream: Stream) -> None:
        self._journal, self.stream = journal, stream
        self._cursor: AuditCursor | None = None
        self._stored_up_to = 0
        """Up to where the mark in the journal says it was posted; the one here may be further."""
        self.tried: float | None = None
        """When this run tried what is tried (monotonic)."""
        self.separate_up_to = 0
        """Up to this record each line is a message of its own, since Discord did not take them together."""

    @property
    def cursor(self) -> AuditCursor:
        """Where a former run ended; the first time of all nothing of the past is told. Raises JournalFailed."""
        if self._cursor is None:
            cursor = self._journal.audit_cursor(self.stream)
            if cursor is None:  # a former version had one queue for all
                former = self._journal.audit_cursor()
                cursor = AuditCursor(former.posted) if former else AuditCursor(self._journal.audit_last())
                self._journal.audit_put_cursor(cursor, self.stream)
            self._cursor, self._stored_up_to = cursor, cursor.posted
        return self._cursor

    def records(self) -> tuple[tuple[AuditEntry, ...], int]:
        """Those of the next message, or a page of them; and up to which id that is all. Raises JournalFailed."""
        cursor = self.cursor
        records, last = self._journal.audit_after(cursor.posted, PAGE_RECORDS, self.stream)
        if cursor.tried:
            last = min(last, cursor.tried) if records else cursor.tried
        return tuple(each for each in records if is_posted(each.record) and each.id <= last), last

    def waiting(self) -> list[AuditEntry]:
        """Those of the next PAGE_RECORDS that are to be told, for whoever only looks. Raises JournalFailed."""
        cursor = self._cursor or self._journal.audit_cursor(self.stream)
        if cursor is None:
            return []
        records, _ = self._journal.audit_after(cursor.posted, PAGE_RECORDS, self.stream)
        return [each for each in records if is_posted(each.record)]

    def skip(self, last: int) -> None:
        """Up to `last` there is nothing to tell. Not every such step is worth a write."""
        cursor = self.cursor
        if cursor.tried or last - self._stored_up_to >= UNMARKED_MOST:
            self.store(AuditCursor(last, cursor.there))
        else:
            self._cursor = AuditCursor(last, cursor.there)

    def store(self, cursor: AuditCursor) -> None:
        """Raises JournalFailed."""
        self._journal.audit_put_cursor(cursor, self.stream)
        self._cursor, self._stored_up_to = cursor, cursor.posted
        if not cursor.tried:
            self.tried = None

    def forget(self) -> None:
        with contextlib.suppress(JournalFailed):
            if self._journal.audit_cursor(self.stream) is not None:
                self._journal.audit_put_cursor(None, self.stream)


class AuditDelivery:
    """Posts as long as it runs. `channel` None: nothing is posted, and the marks are taken out, so that it begins
    with what is next when it is switched on again."""

    def __init__(self, journal: Journal, channel: AuditChannel | None, clock: Clock) -> None:
        self._journal, self._channel, self._clock = journal, channel, clock
        self._work, self._retry, self._ending = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._busy = asyncio.Lock()
        self._queues = [_Queue(journal, stream) for stream in Stream]
        """What is asked first goes first."""
        self._sent: float | None = None
        self._failures = 0
        self.error = ""
        """Why the last try failed; empty while lines get through."""
        self.blocked = ""
        """Why the last line that is there has fewer words than it should; empty if it has them all."""

    @property
    def is_enabled(self) -> bool:
        """Whether there is a channel."""
        return self._channel is not None

    def backlog(self) -> Backlog:
        """The lines that wait, of the next PAGE_RECORDS records of each stream. Raises JournalFailed."""
        waiting = [each for queue in self._queues for each in queue.waiting()]
        return Backlog(len(waiting), min((each.at for each in waiting), default=None))

    def wake(self) -> None:
        """A record was kept. After a failed try that is no reason to hurry."""
        self._work.set()

    def on_reconnect(self) -> None:
        """Discord is there again."""
        self._retry.set()
        self._work.set()

    async def run(self) -> None:
        """Until the bot ends. What nobody expected is logged and does not end it."""
        if self._channel is None:
            for queue in self._queues:
                queue.forget()
            return
        async with self._busy:
            while not self._ending.is_set():
                self._work.clear()
                self._retry.clear()
                pause = await self._attempt(self._channel)
                if not self._ending.is_set():
                    await (
                        self._work.wait()
                        if pause is None
                        else sleep_until_set(self._clock, pause, self._retry)
                    )

    async def drain(self) -> None:
        """The bot ends: let a try under way come to its end, then try once more what waits.

        No call is cut off: discord.py does not survive that while it waits for a rate limit. What does not get
        through is in the trail.
        """
        self._ending.set()
        self.on_reconnect()
        if self._channel is not None:
            async with self._busy:
                await self._attempt(self._channel)

    async def _attempt(self, channel: AuditChannel) -> float | None:
        """Post all that there is; seconds until the next try, None when nothing is left."""
        try:
            await self._flush(channel)
        except NotDelivered as error:
            limit = min(error.wait, LIMIT_MOST) or None
            return self._failed(
                error.reason, limit or (LONG_PAUSE if error.failure is DeliveryFailure.REFUSED else None)
            )
        except JournalFailed as error:
            return self._failed(f"the journal: {error.reason}")
        except Exception:  # noqa: BLE001 - a bug of ours around the lines must not end the posting
            _log.exception("the audit trail could not be posted")
            return self._failed("")
        if self.error:
            _log.info("the audit trail is posted again")
        self._failures, self.error = 0, ""
        return None

    def _failed(self, reason: str, pause: float | None = None) -> float:
        """Told once, not with every try."""
        if reason and reason != self.error:
            _log.warning("the audit trail could not be posted, and it is tried again: %s", reason)
        self.error = reason or self.error
        self._failures += 1
        return pause or (PAUSES[self._failures - 1] if self._failures <= len(PAUSES) else LONG_PAUSE)

    # -- messages

    async def _flush(self, channel: AuditChannel) -> None:
        """A message at a time, and each time changes first."""
        while True:
            await self._wait_spacing()
            for queue in self._queues:
                if lines := await self._lines_of(channel, queue):
                    await self._post(channel, queue, lines)
                    break
            else:
                return

    async def _lines_of(self, channel: AuditChannel, queue: _Queue) -> dict[int, str]:
        """Those of the next records that need any; nothing when nothing is left. Raises JournalFailed."""
        while True:
            records, last = queue.records()
            if lines := _format_lines(channel, records):
                return lines
            if last == queue.cursor.posted:
                return {}
            queue.skip(last)
            await self._clock.sleep(0)

    async def _post(self, channel: AuditChannel, queue: _Queue, lines: Mapping[int, str]) -> None:
        cursor, ids = queue.cursor, list(lines)[: count_fitting(list(lines.values()))]
        if ids[0] <= queue.separate_up_to:
            ids = ids[:1]
        content, last = "\n".join(lines[number] for number in ids), ids[-1]
        again = bool(cursor.tried)
        there = None
        try:
            if again and not self._tried_lately(queue):
                there = await _find_posted(channel, content, cursor)
            if there is None:
                if not again:
                    queue.store(replace(cursor, tried=last, tried_at=self._clock.now()))
                    queue.tried = self._clock.monotonic()
                nonce = f"{self._journal.nonce_prefix}-a{last}"
                if len(ids) > 1:
                    there, self.blocked = await channel.post(content, nonce), ""
                else:
                    there, self.blocked = await send_with_fallbacks(
                        channel, content, partial(channel.post, nonce=nonce)
                    )
        except NotDelivered as error:
            if error.failure not in (DeliveryFailure.BLOCKED, DeliveryFailure.REJECTED):
                if error.not_taken and not again:
                    queue.store(cursor)
                raise
            if len(ids) > 1:  # it is one of them: each for itself
                queue.separate_up_to = last
                queue.store(AuditCursor(cursor.posted, cursor.there))
                return
            self.blocked = error.reason
            _log.error("Discord does not take the line of record %d: %s", last, error.reason)
        self._sent = self._clock.monotonic()
        queue.store(AuditCursor(last, there or cursor.there))

    def _tried_lately(self, queue: _Queue) -> bool:
        """So that Discord still knows the nonce."""
        return queue.tried is not None and self._clock.monotonic() - queue.tried < NONCE_SECONDS

    async def _wait_spacing(self) -> None:
        """Between two messages; the last of all does not wait."""
        if self._sent is not None and not self._ending.is_set():
            left = self._sent + SPACING_SECONDS - self._clock.monotonic()
            if left > 0:
                await sleep_until_set(self._clock, left, self._ending)
