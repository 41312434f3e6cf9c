"""Let people take turns at what takes long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from core.proxmox import asker


class Turns:
    """Let `most` people at once take a turn, and each person one turn at a time.

    The person is the `asker` of the running task. Whoever asks many times waits behind those who ask once.
    """

    def __init__(self, most: int) -> None:
        self._everybody = asyncio.Semaphore(most)
        self._own: WeakValueDictionary[int | None, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        own = self._own.setdefault(asker.get(), asyncio.Lock())
        async with own, self._everybody:
            yield
