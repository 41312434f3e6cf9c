"""Provide the time as an object, so that rules can be tested without waiting."""

import asyncio
import time


class Clock:
    """The real clock. `monotonic` (seconds) measures intervals. `now` (Unix seconds) is for display only."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
