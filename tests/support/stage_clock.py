"""Provide a clock that measures real time but shortens waits."""

import asyncio
import contextlib
import time
from bisect import bisect_right
from typing import Any

from core.clock import Clock

HASTE = 150.0
"""Factor by which short waits are shortened in real time."""
SHORT = 5.0
"""Maximum seconds of a short wait."""


class StageClock(Clock):
    """Shorten short waits and let tests skip time.

    A wait of up to five seconds takes 1/150 of it in real time, and the clock then moves on by the rest. A
    longer wait (such as the minute of a question) lasts until the clock has reached its end, usually through
    `skip`.
    """

    def __init__(self) -> None:
        self.wall = 0.0
        """Seconds by which the wall clock is off, as after somebody set it."""
        self.waiting: set[asyncio.Task[Any] | None] = set()
        """Tasks in a wait longer than `SHORT`. A `skip` that is long enough lets them continue."""
        self._skips: list[tuple[float, float]] = [(0.0, 0.0)]
        self._moved = asyncio.Event()

    @property
    def _skipped(self) -> float:
        return self._skips[-1][1]

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped

    def now(self) -> float:
        return time.time() + self._skipped + self.wall

    def at(self, real: float) -> float:
        """Convert a moment of `time.monotonic()`, such as the arrival of a request, to this clock's `monotonic`."""
        return real + self._skips[bisect_right(self._skips, (real, float("inf"))) - 1][1]

    def skip(self, seconds: float) -> None:
        """Move the clock forward for everybody."""
        self._skips.append((time.monotonic(), self._skipped + seconds))
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        goal = self.monotonic() + seconds
        if seconds <= SHORT:
            await asyncio.sleep(seconds / HASTE)
            if (left := goal - self.monotonic()) > 0:
                self.skip(left)
        task = asyncio.current_task()
        self.waiting.add(task)
        try:
            while (left := goal - self.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    # not wait_for: in Python 3.11 it swallows a cancel that meets a skip
                    async with asyncio.timeout(left):
                        await self._moved.wait()
        finally:
            self.waiting.discard(task)
