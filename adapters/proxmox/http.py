"""The one way to Proxmox: a call in a thread of its own, in its lane, with one deadline in all, held to the shape its
answer must have. Every foreign exception is translated in one place, `_translated`.
"""

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import requests

from adapters.proxmox.connections import Deadline, Endpoint, Line, Lines
from adapters.proxmox.errors import Refusal, said_no
from adapters.proxmox.lanes import Lanes
from adapters.proxmox.responses import said
from adapters.proxmox.tls import TooLarge, distrusted, lost, shown_fingerprint
from core.errors import BotError
from core.guest import Guest
from core.lanes import Lane
from core.names import Upid
from core.proxmox_errors import AnswerTooLarge, BadAnswer, CertificateNotTrusted, TimedOut, Unreachable

CONNECT_SECONDS = 3.0
READ_SECONDS = 15.0
CHANGE_SECONDS = 35.0
"""Reading a change's answer: pveproxy itself gives up on another node after 30 s."""
QUICK_SECONDS = 4.0
"""The same of a storage, which may hang."""
QUEUE_SECONDS = 30.0
"""How long a call waits for its place, at most."""
CUT_SECONDS = 1.0
"""How long after its deadline a call is given up whose thread has not ended, as one that looks up a name."""
BODY_MOST = 4 * 2**20
"""Bytes of an answer, unpacked. A guest's own agent gives some of them."""
LIST_MOST = 16 * 2**20
"""The same of the cluster's list, which has some 400 bytes for each guest."""


@dataclass(frozen=True, slots=True)
class _Call:
    """What is sent. `read` makes of the answer's `data` what the caller wants, in the thread."""

    method: str
    path: tuple[str, ...]
    refusal: Refusal
    parameters: dict[str, object]
    seconds: float
    most: int
    read: Callable[[Any], Any] | None

    @property
    def changing(self) -> bool:
        return self.method != "get"


