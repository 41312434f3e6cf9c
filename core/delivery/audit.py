"""Post results of changes and refusals from the audit trail to its channel, one line for each.

core/audit/relevance.py chooses the records. They are posted in two streams: a flood of refusals delays no change. The
journal stores a cursor for each stream. Several lines can share one message.
Until the outcome of an attempt is known, the same records are sent again (core/delivery/outbox.py).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from core.audit.store import AuditCursor, AuditEntry, Stream
from core.clock import Clock
from core.delivery.audit_queue import AuditQueue
from core.delivery.channel import DeliveryFailure, NotDelivered
from core.delivery.outbox import (
    CLOCK_MARGIN_SECONDS,
    Retries,
    is_nonce_known,
    send_with_fallbacks,
    sleep_until_set,
)
from core.watch.journal import Backlog, Journal

_log = logging.getLogger(__name__)

CONTENT_MOST = 2000
"""Maximum characters of a message without components, set by Discord."""
REASON_MOST = 200
"""Maximum characters that are stored of Discord's reason for rejecting a line."""
SPACING_SECONDS = 2.0
"""Minimum seconds between two posts."""


class AuditChannel(Protocol):
    """The channel of the audit trail. The two asynchronous methods raise `NotDelivered` and nothing else."""

    def line(self, entry: AuditEntry) -> str:
        """Return the line of a record, in at most `CONTENT_MOST` characters."""

    async def post(self, content: str, nonce: str) -> int:
        """Post the text and return Discord's id of the message."""

    def fallback_texts(self, content: str) -> tuple[str, ...]:
        """Return replacements for a text that Discord blocks, best first.

        The first has no external text. The last, or only one, is a fixed sentence.
        """

    async def find(self, content: str, since: float, known: frozenset[int]) -> int | None:
        """Find the bot's own message with this content and return its id.

        Messages older than `since` (Unix seconds) and those in `known` are ignored.
        Return None if there is none, or if the bot may not read the history.
        """


def count_fitting(lines: Sequence[str], most: int = CONTENT_MOST) -> int:
    """Return how many of the lines fit into one message, one per row; at least one if there is any."""
    room, count = most, 0
    for line in lines:
        room -= _units(line) + (1 if count else 0)
        if room < 0 and count:
            break
        count += 1
    return count


