"""Limit the requests that run at once, with reserved places per lane."""

import asyncio
import contextlib
from collections.abc import Callable

from core.proxmox import Lane

SLOTS = {Lane.READS: 4, Lane.CHANGES: 2, Lane.WATCH: 3}
"""Requests that run at once, by lane.

Only the places of READS are lent to other lanes, so the others always keep theirs. More requests would only
wait in pveproxy, which has three workers.
"""
QUICK = 2
"""Storages asked at once. They may hang, and must leave places for other reads."""
THREADS = sum(SLOTS.values()) + 7
"""Threads of the process: seven stay free for Discord's DNS look-ups while every place is taken."""


class RequestSlots:
    """Hand out places in the order of the requests."""

    def __init__(self) -> None:
        self._places = {lane: asyncio.Semaphore(places) for lane, places in SLOTS.items()}
        self._quick = asyncio.Semaphore(QUICK)

    async def acquire(self, lane: Lane, *, quick: bool) -> Callable[[], None]:
        """Wait for a place and return the function that gives it back.

        `quick` requests use the places of READS, unless the watch makes them.
        """
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