class Calls:
    """The calls of one lane. Those of the other lanes share its lines, and places that are free."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._lane = endpoint, Lane.READS
        self._lines, self._lanes = Lines(endpoint), Lanes()

    def on(self, lane: Lane) -> Self:
        """The same way to Proxmox, in another lane."""
        other = copy.copy(self)
        other._lane = lane
        return other

    def close(self) -> None:
        """End the calls that are under way, as failed; further ones are not sent."""
        self._lines.close()

    async def get(
        self,
        path: tuple[str, ...],
        shape: type | tuple[type, ...],
        guest: Guest | None = None,
        *,
        read: Callable[[Any], Any] | None = None,
        refusal: Refusal | None = None,
        quick: bool = False,
        most: int = BODY_MOST,
        **parameters: object,
    ) -> Any:
        """`read` is given what came, and runs in the thread: an answer may be long. `quick`: it may be a storage
        that hangs, which must not hold the other calls.
        """

        def understood(data: Any) -> Any:
            if not isinstance(data, shape):
                raise BadAnswer(self._endpoint.host)
            return read(data) if read else data

        seconds = QUICK_SECONDS if quick else READ_SECONDS
        call = _Call("get", path, refusal or Refusal(guest), parameters, seconds, most, understood)
        return await self._made(call, quick=quick)

    async def task_of(self, method: str, path: tuple[str, ...], guest: Guest, **parameters: object) -> str:
        """Send a change; its UPID. An answer that is none leaves open what happened."""
        answer = await self.change(method, path, guest, **parameters)
        if not isinstance(answer, str) or Upid.parse(answer) is None:
            raise BadAnswer(self._endpoint.host, changing=True)
        return answer

    async def change(self, method: str, path: tuple[str, ...], guest: Guest, **parameters: object) -> object:
        """Send a change, once; what came."""
        return await self._made(
            _Call(method, path, Refusal(guest), parameters, CHANGE_SECONDS, BODY_MOST, None)
        )

    async def _made(self, call: _Call, *, quick: bool = False) -> Any:
        """The choke point: one thread, one place in a lane, one deadline.

        A caller that gives up while it waits is never sent. One that gives up later leaves its thread at work, which
        keeps its place until it ends: Proxmox is at work on it, too.
        """
        host, loop = self._endpoint.host, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                give_back = await self._lanes.take(self._lane, quick=quick)
        except TimeoutError:
            raise TimedOut(host, changing=False) from None  # it was never sent
        deadline = Deadline(CONNECT_SECONDS + call.seconds)
        work = asyncio.create_task(asyncio.to_thread(self._blocking, call, deadline))
        alarm = loop.call_later(deadline.left, deadline.cut)

        def over(done: asyncio.Task[object]) -> None:
            alarm.cancel()
            give_back()
            if not done.cancelled():
                done.exception()  # whoever asked may have gone

        work.add_done_callback(over)
        done, _ = await asyncio.wait({work}, timeout=deadline.left + CUT_SECONDS)
        if not done:
            raise TimedOut(host, call.changing)
        return work.result()

    def _blocking(self, call: _Call, deadline: Deadline) -> Any:
        data = self._data_of(call, deadline)
        return call.read(data) if call.read else data

    def _data_of(self, call: _Call, deadline: Deadline) -> object:
        """What Proxmox said, in a thread. A GET may meet a connection that is just being closed, and is tried twice:
        pveproxy closes idle ones after 5 s."""
        for last in (False, True) if not call.changing else (True,):
            line = self._lines.take()
            if line is None:
                break
            try:
                if deadline.holds(line):
                    return self._answered(call, deadline, line)
                raise TimedOut(self._endpoint.host, changing=False)  # nothing was sent
            except BotError:
                raise
            except requests.exceptions.ConnectionError as error:
                again = not isinstance(error, requests.ConnectTimeout) and not distrusted(error)
                if last or not again or deadline.passed or self._lines.closed:
                    raise self._translated(error, call, deadline, line) from error
            except Exception as error:
                raise self._translated(error, call, deadline, line) from error
            finally:
                deadline.holds(None)
                self._lines.give_back(line)
        raise Unreachable(self._endpoint.host)

    def _answered(self, call: _Call, deadline: Deadline, line: Line) -> object:
        host = self._endpoint.host
        given = {key: value for key, value in call.parameters.items() if value is not None}
        connect, packet = min(CONNECT_SECONDS, deadline.left), min(call.seconds, deadline.left)
        answer = line.send(call.method, call.path, given, (max(connect, 0.01), max(packet, 0.01)), call.most)
        if deadline.passed:  # what was cut may look like an answer without a body
            raise TimedOut(host, call.changing)
        own = said(answer)
        if own is None:
            if answer.status in (502, 504):  # a proxy in between waited for Proxmox in vain
                raise TimedOut(host, call.changing)
            raise BadAnswer(host, call.changing, answer.status)
        if own.refused:
            raise said_no(own.status, own.message, own.fields, call.refusal, host, call.changing)
        return own.data

    def _translated(self, error: Exception, call: _Call, deadline: Deadline, line: Line) -> Exception:
        end, changing = self._endpoint, call.changing
        if deadline.passed:
            return TimedOut(end.host, changing and line.sockets.stood)
        if self._lines.closed and not line.sockets.stood:
            return Unreachable(end.host)
        if distrusted(error):
            seconds = min(CONNECT_SECONDS, deadline.left)
            return CertificateNotTrusted(
                end.host, shown_fingerprint(end.host, end.port, seconds, line.sockets)
            )
        if isinstance(error, TooLarge):
            return AnswerTooLarge(end.host, changing)
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return Unreachable(end.host)
        if isinstance(error, requests.exceptions.Timeout):
            return TimedOut(end.host, changing and line.sockets.stood)
        if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            return lost(error, end.host, changing)
        return BadAnswer(end.host, changing)  # packed wrongly, say: something else than Proxmox answered
