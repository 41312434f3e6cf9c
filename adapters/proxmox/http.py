"""Send every call to Proxmox: in a thread, in its lane, with one deadline, and check the shape of the answer.

Each lane has slots of its own. Every exception of a library is translated in one place, `_translate`.
"""

import asyncio
import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import requests

from adapters.proxmox.connections import ApiConnection, ConnectionPool, Deadline, Endpoint
from adapters.proxmox.errors import CallContext, make_error
from adapters.proxmox.responses import parse_response
from adapters.proxmox.tls import TooLarge, connection_lost, is_distrusted, presented_fingerprint
from core.errors import BotError
from core.guest import Guest
from core.proxmox import Lane
from core.proxmox_errors import AnswerTooLarge, BadAnswer, CertificateNotTrusted, TimedOut, Unreachable
from core.validation import Upid

SLOTS = {Lane.READS: 4, Lane.CHANGES: 2, Lane.WATCH: 3}
"""Requests that run at once, by lane.

Only the slots of READS are lent to other lanes. More requests would wait in pveproxy: it has three workers.
"""
QUICK_SLOTS = 2
"""Maximum `quick` requests at once. They may hang, and must leave slots for other reads."""
THREADS = sum(SLOTS.values()) + 7
"""Threads of the process: seven stay free for Discord's DNS look-ups while every slot is taken."""


class RequestSlots:
    """Hand out slots, first come, first served in each lane."""

    def __init__(self) -> None:
        self._slots = {lane: asyncio.Semaphore(slots) for lane, slots in SLOTS.items()}
        self._quick = asyncio.Semaphore(QUICK_SLOTS)

    async def acquire(self, lane: Lane, *, quick: bool) -> Callable[[], None]:
        """Wait for a slot and return the function that gives it back.

        `quick` requests use the slots of READS, unless the watch sends them.
        """
        reads, apart = self._slots[Lane.READS], quick and lane is not Lane.WATCH
        own = reads if apart else self._slots[lane]
        slot = reads if own.locked() and not reads.locked() else own
        gates = (self._quick, slot) if apart else (slot,)
        async with contextlib.AsyncExitStack() as held:
            for gate in gates:
                await held.enter_async_context(gate)
            held.pop_all()

        def give_back() -> None:
            for gate in gates:
                gate.release()

        return give_back


CONNECT_SECONDS = 3.0
READ_SECONDS = 15.0
CHANGE_SECONDS = 35.0
"""Seconds to read the answer to a change: pveproxy itself gives up on another node after 30 s."""
QUICK_SECONDS = 4.0
"""Seconds to read the answer to a `quick` request: the storage or node it is about may hang."""
QUEUE_SECONDS = 30.0
"""Maximum seconds that a call waits for its slot."""
CUT_SECONDS = 1.0
"""Seconds after the deadline until a call is abandoned while its thread still runs, as in a DNS look-up."""
BODY_MOST = 4 * 2**20
"""Maximum bytes of an unpacked answer. A guest's own agent supplies some answers."""
LIST_MOST = 16 * 2**20
"""Maximum bytes of the cluster's list. It has some 400 bytes per guest."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One request. `read` converts the `data` of the answer, and runs in the thread."""

    method: str
    path: tuple[str, ...]
    context: CallContext
    parameters: dict[str, object]
    seconds: float
    most: int
    read: Callable[[Any], Any] | None

    @property
    def changing(self) -> bool:
        return self.method != "get"


