"""From the journal to Discord: every message once, in order, however long Discord is away.

A message is noted as tried before it is sent and as posted afterwards. A try whose answer got lost is repeated
under the same nonce, by which Discord knows it for a few minutes ("Create Message": enforce_nonce); later the
channel is searched for it first.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

from core.clock import Clock
from core.errors import BotError, JournalFailed
from core.journal import Journal, Posting
from core.watch.channel import AlertChannel, Fate, NotDelivered
from core.watch.model import Post

_log = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
LONG_PAUSE = 300.0
"""Seconds between two tries: doubling to a minute, then five minutes."""
TOO_OLD, BROKEN = "too old", "an error of the bot's own"
"""Reasons of our own; all others are Discord's words, or those of a library."""
BREAKS_MOST = 5
"""So many errors of our own, and a message is given up."""
GIVE_UP = 24 * 3600.0
EDIT_GIVE_UP = 7 * 86400.0
"""How long a message is worth posting, and how long one that is there is worth bringing up to date."""
LATE = 60.0
"""A message posted so many seconds after it was made says how late it is."""
STALE_PAIR = 15 * 60.0
"""An opening as old as this, over before it was posted, is one line with its recovery."""
NONCE_SECONDS = 120.0
"""How long a nonce is relied on: Discord knows it for "the past few minutes"."""
CLOCK_MARGIN = 24 * 3600.0
"""How far the bot's clock may have been off when a message was made that is searched for by Discord's."""


