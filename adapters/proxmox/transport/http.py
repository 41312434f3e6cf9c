"""Send every call to Proxmox: in a thread, in its lane, with one deadline, and check the shape of the answer.

slots.py hands out the slots. A read whose connection fails goes on to the next entry point of the cluster. A change
does so only if nothing was sent: it is never sent twice.
"""

import asyncio
import contextvars
import copy
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from adapters.proxmox.transport.connections import Deadline, Endpoint
from adapters.proxmox.transport.entry_points import EntryPoints, TrackedEntryPoint
from adapters.proxmox.transport.errors import CallContext
from adapters.proxmox.transport.exchange import Call, ConnectionFault, Sending, Try, UnexpectedData
from adapters.proxmox.transport.responses import Decode
from adapters.proxmox.transport.slots import LATE_MOST, SLOTS, RequestSlots
from core.errors import BotError
from core.guest import Guest
from core.proxmox import Lane
from core.proxmox_errors import BadAnswer, TimedOut, Unreachable
from core.validation import Upid

CHECKS = 1
"""Maximum entry points of a cluster that are checked at once. A check takes no slot."""
FREE_THREADS = 6
"""Number of threads for DNS look-ups, such as Discord's, besides those for the slots, late calls and checks."""


def threads(sites: int) -> int:
    """Return the number of threads for this number of sites. Each has slots, late calls and checks of its own."""
    return sites * (sum(SLOTS.values()) + LATE_MOST + CHECKS) + FREE_THREADS


CONNECT_SECONDS = 3.0
"""Seconds to connect to the last entry point that can be tried, or to one that is checked."""
NEXT_SECONDS = 0.8
"""Seconds to connect while the cluster has another entry point to go on to."""
READ_SILENCE, CHANGE_SILENCE = 0.5, 3.0
"""Seconds without a sign of life after which an established connection counts as lost, with several entry points.

Longer for changes: a short fault of the network must not leave a result unknown. Linux ends the connection up to
0.5 s later than this. If the other side has acknowledged the request, Linux ends it after 2 s at the earliest.
"""
READ_SECONDS = 15.0
"""Seconds to read the answer to a GET."""
CHANGE_SECONDS = 35.0
"""Seconds to read the answer to a change: pveproxy itself gives up on another node after 30 s."""
QUICK_SECONDS = 4.0
"""Seconds to read the answer to a `quick` call (see `Calls.get`), or to the check of an entry point."""
QUEUE_SECONDS = 30.0
"""Maximum seconds that a call waits for its slot."""
CUT_SECONDS = 1.0
"""Seconds after the deadline until a call is abandoned if its thread still runs, as in a DNS look-up."""
BODY_MOST = 4 * 2**20
"""Maximum bytes of an unpacked answer. A guest's own agent supplies some answers."""
LIST_MOST = 16 * 2**20
"""Maximum bytes of the cluster's list. It has some 400 bytes per guest."""


OnCall = Callable[[str, float, str], None]
"""Takes the lane of a call, the seconds that its caller waited, and "ok" or the name of the error's class."""


