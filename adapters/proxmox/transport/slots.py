"""Hand out the slots in which requests to Proxmox run: some for each lane, and in a lane to one person after another.

Whoever has forty requests waiting does not hold up somebody with one. A slow request about a node gives its slot
back, except a slot of the watch, and runs on beside the others. So a hung node or storage holds up only reads of that
node.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from core.proxmox import Lane, asker
from core.proxmox_errors import QueueFull

SLOTS = {Lane.READS: 4, Lane.CHANGES: 2, Lane.WATCH: 3}
"""Requests that run at once, by lane.

Only the slots of READS are lent to other lanes. Further requests would wait in pveproxy, which has three workers.
"""
PLACES = 2000
"""Maximum requests that wait in one lane. At 100 requests a second the last one waits 20 s."""
PERSON_PLACES = 100
"""Maximum requests of one person that wait in one lane: more than the allowed burst of commands needs."""
LATE_SECONDS = 1.0
"""Seconds after which a request about a node gives its slot back, except a slot of the watch."""
LATE_MOST = 8
"""Maximum requests that run without a slot. Further ones keep their slots."""
HANGING_MOST = 2
"""Maximum late reads of one node: while this many run, its other reads wait.

Reads that may hang are counted apart, up to the same maximum, and even before they are late: the node's pvedaemon has
three workers.
"""


@dataclass(eq=False, slots=True)
class _Request:
    """A request that waits or runs. `slot`: the lane whose slot it holds, None if it waits or runs without one.

    `begin`: see `RequestSlots.acquire`.
    """

    lane: Lane
    person: int | None
    node: str | None
    may_hang: bool
    granted: asyncio.Future[None]
    begin: Callable[[Callable[[], None]], None] | None = None
    slot: Lane | None = None
    late: bool = False
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class _Line(deque[_Request]):
    """The waiting requests of one person in one lane. `hanging_next`: the next turn is for one that may hang."""

    hanging_next = False

    def find(self, may_run: Callable[[_Request], bool]) -> _Request | None:
        """Return the next request, None if none may run. It is the oldest that may run, with one exception.

        Every other turn of the person goes to a request that may hang, if one can run. Few of these may run at once,
        so they must not all be left for the end.
        """
        oldest = next((each for each in self if may_run(each)), None)
        if oldest is None or oldest.may_hang or not self.hanging_next:
            return oldest
        return next((each for each in self if each.may_hang and may_run(each)), oldest)


class _Queue:
    """The waiting requests of one lane, taken from one person after another. The bot itself counts as one person."""

    def __init__(self) -> None:
        self._waiting: dict[int | None, _Line] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, request: _Request) -> None:
        """Add a request. Raises: QueueFull."""
        own = self._waiting.get(request.person, _Line())
        if self._count >= PLACES or len(own) >= PERSON_PLACES:
            raise QueueFull
        own.append(request)
        self._waiting[request.person] = own
        self._count += 1

    def remove(self, request: _Request) -> None:
        own = self._waiting[request.person]
        own.remove(request)
        self._count -= 1
        if not own:
            del self._waiting[request.person]

    def take(self, may_run: Callable[[_Request], bool]) -> _Request | None:
        """Take out the next request (`_Line.find`) of the person who has waited longest for a turn.

        People without a request that may run are passed over.
        """
        for person, own in self._waiting.items():
            request = own.find(may_run)
            if request is not None:
                own.hanging_next = not request.may_hang
                self.remove(request)
                if person in self._waiting:
                    self._waiting[person] = self._waiting.pop(person)
                return request
        return None


class RequestSlots:
    """Hand out the slots of all lanes. The person is the `asker` of the running task."""

    def __init__(self) -> None:
        self._free = dict(SLOTS)
        self._queues = {lane: _Queue() for lane in SLOTS}
        self._running: dict[_Request, None] = {}

    async def acquire(
        self,
        lane: Lane,
        begin: Callable[[Callable[[], None]], None] | None = None,
        *,
        node: str | None = None,
        may_hang: bool = False,
    ) -> Callable[[], None]:
        """Wait for a slot and return the function that gives it back. A second call of the function does nothing.

        `begin`: called with this function at the moment the slot is granted, before the caller gets its turn
        on the event loop. From then on only this function gives the slot back, even if the caller is cancelled.
        `node`: the node that the request is about.
        `may_hang`: the answer may not come. The request then uses a slot of READS, unless the watch sends it.
        Raises: QueueFull if too many requests wait already.
        """
        if may_hang and lane is not Lane.WATCH:
            lane = Lane.READS
        granted = asyncio.get_running_loop().create_future()
        request = _Request(lane, asker.get(), node, may_hang, granted, begin)
        self._queues[lane].add(request)
        self._hand_out()
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.done() or granted.cancelled():
                self._queues[lane].remove(request)
            elif begin is None:  # granted at the same moment
                self._give_back(request)
            raise
        return lambda: self._give_back(request)

    def _hand_out(self) -> None:
        for lane, queue in self._queues.items():  # READS first: it lends only slots that no reader needs
            while queue and (slot := self._free_slot(lane)) is not None:
                request = queue.take(self._may_run)
                if request is None:
                    break
                self._start(request, slot)

    def _free_slot(self, lane: Lane) -> Lane | None:
        return next((each for each in (lane, Lane.READS) if self._free[each]), None)

    def _may_run(self, request: _Request) -> bool:
        """Return whether the request still waits, and its node has room for one more read.

        A change, or a request of the watch, never waits for reads.
        """
        if request.granted.done():  # cancelled, and about to leave the queue
            return False
        if request.lane is not Lane.READS or request.node is None:
            return True
        hanging = sum(
            each.node == request.node
            and each.lane is Lane.READS
            and each.may_hang is request.may_hang
            and (each.late or each.may_hang)
            for each in self._running
        )
        return hanging < HANGING_MOST

    def _start(self, request: _Request, slot: Lane) -> None:
        self._free[slot] -= 1
        request.slot = slot
        self._running[request] = None
        if request.node is not None and slot is not Lane.WATCH:
            loop = asyncio.get_running_loop()
            request.timer = loop.call_later(LATE_SECONDS, self._on_late, request)
        request.granted.set_result(None)
        begin, request.begin = request.begin, None  # else request and answer would keep each other in memory
        if begin is not None:
            begin(lambda: self._give_back(request))

    def _on_late(self, request: _Request) -> None:
        request.late = True
        self._free_late_slots()

    def _give_back(self, request: _Request) -> None:
        if request not in self._running:
            return
        del self._running[request]
        if request.timer is not None:
            request.timer.cancel()
        if request.slot is not None:
            self._free[request.slot] += 1
        self._free_late_slots()

    def _free_late_slots(self) -> None:
        """Take the slots of late requests, as many as may run without one, and hand out the free ones."""
        room = LATE_MOST - sum(each.slot is None for each in self._running)
        for request in self._running:
            if room > 0 and request.late and request.slot is not None:
                self._free[request.slot] += 1
                request.slot = None
                room -= 1
        self._hand_out()
