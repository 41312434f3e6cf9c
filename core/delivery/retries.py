"""When to try Discord again: the pauses between failed tries, and limits that Discord has named."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from core.clock import Clock
from core.delivery.channel import DeliveryFailure, NotDelivered
from core.errors import BotError, JournalFailed

_log = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
LONG_PAUSE = 300.0
"""Seconds between two tries: doubling to a minute, then five minutes."""
LIMIT_MOST = 3600.0
"""Seconds that Discord's own limit is believed at most; then it is tried all the same."""


class Retries:
    """One kind of work that is tried until it is done. `failed` says in the log that it was not."""

    def __init__(self, clock: Clock, failed: str) -> None:
        self._clock, self._failed = clock, failed
        self._failures = 0
        self._limited_until = 0.0
        """Until then (monotonic) Discord has said that it takes nothing."""
        self.error = ""
        """Why the last try failed; empty while all goes well."""

    def shorten_pause(self) -> None:
        """Discord is back: no pause of five minutes. A limit that Discord has named still holds."""
        self._failures = min(self._failures, len(PAUSES) - 1)

    def clear_limit(self) -> None:
        """Forget a limit: this is the last try of all."""
        self._limited_until = 0.0

    async def attempt(self, work: Callable[[], Awaitable[None]]) -> float | None:
        """Do the work; seconds until the next try, None when it is done. Never raises but for a cancel."""
        left = self._limited_until - self._clock.monotonic()
        if left > 0:
            return left
        try:
            await work()
        except NotDelivered as error:
            self.error = error.reason
            pause = self._pause_after(error)
            if error.everywhere:
                self._limited_until = self._clock.monotonic() + pause
            _log.warning("%s, next try in %.0f s: %s", self._failed, pause, error.reason)
            return pause
        except JournalFailed as error:
            self.error = str(error)
            _log.error("the journal refuses, and %s: %s", self._failed, error.reason)
            return self._next_pause()
        except Exception:  # noqa: BLE001 - a bug of ours around the messages must not end the sending either
            _log.exception("%s", self._failed)
            return self._next_pause()
        self._failures, self.error = 0, ""
        return None

    def _pause_after(self, error: NotDelivered) -> float:
        if error.wait:
            return max(PAUSES[0], min(error.wait, LIMIT_MOST))
        return LONG_PAUSE if error.failure is DeliveryFailure.REFUSED else self._next_pause()

    def _next_pause(self) -> float:
        self._failures += 1
        return PAUSES[self._failures - 1] if self._failures <= len(PAUSES) else LONG_PAUSE


async def sleep_until_set(clock: Clock, seconds: float, over: asyncio.Event) -> None:
    """Between two tries; cut short by the event."""
    waits = [asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(over.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
            with contextlib.suppress(asyncio.CancelledError, BotError):
                await wait
