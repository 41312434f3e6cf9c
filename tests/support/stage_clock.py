"""Time on the stage: as true as a real clock for whoever measures it, and in a hurry for whoever waits."""

import asyncio
import contextlib
import time
from bisect import bisect_right

from core.clock import Clock

HASTE = 150.0
SHORT = 5.0


class StageClock(Clock):
    """A wait of up to five seconds takes a hundred-and-fiftieth of it, and the clock then moves on by the rest.

    Longer waits (a question's minute) last until the clock has come so far, usually by a test's `skip`.
    """

    def __init__(self) -> None:
        self.wall = 0.0
        """Seconds the time of day is off, as after somebody set the clock."""
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
        """What `monotonic` said at this moment of time.monotonic(), such as a request's arrival."""
        return real + self._skips[bisect_right(self._skips, (real, float("inf"))) - 1][1]

    def skip(self, seconds: float) -> None:
        """It is that much later now, for everybody."""
        self._skips.append((time.monotonic(), self._skipped + seconds))
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        goal = self.monotonic() + seconds
        if seconds <= SHORT:
            await asyncio.sleep(seconds / HASTE)
            if (left := goal - self.monotonic()) > 0:
                self.skip(left)
        while (left := goal - self.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                # not wait_for: in Python 3.11 it swallows a cancel that meets a skip
                async with asyncio.timeout(left):
                    await self._moved.wait()