def _units(text: str) -> int:
    """Count characters as JavaScript does, where an emoji is two, because Discord may count in the same way."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _format_lines(channel: AuditChannel, records: Sequence[AuditEntry]) -> dict[int, str]:
    """Return the lines by record id. A record that cannot be rendered is left out and blocks no other."""
    found: dict[int, str] = {}
    for each in records:
        try:
            found[each.id] = channel.line(each)
        except Exception:  # noqa: BLE001 - a bug in one line
            _log.exception("record %d of the audit trail is not posted", each.id)
    return found


async def _find_posted(channel: AuditChannel, content: str, cursor: AuditCursor) -> int | None:
    """Return Discord's id of the message of an earlier attempt.

    Return None if the message is not there, or if Discord rejects the search.
    Raises: NotDelivered for any other failure.
    """
    try:
        return await channel.find(
            content, max(0.0, cursor.tried_at - CLOCK_MARGIN_SECONDS), frozenset({cursor.there})
        )
    except NotDelivered as error:
        if error.failure not in (DeliveryFailure.BLOCKED, DeliveryFailure.REJECTED):
            raise
        return None


class AuditDelivery:
    """Post both streams of the audit trail.

    `channel=None`: nothing is posted, and the cursors are deleted. A later run with a channel starts with the records
    that follow its start.
    """

    def __init__(self, journal: Journal, channel: AuditChannel | None, clock: Clock) -> None:
        self._journal, self._channel, self._clock = journal, channel, clock
        self._work, self._retry, self._ending = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._busy = asyncio.Lock()
        self._queues = [AuditQueue(journal, stream) for stream in Stream]
        """In the order of the streams: the first has priority."""
        self._sent: float | None = None
        self._retries = Retries(clock, "the audit trail could not be posted")
        self.blocked = ""
        """Why the last line was posted with fewer words; empty if it was not."""

    @property
    def error(self) -> str:
        """Why the last attempt failed; empty while lines get through."""
        return self._retries.error

    @property
    def rejected(self) -> str:
        """Why the last line of a stream was left out: Discord rejects every version of it. Empty if it was posted."""
        return next((each.rejected for each in self._cursors if each.rejected), "")

    @property
    def left_out_at(self) -> float:
        """Unix seconds at which a line was last left out because Discord rejects it, 0 for never."""
        return max((each.left_out_at for each in self._cursors), default=0.0)

    @property
    def _cursors(self) -> list[AuditCursor]:
        return [queue.known for queue in self._queues if queue.known]

    @property
    def is_enabled(self) -> bool:
        """Whether there is a channel."""
        return self._channel is not None

    async def backlog(self) -> Backlog:
        """Return how many lines wait, and since when the oldest does.

        Only the next `PAGE_RECORDS` records of each stream are counted.
        Raises: JournalFailed.
        """
        waiting = [each for queue in self._queues for each in await queue.waiting()]
        return Backlog(len(waiting), min((each.at for each in waiting), default=None))

    def wake(self) -> None:
        """Post soon, because a record was stored. A pause after a failure is not cut short."""
        self._work.set()

    def on_reconnect(self) -> None:
        """Try again now, because Discord is back. A limit that applies to all messages still holds."""
        self._retry.set()
        self._work.set()

    async def run(self) -> None:
        """Post until the bot ends. Unexpected errors are logged and do not end the loop.

        Without a channel, delete the cursors and return.
        """
        if self._channel is None:
            for queue in self._queues:
                await queue.forget()
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
        """Finish before the bot ends: let the current attempt end, then try the waiting lines once more.

        A limit that applies to all messages still holds.
        No call is cancelled, because discord.py does not survive that during a rate limit. Unsent lines stay in
        the trail.
        """
        self._ending.set()
        self.on_reconnect()
        if self._channel is not None:
            async with self._busy:
                await self._attempt(self._channel)

    async def _attempt(self, channel: AuditChannel) -> float | None:
        """Post everything. Return the seconds until the next attempt, None if nothing is left."""
        return await self._retries.attempt(partial(self._flush, channel))

    # -- messages

    async def _flush(self, channel: AuditChannel) -> None:
        """Send one message after the other. Each is taken from the first stream that has a line to post.

        Raises: NotDelivered, JournalFailed.
        """
        for queue in self._queues:  # before CHANGES moves on: a stream without a cursor begins at its cursor
            await queue.cursor()
        while True:
            await self._wait_spacing()
            for queue in self._queues:
                if lines := await self._lines_of(channel, queue):
                    await self._post(channel, queue, lines)
                    break
            else:
                return

    async def _lines_of(self, channel: AuditChannel, queue: AuditQueue) -> dict[int, str]:
        """Return the lines of the next records that need one; empty if nothing is left.

        Raises: JournalFailed.
        """
        while True:
            records, last = await queue.records()
            if lines := _format_lines(channel, records):
                return lines
            if last == (await queue.cursor()).posted:
                return {}
            await queue.skip(last)

    async def _post(self, channel: AuditChannel, queue: AuditQueue, lines: Mapping[int, str]) -> None:
        cursor, ids = await queue.cursor(), list(lines)[: count_fitting(list(lines.values()))]
        if ids[0] <= queue.separate_up_to:
            ids = ids[:1]
        content, last = "\n".join(lines[number] for number in ids), ids[-1]
        is_repeat = bool(cursor.tried)
        there = None
        try:
            if is_repeat and not is_nonce_known(self._clock, queue.tried):
                there = await _find_posted(channel, content, cursor)
            if there is None:
                if not is_repeat:
                    await queue.store(replace(cursor, tried=last, tried_at=self._clock.now()))
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
                if error.not_taken and not is_repeat:
                    await queue.store(cursor)
                raise
            if len(ids) > 1:  # one of them is the cause: send each by itself
                queue.separate_up_to = last
                await queue.store(replace(cursor, tried=0, tried_at=0.0))
                return
            self.blocked, rejected, left_out_at = "", error.reason[:REASON_MOST], self._clock.now()
            _log.error("Discord rejects the line of record %d: %s", last, error.reason)
        else:
            rejected, left_out_at = "", cursor.left_out_at
        self._sent = self._clock.monotonic()
        done = AuditCursor(last, there or cursor.there, rejected=rejected, left_out_at=left_out_at)
        await queue.store(done)

    async def _wait_spacing(self) -> None:
        """Wait until `SPACING_SECONDS` have passed since the last message, or until the bot ends."""
        if self._sent is not None and not self._ending.is_set():
            left = self._sent + SPACING_SECONDS - self._clock.monotonic()
            if left > 0:
                await sleep_until_set(self._clock, left, self._ending)
