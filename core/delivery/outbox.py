"""Time the attempts to send alerts and the audit trail, and send shorter texts if Discord blocks one.

A sender stores the attempt before it sends, and the success afterwards. If the answer was lost, the sender repeats
the attempt with the same nonce. Discord remembers a nonce for a few minutes ("Create Message": enforce_nonce). After
that, and after a restart of the bot, the sender first searches the channel for the message.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol, TypeVar

from core.clock import Clock
from core.delivery.channel import DeliveryFailure, NotDelivered, OwnReason
from core.errors import BotError, JournalFailed

NONCE_SECONDS = 120.0
"""Seconds for which a nonce is trusted: Discord remembers it for "the past few minutes"."""
CLOCK_MARGIN_SECONDS = 24 * 3600.0
"""Seconds to look back further in a search: the bot's clock may have been wrong when it made the message."""

S = TypeVar("S")
T = TypeVar("T")

_log = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Seconds between attempts after temporary failures. After the last one follows LONG_PAUSE."""
LONG_PAUSE = 300.0
"""Seconds to the next attempt after many temporary failures, and after every refusal (DeliveryFailure.REFUSED)."""
LIMIT_MOST = 3600.0
"""Longest pause in seconds: a longer wait that Discord asks for is cut short."""


def is_nonce_known(clock: Clock, tried: float | None) -> bool:
    """Return whether Discord still knows the nonce of an attempt.

    `tried`: monotonic time of the attempt, None if this run has made none.
    """
    return tried is not None and clock.monotonic() - tried < NONCE_SECONDS


class Retries:
    """Attempt one kind of work, and time the next attempt. `failed`: text of the log line about a failure."""

    def __init__(self, clock: Clock, failed: str) -> None:
        self._clock, self._failed = clock, failed
        self._failures = 0
        self._limited_until = 0.0
        """Monotonic end of a limit that applies to all messages (`NotDelivered.delays_all`)."""
        self.error = ""
        """Why the last attempt failed; empty while all is well."""

    def shorten_pause(self) -> None:
        """Wait at most a minute after the next temporary failure. A limit on all messages still holds."""
        self._failures = min(self._failures, len(PAUSES) - 1)

    def clear_limit(self) -> None:
        """Forget the limit on all messages, so that one last attempt is made before the bot ends."""
        self._limited_until = 0.0

    async def attempt(self, work: Callable[[], Awaitable[None]]) -> float | None:
        """Do the work, unless a limit on all messages holds.

        Return the seconds until the next attempt, None if the work is done.
        Raises nothing but a cancellation.
        """
        left = self._limited_until - self._clock.monotonic()
        if left > 0:
            return left
        try:
            await work()
        except NotDelivered as error:
            pause = self._pause_after(error)
            if error.delays_all:
                self._limited_until = self._clock.monotonic() + pause
            if error.reason != self.error:  # not again while the reason stays the same
                _log.warning("%s, next try in %.0f s: %s", self._failed, pause, error.reason)
            self.error = error.reason
            return pause
        except JournalFailed as error:
            self.error = f"the journal: {error.reason}"
            _log.error("the journal refuses writes, and %s: %s", self._failed, error.reason)
            return self._next_pause()
        except Exception:  # noqa: BLE001 - a bug must not stop the sending
            _log.exception("%s", self._failed)
            self.error = OwnReason.OWN_ERROR
            return self._next_pause()
        if self.error:
            _log.info("sent again, after %s: %s", self._failed, self.error)
        self._failures, self.error = 0, ""
        return None

    def _pause_after(self, error: NotDelivered) -> float:
        if error.wait:
            return max(PAUSES[0], min(error.wait, LIMIT_MOST))
        return LONG_PAUSE if error.failure is DeliveryFailure.REFUSED else self._next_pause()

    def _next_pause(self) -> float:
        self._failures += 1
        return PAUSES[self._failures - 1] if self._failures <= len(PAUSES) else LONG_PAUSE


async def sleep_until_set(clock: Clock, seconds: float, event: asyncio.Event) -> None:
    """Wait for this time, or until the event is set if that is sooner."""
    waits = [asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(event.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
            with contextlib.suppress(asyncio.CancelledError, BotError):
                await wait


class FallbackTexts(Protocol[S]):
    """A channel that has replacements for a blocked text."""

    def fallback_texts(self, text: S, /) -> tuple[S, ...]:
        """Return replacements for a text that Discord blocks, best first."""


async def send_with_fallbacks(
    channel: FallbackTexts[S], content: S, send: Callable[[S], Awaitable[T]]
) -> tuple[T, str]:
    """Send a text, and shorter versions if Discord blocks it.

    Return the result, and why the text was shortened ("" if it was not).
    Raises: NotDelivered as `send` raises it; with REJECTED if no version passes.
    """
    blocked = ""
    for text in _texts(channel, content):
        try:
            return await send(text), blocked
        except NotDelivered as error:
            if error.failure is not DeliveryFailure.BLOCKED:
                raise
            blocked = blocked or error.reason
            _log.warning("Discord blocks the words of a message: %s", error.reason)
    raise NotDelivered(DeliveryFailure.REJECTED, blocked, not_taken=True)


def _texts(channel: FallbackTexts[S], content: S) -> Iterator[S]:
    yield content
    yield from channel.fallback_texts(content)


def first_to_retry(one: NotDelivered | None, other: NotDelivered) -> NotDelivered:
    """Return the failure with the shorter pause, `one` if they are equal. `one=None`: there is only `other`.

    A temporary failure without a wait counts as having no pause.
    """

    def seconds(error: NotDelivered) -> float:
        return error.wait or (LONG_PAUSE if error.failure is DeliveryFailure.REFUSED else 0.0)

    return other if one is None or seconds(other) < seconds(one) else one
