"""Decide who waits for which picture.

A picture that many people want is made once. Of the pictures that one person wants, one is made at a time.

A few people who ask for many cannot take the places of the others: the first picture of each person has a place of
its own.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, Protocol, TypeVar

from core.access.turns import Turns
from core.charts.drawing import Drawing
from core.clock import Clock
from core.errors import ChartsBusy
from core.proxmox import asker

T = TypeVar("T")

SHARED_SECONDS = 10.0
"""Seconds after the making of a picture began until it is no longer shown to others who ask for the same."""
AT_ONCE = 3
"""Maximum number of people for whom Proxmox is asked at once. The pictures are drawn one after the other."""
OWN_MOST = 3
"""Maximum number of pictures that one person wants at once."""
SPARE_MOST = 20
"""While this many pictures are wanted, nobody gets a place for a second one."""
PEOPLE_MOST = 100
"""Maximum number of people who want a picture at once. The last of them waits about half a minute."""


class Renderer(Protocol):
    """Draw pictures."""

    async def draw(self, drawing: Drawing) -> bytes:
        """Return the picture as PNG.

        Raises: ChartFailed, ChartTooSlow.
        """

    async def close(self) -> None:
        """End the drawing. Later calls of `draw` fail."""


class Pictures(Generic[T]):
    """Make pictures, and keep them for a moment."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turns = Turns(AT_ONCE)
        self._made: dict[Hashable, tuple[float, asyncio.Task[T]]] = {}
        self._wanted = Counter[int | None]()

    async def take(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return the picture with this key, made by `make` unless a fresh one exists or is being made.

        The caller has checked access. Raises: ChartsBusy, and the errors of `make`.
        """
        known, person = self._known(key), asker.get()
        if known is not None and known.done():
            return known.result()
        if not self._has_place(person):
            raise ChartsBusy
        self._wanted[person] += 1
        try:
            if known is not None:
                return await asyncio.shield(known)
            async with self._turns.take():
                task = self._known(key) or self._start(key, make)
                return await asyncio.shield(task)
        finally:
            self._wanted[person] -= 1
            if not self._wanted[person]:
                del self._wanted[person]

    def _has_place(self, person: int | None) -> bool:
        own = self._wanted[person]
        if own:
            return own < OWN_MOST and self._wanted.total() < SPARE_MOST
        return len(self._wanted) < PEOPLE_MOST

    def _known(self, key: Hashable) -> asyncio.Task[T] | None:
        """Return the picture with this key if it is being made or fresh, else None. Forget all old pictures."""
        now = self._clock.monotonic()
        self._made = {
            each: (made, task)
            for each, (made, task) in self._made.items()
            if not task.done() or (now - made < SHARED_SECONDS and not _failed(task))
        }
        kept = self._made.get(key)
        return kept[1] if kept else None

    def _start(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(make())
        task.add_done_callback(_failed)  # takes the error of a picture that nobody waits for any more
        self._made[key] = (self._clock.monotonic(), task)
        return task


def _failed(task: asyncio.Task[T]) -> bool:
    return task.cancelled() or task.exception() is not None