class Delivery:
    """Sends what the journal holds. When a message of this run was made is kept by the monotonic clock, so that
    a jump of the wall clock makes none late."""

    def __init__(self, journal: Journal, channel: AlertChannel, clock: Clock) -> None:
        self._journal, self._channel, self._clock = journal, channel, clock
        self._work, self._ending = asyncio.Event(), asyncio.Event()
        self._made: dict[int, float] = {}
        self._tried: dict[int, float] = {}
        self._breaks: dict[int, int] = {}
        self._failures = 0
        self.error = ""
        """Why the last try failed; empty while messages get through."""
        self.tries = 0

    def wake(self) -> None:
        """There is something to send, or Discord is back."""
        self._failures = min(self._failures, len(PAUSES) - 1)
        self._work.set()

    def made(self, *message_ids: int) -> None:
        """These messages have just been stored."""
        now = self._clock.monotonic()
        self._made |= dict.fromkeys(message_ids, now)
        self.wake()

    async def run(self) -> None:
        """Until the bot ends. What nobody expected is logged and does not end it."""
        while not self._ending.is_set():
            self._work.clear()
            pause = await self._attempt()
            if not self._ending.is_set():
                await (self._work.wait() if pause is None else rest(self._clock, pause, self._work))

    async def drain(self) -> None:
        """The bot ends: try once more what waits. What does not get through is in the journal."""
        self._ending.set()
        self._work.set()
        await self._attempt()

    async def outcome(self, message_id: int, seconds: float) -> Posting | None:
        """What became of a message within so many seconds: posted, or failed at least once."""
        end = self._clock.monotonic() + seconds
        while self._clock.monotonic() < end:
            posting = self._journal.posting(message_id)
            if posting is None or posting.posted is not None or posting.error:
                return posting
            await self._clock.sleep(0.2)
        return self._journal.posting(message_id)

    async def _attempt(self) -> float | None:
        """Send all that can be sent; seconds until the next try, None when nothing is left."""
        try:
            await self._flush()
        except NotDelivered as error:
            self.error = error.reason
            pause = LONG_PAUSE if error.fate is Fate.REFUSED else self._next_pause()
            _log.warning("an alert could not be sent, next try in %.0f s: %s", pause, error.reason)
            return pause
        except JournalFailed as error:
            self.error = str(error)
            _log.error("the journal refuses, so no alert is sent: %s", error.reason)
            return self._next_pause()
        except Exception:  # noqa: BLE001 - a bug of ours around the messages must not end the sending either
            _log.exception("alerts could not be sent")
            return self._next_pause()
        self._failures, self.error = 0, ""
        return None

    def _next_pause(self) -> float:
        self._failures += 1
        return PAUSES[self._failures - 1] if self._failures <= len(PAUSES) else LONG_PAUSE

    async def _flush(self) -> None:
        """One message that cannot be put into words, or edited, holds up no other; it is tried again with the next
        attempt."""
        passed: set[int] = set()
        while waiting := tuple(each for each in self._journal.to_post() if each.message.id not in passed):
            if needless := superfluous(waiting):
                self._journal.absorb(needless)
            elif not await self._unbroken(waiting[0], self._post(waiting[0], waiting)):
                passed.add(waiting[0].message.id)
        trouble = NotDelivered(Fate.PASSING, BROKEN) if passed else None
        while editions := [each for each in self._journal.to_edit() if each.message.id not in passed]:
            number = editions[0].message.id
            try:
                if not await self._unbroken(editions[0], self._edit(editions[0])):
                    passed.add(number)
                    trouble = NotDelivered(Fate.PASSING, BROKEN)
            except NotDelivered as error:
                if error.fate is not Fate.REFUSED:
                    raise
                passed.add(number)
                trouble = trouble or error
        if trouble is not None:
            raise trouble

    async def _unbroken(self, posting: Posting, work: Coroutine[Any, Any, None]) -> bool:
        """Whether it ended without a bug of ours; after a few of those the message is given up, or left as shown."""
        try:
            await work
        except (NotDelivered, JournalFailed):
            raise
        except Exception:  # noqa: BLE001 - a bug of ours in one message must not end all others
            _log.exception("a message cannot be sent: %r", posting.message)
        else:
            return True
        number = posting.message.id
        self._breaks[number] = self._breaks.get(number, 0) + 1
        if self._breaks[number] >= BREAKS_MOST:
            if posting.posted is None:
                self._give_up(posting, BROKEN)
            else:
                self._settled(posting, posting.wanted)
        return False

    # -- posting

    async def _post(self, posting: Posting, waiting: tuple[Posting, ...]) -> None:
        message, age = posting.message, self._age(posting)
        if age > GIVE_UP:
            self._give_up(posting, posting.error or TOO_OLD)
            return
        content = self._channel.compose(posting, age if age > LATE else None)
        self.tries += 1
        again = bool(posting.tried)
        try:
            searched = self._must_search(posting)
            since = message.created - CLOCK_MARGIN
            there = None
            if searched:
                there = await self._channel.find(posting.tried, since, self._journal.discord_ids())
            again = again and not searched
            told = posting.tried if again else content  # one text until it is known what became of it
            if there is None:
                if not again:
                    self._tried[message.id] = self._clock.monotonic()
                absorbs = self._recovery_of(posting, waiting) if age > STALE_PAIR and not again else None
                self._journal.trying(message.id, told, self._clock.now(), absorbs, late=age)
                nonce = f"{self._journal.nonce_prefix}-{message.id}"
                there = await self._channel.post(posting, told, nonce)
            else:
                told = posting.tried
        except NotDelivered as error:
            if error.fate is Fate.REJECTED:
                self._give_up(posting, error.reason)
                return
            not_taken = error.not_taken and not again
            if not_taken:
                self._tried.pop(message.id, None)
            self._journal.refused(message.id, error.reason, not_taken=not_taken)
            raise
        older = told != content and (again or message.post is Post.OPENING)
        self._journal.posted(message.id, there, posting.wanted - 1 if older else posting.wanted)
        self._forget(message.id)

    def _must_search(self, posting: Posting) -> bool:
        """Whether a former try may have been taken, so long ago that the nonce does not tell any more."""
        if not posting.tried:
            return False
        tried = self._tried.get(posting.message.id)
        recently = tried is not None and self._clock.monotonic() - tried < NONCE_SECONDS
        return not (recently and posting.run == self._journal.run)

    def _recovery_of(self, posting: Posting, waiting: tuple[Posting, ...]) -> int | None:
        """The waiting recovery that an opening, over by now, tells in its own line."""
        if posting.message.post is not Post.OPENING:
            return None
        for other in waiting:
            if other.message.post is Post.RECOVERY and other.message.incidents == posting.message.incidents:
                return other.message.id
        return None

    def _age(self, posting: Posting) -> float:
        made = self._made.get(posting.message.id)
        if made is not None:
            return self._clock.monotonic() - made
        age = max(0.0, self._clock.now() - posting.message.created)
        self._made[posting.message.id] = self._clock.monotonic() - age
        return age

    def _give_up(self, posting: Posting, reason: str) -> None:
        _log.error("an alert is given up: %r: %s", posting.message, reason)
        self._journal.give_up(posting.message.id, reason)
        self._forget(posting.message.id)

    def _forget(self, message_id: int) -> None:
        for kept in (self._made, self._tried, self._breaks):
            kept.pop(message_id, None)

    # -- editing

    async def _edit(self, posting: Posting) -> None:
        content = self._channel.compose(posting, _delay(posting))
        try:
            await self._channel.edit(posting, content)
        except NotDelivered as error:
            young = self._age(posting) <= EDIT_GIVE_UP
            if error.fate is Fate.PASSING or (error.fate is Fate.REFUSED and young):
                raise
            if error.fate is not Fate.GONE:
                _log.warning("an alert cannot be edited: %s", error.reason)
        self._settled(posting, posting.wanted)

    def _settled(self, posting: Posting, edition: int) -> None:
        self._journal.edited(posting.message.id, edition)
        self._forget(posting.message.id)


async def rest(clock: Clock, seconds: float, over: asyncio.Event) -> None:
    """Between two tries; cut short by the event."""
    waits = [asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(over.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
            with contextlib.suppress(asyncio.CancelledError, BotError):
                await wait


def _delay(posting: Posting) -> float | None:
    """How late a message was that is there, None if it was in time."""
    return posting.late if posting.late > LATE else None


def superfluous(waiting: Sequence[Posting]) -> list[int]:
    """Reminders that say nothing any more: what they are about is over, or another waiting message says it too.

    One that was tried counts for nothing here: it may be there since long ago.
    """
    fresh = [each for each in waiting if not each.tried]
    openings = {each.message.incidents for each in fresh if each.message.post is Post.OPENING}
    reminders = [each for each in fresh if each.message.post is Post.REMINDER]
    newest = {each.message.incidents: each.message.id for each in reminders}
    return [
        each.message.id
        for each in reminders
        if not any(incident.open for incident in each.incidents)
        or each.message.incidents in openings
        or newest[each.message.incidents] != each.message.id
    ]