class Calls:
    """The calls of one lane. All lanes share the connections.

    A call of any lane takes a free slot of READS if its own lane has none.
    """

    def __init__(self, endpoint: Endpoint, on_call: OnCall | None = None) -> None:
        self._on_call = on_call
        self._entry_points, self._lane = EntryPoints(endpoint), Lane.READS
        self._slots = RequestSlots()
        self._checks = set[asyncio.Task[None]]()

    def in_lane(self, lane: Lane) -> Self:
        """Return a copy for another lane. Both share the connections and the slots of all lanes."""
        other = copy.copy(self)
        other._lane = lane  # noqa: SLF001  # a copy of its own class
        return other

    def close(self) -> None:
        """End the running calls as failed, and send no more."""
        self._entry_points.close()

    async def get(
        self,
        path: tuple[str, ...],
        shape: type | tuple[type, ...],
        guest: Guest | None = None,
        *,
        read: Callable[[Any], Any] | None = None,
        context: CallContext | None = None,
        quick: bool = False,
        most: int = BODY_MOST,
        decode: Decode | None = None,
        **parameters: object,
    ) -> Any:
        """Send a GET and return its `data`, converted by `read`.

        `shape`: the expected type of `data`. `context`: for the error of a refusal; by default the guest alone.
        `read`: runs in the thread, because an answer may be long. May raise UnexpectedData.
        `decode`: see `parse_response`. What it returns must have one of the types of `shape`, too.
        `most`: maximum bytes of the unpacked answer.
        `quick`: the storage, node or guest that the call is about may hang. The call must not block others.
        Raises: BotError.
        """

        def check_and_read(data: Any) -> Any:
            if not isinstance(data, shape):
                raise UnexpectedData
            return read(data) if read else data

        seconds = QUICK_SECONDS if quick else READ_SECONDS
        call = Call(
            "get", path, context or CallContext(guest), parameters, seconds, most, check_and_read, decode
        )
        return await self._run(call, quick=quick)

    async def start_task(self, method: str, path: tuple[str, ...], guest: Guest, **parameters: object) -> str:
        """Send a change and return the UPID of its task.

        Raises: BotError; BadAnswer if the answer is no UPID: the result is then unknown.
        """
        upid: str = await self.change(method, path, guest, read=_read_upid, **parameters)
        return upid

    async def change(
        self,
        method: str,
        path: tuple[str, ...],
        guest: Guest,
        *,
        read: Callable[[Any], Any],
        **parameters: object,
    ) -> Any:
        """Send a change once and return the `data` of the answer, converted by `read`.

        Raises: BotError.
        """
        return await self._run(
            Call(method, path, CallContext(guest), parameters, CHANGE_SECONDS, BODY_MOST, read)
        )

    async def _run(self, call: Call, *, quick: bool = False) -> Any:
        """Run a call as `_send` does, and report how it went."""
        if self._on_call is None:
            return await self._send(call, quick=quick)
        began, outcome = time.monotonic(), "ok"
        try:
            return await self._send(call, quick=quick)
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            self._on_call(self._lane.value, time.monotonic() - began, outcome)

    async def _send(self, call: Call, *, quick: bool = False) -> Any:
        """Run a call with one slot and one deadline.

        If the caller gives up while waiting for the slot, nothing is sent. If it gives up later, the call goes on
        as if the caller still waited, because Proxmox is still working, too.
        Raises: BotError.
        """
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        begun: list[tuple[Sending, asyncio.Task[Any]]] = []

        def begin(give_back: Callable[[], None]) -> None:
            sending = Sending(call, give_back, Deadline(CONNECT_SECONDS + call.seconds))
            self._begin_try(sending, self._entry_points.choose() or self._entry_points.current)
            timer = loop.call_later(sending.deadline.left, sending.deadline.cut)
            work = loop.create_task(self._over_entry_points(sending), context=context)
            work.add_done_callback(lambda done: self._on_done(sending, timer, done))
            begun.append((sending, work))

        node = call.path[1] if call.path[0] == "nodes" else None
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._slots.acquire(self._lane, begin, node=node, may_hang=quick)
        except TimeoutError:
            if not begun:  # it was never sent
                raise TimedOut(self._entry_points.current.label, changing=False) from None
        ((sending, work),) = begun
        done, _ = await asyncio.wait({work}, timeout=sending.deadline.left + CUT_SECONDS)
        if not done:
            raise TimedOut(sending.tries[-1].point.label, call.changing)
        return work.result()

    def _on_done(self, sending: Sending, timer: asyncio.TimerHandle, done: asyncio.Task[Any]) -> None:
        timer.cancel()
        left = [thread for thread in sending.threads if not thread.done()]
        if left:
            asyncio.gather(*left, return_exceptions=True).add_done_callback(lambda _: sending.give_back())
        else:
            sending.give_back()
        _retrieve(done)  # the caller may be gone
        self._check_one()

    def _begin_try(self, sending: Sending, point: TrackedEntryPoint) -> None:
        """Begin a try at this entry point in a thread.

        If the first try settles the call, the slot is given back before the tasks that wait for this call get their
        turn. The next request begins at once then.
        """
        call, points = sending.call, self._entry_points
        sending.tried.append(point)
        connect = min(NEXT_SECONDS, CONNECT_SECONDS) if points.choose(sending.tried) else CONNECT_SECONDS
        silence = (CHANGE_SILENCE if call.changing else READ_SILENCE) if points.several else None
        attempt = Try(point, connect, silence)
        on_settled = None if sending.tries else sending.give_back
        sending.tries.append(attempt)
        sending.threads.append(self._in_thread(call, sending.deadline, attempt, on_settled))

    async def _over_entry_points(self, sending: Sending) -> Any:
        """Try the call at one entry point after the other, until one answers or the call must not go on.

        The first try has begun. A GET is sent once more to the same entry point if its connection is refused or
        breaks before the answer, because pveproxy closes idle connections after 5 s. With several entry points, this
        is done only if the connection was kept from an earlier request and broke before `READ_SILENCE`.
        Raises: BotError.
        """
        call, points, is_second = sending.call, self._entry_points, False
        while True:
            attempt = sending.tries[-1]
            try:
                return await self._result(attempt, sending.threads[-1], points.choose(sending.tried))
            except ConnectionFault as fault:
                if fault.again and not (call.changing or is_second) and (fault.kept or not points.several):
                    is_second = True
                    self._begin_try(sending, attempt.point)
                    continue
                points.on_fault(attempt.point)
                if not fault.elsewhere or (call.changing and fault.sent) or not points.several:
                    raise fault.error from fault.__cause__
                point, is_second = points.choose(sending.tried), False
                if point is None:
                    labels = dict.fromkeys(each.label for each in sending.tried)
                    raise Unreachable(", ".join(labels)) from None
                self._begin_try(sending, point)
            finally:
                if attempt.answered:
                    points.on_answer(attempt.point)

    async def _result(
        self, attempt: Try, thread: asyncio.Future[Any], other: TrackedEntryPoint | None
    ) -> Any:
        """Return the result of a try. If there is an `other` to go on to, end a try that does not connect in time.

        A thread that was given up ends by itself, and sends nothing.
        """
        while other is not None and not thread.done():
            await asyncio.wait({thread}, timeout=max(attempt.connect_left, 0.01))
            if attempt.connect_left or thread.done():
                continue
            if attempt.give_up():
                thread.add_done_callback(_retrieve)
                raise ConnectionFault(Unreachable(attempt.point.label))
            break
        return await thread

    def _in_thread(
        self, call: Call, deadline: Deadline, attempt: Try, on_settled: Callable[[], None] | None = None
    ) -> asyncio.Future[Any]:
        """Begin a try in a thread. `on_settled`: called on the loop at the end, but not after a ConnectionFault."""
        loop = asyncio.get_running_loop()

        def run() -> Any:
            settled = True
            try:
                return self._blocking(call, deadline, attempt)
            except ConnectionFault:
                settled = False
                raise
            finally:
                if settled and on_settled is not None:
                    with suppress(RuntimeError):  # the loop has ended
                        loop.call_soon_threadsafe(on_settled)

        return loop.run_in_executor(None, run)

    def _blocking(self, call: Call, deadline: Deadline, attempt: Try) -> Any:
        return attempt.run(call, deadline)

    def _check_one(self) -> None:
        """Begin to check one entry point beside the calls, if a check is due."""
        point = self._entry_points.start_check()
        if point is not None:
            task = asyncio.create_task(self._check(point), name="entry point")
            self._checks.add(task)
            task.add_done_callback(self._checks.discard)

    async def _check(self, point: TrackedEntryPoint) -> None:
        """Ask an entry point for its version, on a new connection."""
        call = Call("get", ("version",), CallContext(), {}, QUICK_SECONDS, BODY_MOST, None)
        deadline = Deadline(CONNECT_SECONDS + QUICK_SECONDS)
        timer = asyncio.get_running_loop().call_later(deadline.left, deadline.cut)
        failed: BotError | None = None
        point.connections.drop_idle()
        try:
            await self._in_thread(call, deadline, Try(point, CONNECT_SECONDS, READ_SILENCE))
        except ConnectionFault as fault:
            failed = fault.error
        except (BadAnswer, TimedOut, Unreachable) as error:  # no answer, or only a proxy's
            failed = error
        except BotError:
            pass  # a refusal of Proxmox: it works
        finally:
            timer.cancel()
            self._entry_points.checking = False
        self._entry_points.on_checked(point, failed)
        self._check_one()


def _retrieve(done: asyncio.Future[Any]) -> None:
    """Take the error of a call or thread that perhaps nobody waits for, so that asyncio does not log it."""
    if not done.cancelled():
        done.exception()


def _read_upid(data: object) -> str:
    if not isinstance(data, str) or Upid.parse(data) is None:
        raise UnexpectedData
    return data
