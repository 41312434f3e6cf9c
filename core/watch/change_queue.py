"""Make changes one after the other. A change that has begun is made to its end, even if nobody waits for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from core.audit.store import WAIT_SECONDS

T = TypeVar("T")


class ChangeQueue:
    """Give each change its turn: between a decision and its storing no other change begins.

    A caller that waits in vain withdraws a change that has not begun.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()

    async def make(self, change: Callable[[], Awaitable[T]]) -> T:
        """Make the change in its turn, and return its result.

        A change that has begun goes on after a TimeoutError or a cancellation.
        Raises: TimeoutError after `WAIT_SECONDS`, and what the change raises.
        """
        begun = False

        async def turn() -> T:
            nonlocal begun
            async with self._lock:
                begun = True
                return await change()

        task = asyncio.create_task(turn(), name="change")
        self._running.add(task)
        task.add_done_callback(self._done)
        try:
            await asyncio.wait({task}, timeout=WAIT_SECONDS)
        except asyncio.CancelledError:
            if not begun:
                task.cancel()
            raise
        if not task.done():
            if not begun:
                task.cancel()
            raise TimeoutError
        return task.result()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # asyncio would log an error that nobody retrieves
