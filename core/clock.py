"""Provide the time as an object: tests replace it and need not wait."""

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