class Calls:
    """The calls of one lane. All lanes share the connections.

    A call of any lane takes a free slot of READS if its own lane is full when it starts.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._lane = endpoint, Lane.READS
        self._connections, self._slots = ConnectionPool(endpoint), RequestSlots()

    def in_lane(self, lane: Lane) -> Self:
        """Return a copy for another lane that shares connections and slots."""
        other = copy.copy(self)
        other._lane = lane  # noqa: SLF001  # a copy of its own class
        return other

    def close(self) -> None:
        """End the running calls as failed, and send no more."""
        self._connections.close()

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
        **parameters: object,
    ) -> Any:
        """Send a GET and return its `data`, converted by `read`.

        `shape`: the expected type of `data`.
        `read`: runs in the thread, because an answer may be long.
        `quick`: the storage or node that the call is about may hang. It must not block other calls.
        """

        def check_and_read(data: Any) -> Any:
            if not isinstance(data, shape):
                raise BadAnswer(self._endpoint.host)
            return read(data) if read else data

        seconds = QUICK_SECONDS if quick else READ_SECONDS
        call = _Call("get", path, context or CallContext(guest), parameters, seconds, most, check_and_read)
        return await self._run(call, quick=quick)

    async def start_task(self, method: str, path: tuple[str, ...], guest: Guest, **parameters: object) -> str:
        """Send a change and return the UPID of its task.

        Raises: BadAnswer if the answer is no UPID: the result is then unknown.
        """
        answer = await self.change(method, path, guest, **parameters)
        if not isinstance(answer, str) or Upid.parse(answer) is None:
            raise BadAnswer(self._endpoint.host, changing=True)
        return answer

    async def change(self, method: str, path: tuple[str, ...], guest: Guest, **parameters: object) -> object:
        """Send a change once and return the `data` of the answer."""
        return await self._run(
            _Call(method, path, CallContext(guest), parameters, CHANGE_SECONDS, BODY_MOST, None)
        )

    async def _run(self, call: _Call, *, quick: bool = False) -> Any:
        """Run a call in one thread, with one slot and one deadline.

        If the caller gives up while waiting, nothing is sent. If it gives up later, the thread continues and
        keeps its slot until it ends, because Proxmox is still working too.
        """
        host, loop = self._endpoint.host, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                give_back = await self._slots.acquire(self._lane, quick=quick)
        except TimeoutError:
            raise TimedOut(host, changing=False) from None  # it was never sent
        deadline = Deadline(CONNECT_SECONDS + call.seconds)
        work = asyncio.create_task(asyncio.to_thread(self._blocking, call, deadline))
        timer = loop.call_later(deadline.left, deadline.cut)

        def on_done(done: asyncio.Task[object]) -> None:
            timer.cancel()
            give_back()
            if not done.cancelled():
                done.exception()  # retrieved here, because the caller may be gone

        work.add_done_callback(on_done)
        done, _ = await asyncio.wait({work}, timeout=deadline.left + CUT_SECONDS)
        if not done:
            raise TimedOut(host, call.changing)
        return work.result()

    def _blocking(self, call: _Call, deadline: Deadline) -> Any:
        data = self._send(call, deadline)
        return call.read(data) if call.read else data

    def _send(self, call: _Call, deadline: Deadline) -> object:
        """Send the call in this thread and return its `data`.

        A GET is tried twice, because it may meet a connection that is just being closed: pveproxy closes idle
        ones after 5 s.
        """
        for last in (False, True) if not call.changing else (True,):
            connection = self._connections.acquire()
            if connection is None:
                break
            try:
                if deadline.attach(connection):
                    return self._send_once(call, deadline, connection)
                raise TimedOut(self._endpoint.host, changing=False)  # nothing was sent
            except BotError:
                raise
            except requests.exceptions.ConnectionError as error:
                again = not isinstance(error, requests.ConnectTimeout) and not is_distrusted(error)
                if last or not again or deadline.passed or self._connections.closed:
                    raise self._translate(error, call, deadline, connection) from error
            except Exception as error:
                raise self._translate(error, call, deadline, connection) from error
            finally:
                deadline.attach(None)
                self._connections.release(connection)
        raise Unreachable(self._endpoint.host)

    def _send_once(self, call: _Call, deadline: Deadline, connection: ApiConnection) -> object:
        host = self._endpoint.host
        given = {key: value for key, value in call.parameters.items() if value is not None}
        connect, packet = min(CONNECT_SECONDS, deadline.left), min(call.seconds, deadline.left)
        answer = connection.send(
            call.method, call.path, given, (max(connect, 0.01), max(packet, 0.01)), call.most
        )
        if deadline.passed:  # a cut answer may look like one without a body
            raise TimedOut(host, call.changing)
        own = parse_response(answer)
        if own is None:
            if answer.status in (502, 504):  # a proxy in between waited for Proxmox in vain
                raise TimedOut(host, call.changing)
            raise BadAnswer(host, call.changing, answer.status)
        if own.refused:
            raise make_error(own.status, own.message, own.fields, call.context, host, call.changing)
        return own.data

    def _translate(
        self, error: Exception, call: _Call, deadline: Deadline, connection: ApiConnection
    ) -> Exception:
        end, changing = self._endpoint, call.changing
        if deadline.passed:
            return TimedOut(end.host, changing and connection.sockets.established)
        if self._connections.closed and not connection.sockets.established:
            return Unreachable(end.host)
        if is_distrusted(error):
            seconds = min(CONNECT_SECONDS, deadline.left)
            return CertificateNotTrusted(
                end.host, presented_fingerprint(end.host, end.port, seconds, connection.sockets)
            )
        if isinstance(error, TooLarge):
            return AnswerTooLarge(end.host, changing)
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return Unreachable(end.host)
        if isinstance(error, requests.exceptions.Timeout):
            return TimedOut(end.host, changing and connection.sockets.established)
        if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            return connection_lost(error, end.host, changing)
        return BadAnswer(end.host, changing)  # packed wrongly, for example: not an answer of Proxmox
