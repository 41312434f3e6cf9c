"""Places for requests: how many may be under way at once, and for whom they are kept."""

import asyncio
import contextlib
from collections.abc import Callable

from core.lanes import Lane

SLOTS = {Lane.READS: 4, Lane.CHANGES: 2, Lane.WATCH: 3}
"""Requests under way at once, by lane. Only READS is lent out, so that each lane always has its own. More
would only wait in pveproxy, which has three workers."""
QUICK = 2
"""Storages asked at once: they may hang, and the places that are left are other readers' too."""
THREADS = sum(SLOTS.values()) + 7
"""Threads for the process: as many are free for Discord's DNS look-ups even while every place is held."""


class RequestSlots:
    """Hands out the places, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._places = {lane: asyncio.Semaphore(places) for lane, places in SLOTS.items()}
        self._quick = asyncio.Semaphore(QUICK)

    async def acquire(self, lane: Lane, *, quick: bool) -> Callable[[], None]:
        """Wait for a place; returns what gives it back. `quick` requests are readers', unless the watch asks."""
        reads, apart = self._places[Lane.READS], quick and lane is not Lane.WATCH
        own = reads if apart else self._places[lane]
        place = reads if own.locked() and not reads.locked() else own
        gates = (self._quick, place) if apart else (place,)
        async with contextlib.AsyncExitStack() as held:
            for gate in gates:
                await held.enter_async_context(gate)
            held.pop_all()

        def give_back() -> None:
            for gate in gates:
                gate.release()

        return give_back
