"""Let people take turns at work that takes a long time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from core.errors import TooQuick
from core.proxmox import asker

WAIT_SECONDS = 5
"""A person who already waits for too many turns is told to ask again after this many seconds."""


class Turns:
    """Let `most` people at once take a turn, and each person one turn at a time.

    The person is the `asker` of the running task; the bot itself (None) counts as one person. Whoever asks many
    times waits behind those who ask once.
    `own_most`: maximum number of turns that one person has and waits for; 0 for no limit.
    """

    def __init__(self, most: int, own_most: int = 0) -> None:
        self._everybody, self._own_most = asyncio.Semaphore(most), own_most
        self._own: WeakValueDictionary[int | None, asyncio.Lock] = WeakValueDictionary()
        self._wanted = Counter[int | None]()

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it in the block.

        Raises: TooQuick if the person has or waits for `own_most` turns already.
        """
        person = asker.get()
        if self._own_most and self._wanted[person] >= self._own_most:
            raise TooQuick(WAIT_SECONDS)
        self._wanted[person] += 1
        try:
            own = self._own.setdefault(person, asyncio.Lock())
            async with own, self._everybody:
                yield
        finally:
            self._wanted[person] -= 1
            if not self._wanted[person]:
                del self._wanted[person]
