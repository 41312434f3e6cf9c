"""Send the journal's messages to the alert channel, and edit those that are posted.

core/delivery/outbox.py times the attempts. A message is given up after a day, after five of the bot's own errors, or
if Discord rejects it. A test is given up after a minute, or at its first `NotDelivered`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from core.clock import Clock
from core.delivery.channel import AlertChannel, AlertText, DeliveryFailure, NotDelivered, OwnReason
from core.delivery.late_alerts import (
    LATE_SECONDS,
    STALE_PAIR_SECONDS,
    AlertAges,
    delay_of,
    find_superfluous,
    recovery_of,
)
from core.delivery.outbox import (
    CLOCK_MARGIN_SECONDS,
    LIMIT_MOST,
    PAUSES,
    Retries,
    first_to_retry,
    is_nonce_known,
    send_with_fallbacks,
    sleep_until_set,
)
from core.errors import JournalFailed
from core.watch.incidents.model import Message, MessageKind
from core.watch.journal import Journal, OutboxMessage

_log = logging.getLogger(__name__)

OWN_ERRORS_MOST = 5
"""Number of the bot's own errors after which a message is given up, or not edited until its incident changes."""
GIVE_UP_SECONDS = 24 * 3600.0
"""Age in seconds after which a message is given up instead of posted."""
EDIT_GIVE_UP_SECONDS = 7 * 86400.0
"""Age in seconds of a message after which an edit that Discord refuses or limits is not repeated."""
TEST_GIVE_UP_SECONDS = 60.0
"""Age in seconds after which a test is given up: the person who asked for it was answered long ago."""


