"""Provide the time as an object, so that tests replace it and need not wait. Limit the time of several reads."""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Clock:
    """The real clock. `monotonic` (seconds) measures intervals.

    `now` (Unix seconds) is for times that are shown, stored or compared with another machine's. It may jump.
    """

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def results_within(seconds: float, work: Mapping[K, Coroutine[Any, Any, V]]) -> dict[K, V]:
    """Run these coroutines at once, and return the results that arrive in time. The rest is cancelled.

    Raises: the error of a coroutine that failed in time.
    """
    if not work:
        return {}
    running = {asyncio.ensure_future(each): key for key, each in work.items()}
    try:
        done, late = await asyncio.wait(running, timeout=seconds)
    except asyncio.CancelledError:
        for task in running:
            task.cancel()
        raise
    for task in late:
        task.cancel()
    return {running[task]: task.result() for task in running if task in done}
