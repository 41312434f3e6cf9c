"""Define a call, and make one try of it at one entry point, in the thread that calls `Try.run`.

Every exception of a library is translated in one place, `_translate`.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from adapters.proxmox.transport.connections import ApiConnection, Deadline
from adapters.proxmox.transport.entry_points import TrackedEntryPoint
from adapters.proxmox.transport.errors import CallContext, make_error
from adapters.proxmox.transport.responses import Decode, TooLarge, parse_response
from adapters.proxmox.transport.tls import (
    connection_lost,
    is_distrusted,
    is_keepalive_timeout,
    presented_fingerprint,
)
from core.errors import BotError
from core.proxmox_errors import AnswerTooLarge, BadAnswer, CertificateNotTrusted, TimedOut, Unreachable

_BREAKS = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


class UnexpectedData(Exception):
    """`Call.read` does not accept the data: it is not an answer of Proxmox to this call."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `read` converts the `data` of the answer, and runs in the thread.

    `seconds`: to read the answer. `most`: maximum bytes of its body. `decode`: see `parse_response`.
    """

    method: str
    path: tuple[str, ...]
    context: CallContext
    parameters: dict[str, object]
    seconds: float
    most: int
    read: Callable[[Any], Any] | None
    decode: Decode | None = None

    @property
    def changing(self) -> bool:
        return self.method != "get"


class ConnectionFault(Exception):
    """The connection failed, no whole answer came in time, or the answer was too large.

    `error`: the error for the caller if nothing else is tried.
    `sent`: the request may have been sent.
    `elsewhere`: another entry point may be tried.
    `again`: the connection broke, and not by silence, so a read may be sent once more here.
    `kept`: the connection is that of an earlier request. The server may just have closed it.
    """

    def __init__(
        self,
        error: BotError,
        *,
        sent: bool = False,
        elsewhere: bool = True,
        again: bool = False,
        kept: bool = False,
    ) -> None:
        super().__init__()
        self.error, self.sent, self.elsewhere = error, sent, elsewhere
        self.again, self.kept = again, kept


class Try:
    """One try of a call at one entry point, as its thread and the event loop see it.

    `connect_seconds`: to connect. `silence`: see `Sockets`. `answered`: whether a whole answer came, even a
    proxy's.
    """

    def __init__(
        self, point: TrackedEntryPoint, connect_seconds: float, silence: float | None = None
    ) -> None:
        self.point, self.connect_seconds, self.silence = point, connect_seconds, silence
        self.answered = False
        self._lock = threading.Lock()
        self._connection: ApiConnection | None = None
        self._began, self._ends = 0.0, 0.0
        self._distrusts = False
        """Whether the certificate is not trusted."""

    @property
    def connect_left(self) -> float:
        """Seconds left to connect. All of them while the thread has not begun, or has come to its end."""
        if self._connection is None:
            return self.connect_seconds
        return max(0.0, self._ends - time.monotonic())

    def give_up(self) -> bool:
        """End the try if it is not connected yet, and return whether it was ended. Then nothing was sent.

        A try whose certificate is not trusted is not ended, because its error names the fingerprint.
        """
        with self._lock:  # otherwise `run` could release the connection meanwhile, and another call use it
            if self._connection is None or self._distrusts:
                return False
            return self._connection.sockets.give_up()

    def run(self, call: Call, deadline: Deadline) -> Any:
        """Send the call and return its converted `data`.

        Raises: ConnectionFault, BotError.
        """
        host = self.point.label
        connection = self.point.connections.acquire()
        if connection is None:
            raise Unreachable(host)
        connection.sockets.silence = self.silence
        self._began = time.monotonic()
        self._ends, self._connection = self._began + self.connect_seconds, connection
        try:
            if not deadline.attach(connection):
                raise TimedOut(host, changing=False)  # nothing was sent
            data = self._send(call, deadline, connection)
        except BotError:
            raise
        except Exception as error:
            raise self._fault(error, call, deadline, connection) from error
        finally:
            deadline.detach(connection)
            with self._lock:
                self._connection = None
            self.point.connections.release(connection)
        try:
            return call.read(data) if call.read else data
        except UnexpectedData:
            raise BadAnswer(host, call.changing) from None

    def _send(self, call: Call, deadline: Deadline, connection: ApiConnection) -> object:
        host = self.point.label
        given = {key: value for key, value in call.parameters.items() if value is not None}
        connect, packet = min(self.connect_seconds, deadline.left), min(call.seconds, deadline.left)
        answer = connection.send(
            call.method, call.path, given, (max(connect, 0.01), max(packet, 0.01)), call.most
        )
        if deadline.passed:  # a cut answer may look like one without a body
            raise TimeoutError
        own = parse_response(answer, call.decode)
        self.answered = True
        if own is None:
            if answer.status in (502, 504):  # a proxy in between waited for Proxmox in vain
                raise TimedOut(host, call.changing)
            raise BadAnswer(host, call.changing, answer.status)
        if own.refused:
            raise make_error(own.status, own.message, own.fields, call.context, host, call.changing)
        return own.data

    def _fault(
        self, error: Exception, call: Call, deadline: Deadline, connection: ApiConnection
    ) -> ConnectionFault | BotError:
        """Return the exception to raise for an error of a library: a ConnectionFault, or BadAnswer."""
        self._distrusts = is_distrusted(error)
        broken = isinstance(error, requests.ConnectionError) and not isinstance(
            error, requests.ConnectTimeout
        )
        ended = deadline.passed or self._distrusts or self.point.connections.closed
        sent = connection.sockets.established
        lost = not sent or isinstance(error, _BREAKS) or is_keepalive_timeout(error)
        told = self._translate(error, call, deadline, connection)
        if isinstance(told, BadAnswer):
            return told
        return ConnectionFault(
            told,
            sent=sent,
            elsewhere=lost and not ended,
            again=broken and not ended and not is_keepalive_timeout(error) and not self._was_silent(),
            kept=connection.sockets.is_kept,
        )

    def _was_silent(self) -> bool:
        """Return whether the system may have ended the connection because of `silence`.

        The error does not show it: OpenSSL reports this end like that of a connection which the server closed. But a
        request on a connection that the server closed fails before `silence` seconds are over.
        """
        return self.silence is not None and time.monotonic() - self._began >= self.silence

    def _translate(
        self, error: Exception, call: Call, deadline: Deadline, connection: ApiConnection
    ) -> BotError:
        host, changing = self.point.label, call.changing
        if deadline.passed:
            return TimedOut(host, changing and connection.sockets.established)
        if self.point.connections.closed and not connection.sockets.established:
            return Unreachable(host)
        if is_distrusted(error):
            entry_point, seconds = self.point.entry_point, min(self.connect_seconds, deadline.left)
            return CertificateNotTrusted(
                host, presented_fingerprint(entry_point.host, entry_point.port, seconds, connection.sockets)
            )
        if isinstance(error, TooLarge):
            return AnswerTooLarge(host, changing)
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return Unreachable(host)
        if is_keepalive_timeout(error) and not changing:
            return Unreachable(host)
        if isinstance(error, requests.exceptions.Timeout):
            return TimedOut(host, changing and connection.sockets.established)
        if isinstance(error, _BREAKS):
            return connection_lost(error, host, changing)
        return BadAnswer(host, changing)  # packed wrongly, for example: not an answer of Proxmox


@dataclass(eq=False, slots=True)
class Sending:
    """A call that has its slot, with an item in each list for every try so far.

    Only the event loop uses it. `give_back`: gives the slot back.
    """

    call: Call
    give_back: Callable[[], None]
    deadline: Deadline
    tried: list[TrackedEntryPoint] = field(default_factory=list)
    tries: list[Try] = field(default_factory=list)
    threads: list[asyncio.Future[Any]] = field(default_factory=list)