class AlertDelivery:
    """Send the outbox messages of the journal."""

    def __init__(self, journal: Journal, channel: AlertChannel, clock: Clock) -> None:
        self._journal, self._channel, self._clock = journal, channel, clock
        self._work, self._edit_work, self._ending = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._quiet = asyncio.Event()
        """Set while no new message is waiting for an attempt: edits may run then."""
        self._busy = asyncio.Lock()
        self._posts = Retries(clock, "an alert could not be sent")
        self._edits = Retries(clock, "the edit of an alert could not be sent")
        self._ages = AlertAges(clock)
        self._tried_at: dict[int, float] = {}
        """Monotonic time of this run's attempt whose nonce Discord may know, by message."""
        self._bug_counts: dict[int, int] = {}
        self._limited_edits: dict[int, tuple[float, str]] = {}
        """Edits that Discord limits, by message: monotonic end of the limit, and Discord's words."""

    @property
    def error(self) -> str:
        """Why the last attempt to post or to edit failed; empty while both succeed."""
        return self._posts.error or self._edits.error

    def wake(self) -> None:
        """Try again now: there is something to send, or Discord is back. A limit named by Discord still holds."""
        self._posts.shorten_pause()
        self._edits.shorten_pause()
        self._work.set()

    def on_stored(self, *message_ids: int) -> None:
        """Note the time at which these messages were stored, and wake up."""
        self._ages.note_created(*message_ids)
        self.wake()

    async def run(self) -> None:
        """Send until the bot ends. Unexpected errors are logged and do not end the loop.

        An edit begins while no new message waits for an attempt, and runs beside new ones: it delays no alert.
        """
        async with self._busy:
            await asyncio.gather(
                self._again(self._work, self._attempt_posts),
                self._again(self._edit_work, self._attempt_edits),
            )

    async def _again(self, work: asyncio.Event, attempt: Callable[[], Awaitable[float | None]]) -> None:
        while not self._ending.is_set():
            work.clear()
            pause = await attempt()
            if not self._ending.is_set():
                await (work.wait() if pause is None else sleep_until_set(self._clock, pause, work))

    async def drain(self) -> None:
        """Finish before the bot ends: let the current attempt end, then try once more to post, and then to edit.

        No edit is tried if posting failed. No call is cancelled, because discord.py does not survive that during a
        rate limit. Unsent messages stay in the journal.
        """
        self._ending.set()
        for event in (self._work, self._edit_work, self._quiet):
            event.set()
        async with self._busy:
            self._posts.clear_limit()
            self._edits.clear_limit()
            await self._attempt()

    async def outcome(self, message_id: int, seconds: float) -> OutboxMessage | None:
        """Wait up to `seconds` until a message is posted or has failed once, and return its outbox message.

        Return None if the journal does not have the message. Raises: JournalFailed.
        """
        end = self._clock.monotonic() + seconds
        while self._clock.monotonic() < end:
            message = await self._journal.outbox_message(message_id)
            if message is None or message.posted is not None or message.error:
                return message
            await self._clock.sleep(0.2)
        return await self._journal.outbox_message(message_id)

    async def _attempt(self) -> float | None:
        """Post, and edit if no post failed. Return the seconds until the next attempt, None if nothing is left."""
        pause = await self._attempt_posts()
        return pause if pause is not None else await self._attempt_edits()

    async def _attempt_posts(self) -> float | None:
        self._quiet.clear()
        pause = await self._posts.attempt(self._flush_posts)
        if pause is None:  # otherwise edits would probably fail, too
            self._quiet.set()
            self._edit_work.set()
        return pause

    async def _attempt_edits(self) -> float | None:
        return await self._edits.attempt(self._flush_edits)

    async def _flush_posts(self) -> None:
        """Post all waiting messages, the tests last: a person who asks for many tests delays no alert.

        A message that fails by a bug delays no other and is tried again next time.
        Raises: NotDelivered (for a bug: after all others were tried), JournalFailed.
        """
        passed: set[int] = set()
        while waiting := tuple(
            each for each in await self._journal.to_post() if each.stored.id not in passed
        ):
            if needless := find_superfluous(waiting):
                await self._journal.absorb(needless)
                continue
            first = next((each for each in waiting if not _is_test(each)), waiting[0])
            if not await self._attempt_one(first, self._post(first, waiting)):
                passed.add(first.stored.id)
        if passed:
            raise NotDelivered(DeliveryFailure.PASSING, OwnReason.OWN_ERROR)

    async def _flush_edits(self) -> None:
        """Send all waiting edits. An edit that is refused, is limited alone or fails by a bug delays no other.

        Raises: NotDelivered (for these: after all others were tried), JournalFailed.
        """
        passed: set[int] = set()
        trouble: NotDelivered | None = None
        while waiting := [each for each in await self._journal.to_edit() if each.stored.id not in passed]:
            message, number, now = waiting[0], waiting[0].stored.id, self._clock.monotonic()
            until, reason = self._limited_edits.get(number, (0.0, ""))
            if until > now:
                passed.add(number)
                limited = NotDelivered(DeliveryFailure.PASSING, reason, wait=until - now)
                trouble = first_to_retry(trouble, limited)
                continue
            await self._quiet.wait()
            try:
                if not await self._attempt_one(message, self._edit(message)):
                    passed.add(number)
                    trouble = first_to_retry(
                        trouble, NotDelivered(DeliveryFailure.PASSING, OwnReason.OWN_ERROR)
                    )
            except NotDelivered as error:
                if error.failure is not DeliveryFailure.REFUSED and (error.delays_all or not error.wait):
                    raise
                passed.add(number)
                if error.wait:
                    self._limited_edits[number] = now + min(error.wait, LIMIT_MOST), error.reason
                trouble = first_to_retry(trouble, error)
        if trouble is not None:
            if trouble.wait:  # the other edits took time meanwhile
                due = min(self._limited_edits[each][0] for each in passed if each in self._limited_edits)
                trouble.wait = max(PAUSES[0], due - self._clock.monotonic())
            raise trouble

    async def _attempt_one(self, message: OutboxMessage, work: Coroutine[Any, Any, None]) -> bool:
        """Run `work` and return whether it ended without a bug of the bot.

        After `OWN_ERRORS_MOST` bugs give the message or this edit up. Raises: NotDelivered, JournalFailed.
        """
        try:
            await work
        except (NotDelivered, JournalFailed):
            raise
        except Exception:  # noqa: BLE001 - a bug in one message must not stop all others
            _log.exception("%s cannot be sent", _named(message.stored))
        else:
            return True
        number = message.stored.id
        self._bug_counts[number] = self._bug_counts.get(number, 0) + 1
        if self._bug_counts[number] >= OWN_ERRORS_MOST:
            if message.posted is None:
                await self._give_up(message, OwnReason.OWN_ERROR)
            else:
                await self._mark_edited(message, message.wanted)
        return False

    # -- new messages

    async def _post(self, message: OutboxMessage, waiting: tuple[OutboxMessage, ...]) -> None:
        stored, age = message.stored, self._ages.age(message.stored)
        is_test = _is_test(message)
        if age > (TEST_GIVE_UP_SECONDS if is_test else GIVE_UP_SECONDS):
            await self._give_up(message, message.error or OwnReason.TOO_OLD)
            return
        text = self._channel.compose(message, age if age > LATE_SECONDS else None)
        is_repeat, blocked, found = bool(message.tried), "", None
        try:
            searched = self._must_search(message)
            since = stored.created - CLOCK_MARGIN_SECONDS
            if searched:
                known = await self._journal.discord_ids()
                found = await self._channel.find(message.tried, since, known, stored.incidents)
            is_repeat = is_repeat and not searched
            # keep one content until the outcome is known: the message is found by it
            sent_text = replace(text, content=message.tried) if is_repeat else text
            if found is None:
                if not is_repeat:
                    self._tried_at[stored.id] = self._clock.monotonic()
                absorbs = (
                    recovery_of(message, waiting) if age > STALE_PAIR_SECONDS and not is_repeat else None
                )
                nonce = f"{self._journal.nonce_prefix}-{stored.id}"

                async def send(words: AlertText) -> int:
                    await self._journal.note_try(
                        stored.id, words.content, self._clock.now(), absorbs, late=age
                    )
                    return await self._channel.post(message, words, nonce)

                discord_id, blocked = await send_with_fallbacks(self._channel, sent_text, send)
            else:
                discord_id, sent_text = found, replace(text, content=message.tried)
        except NotDelivered as error:
            rejected = error.failure is DeliveryFailure.REJECTED
            if rejected or is_test:  # a test is tried once: its sender is told that it is not sent again
                await self._give_up(message, error.reason)
                if rejected:
                    return
            else:
                not_taken = error.not_taken and not is_repeat
                if not_taken:
                    self._tried_at.pop(stored.id, None)
                await self._journal.note_refused(stored.id, error.reason, not_taken=not_taken)
            error.delays_all = bool(error.wait)  # a limit on one new message applies to all of them
            raise
        # the message that arrived may show the details of an earlier attempt
        earlier = is_repeat or found is not None
        other = sent_text != text or (earlier and (message.wanted > 0 or age > LATE_SECONDS))
        older = other and (is_repeat or stored.post is MessageKind.OPENING)
        edition = message.wanted - 1 if older else message.wanted
        await self._journal.note_posted(stored.id, discord_id, edition)
        if blocked:
            await self._journal.note_blocked(stored.id, blocked)
        self._forget(stored.id)

    def _must_search(self, message: OutboxMessage) -> bool:
        """Return whether an earlier attempt may have succeeded, and the nonce no longer prevents a second message."""
        if not message.tried:
            return False
        recently = is_nonce_known(self._clock, self._tried_at.get(message.stored.id))
        return not (recently and message.run == self._journal.run)

    async def _give_up(self, message: OutboxMessage, reason: str) -> None:
        _log.error("giving up an alert, %s: %s", _named(message.stored), reason)
        await self._journal.give_up(message.stored.id, reason)
        self._forget(message.stored.id)

    def _forget(self, message_id: int) -> None:
        self._ages.forget(message_id)
        for kept in (self._tried_at, self._bug_counts, self._limited_edits):
            kept.pop(message_id, None)

    # -- edits

    async def _edit(self, message: OutboxMessage) -> None:
        text = self._channel.compose(message, delay_of(message))
        try:
            _, blocked = await send_with_fallbacks(self._channel, text, partial(self._channel.edit, message))
        except NotDelivered as error:
            young = self._ages.age(message.stored) <= EDIT_GIVE_UP_SECONDS
            passing = error.failure is DeliveryFailure.PASSING
            if (passing and not error.wait) or (
                young and (passing or error.failure is DeliveryFailure.REFUSED)
            ):
                raise
            if error.failure is not DeliveryFailure.GONE:
                _log.warning("an alert cannot be edited: %s", error.reason)
            blocked = message.error
        if blocked != message.error:
            await self._journal.note_blocked(message.stored.id, blocked)
        await self._mark_edited(message, message.wanted)

    async def _mark_edited(self, message: OutboxMessage, edition: int) -> None:
        await self._journal.note_edited(message.stored.id, edition)
        self._forget(message.stored.id)


def _is_test(message: OutboxMessage) -> bool:
    return message.stored.post is MessageKind.TEST


def _named(message: Message) -> str:
    """Name a message for the log, with the numbers of its incidents."""
    about = ", ".join(map(str, message.incidents)) or "none"
    return f"message {message.id} ({message.post.value}, incidents: {about})"
