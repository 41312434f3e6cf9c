"""Keep every answer that the bot's own client gets from Proxmox, or replay the kept ones.

A `Wire` takes the place of a connection. The bot's code above it always runs: paths, parsing, errors. Its code below,
with proxmoxer and HTTPS, does not run in a replay.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from adapters.proxmox.health_reads import HealthReads
from adapters.proxmox.transport.connections import ApiConnection, Deadline, Endpoint
from adapters.proxmox.transport.errors import CallContext
from adapters.proxmox.transport.exchange import Call, Try
from adapters.proxmox.transport.http import BODY_MOST, Calls
from adapters.proxmox.transport.responses import ApiResult, Response, parse_response
from core.clock import Clock
from proxmox_client import ProxmoxClient

SECONDS = 60.0
"""Seconds that an answer may take."""


@dataclass(frozen=True)
class Exchange:
    """A request and its answer. `when`: Unix time of the answer."""

    method: str
    path: str
    parameters: dict[str, object]
    response: Response
    when: float


class OtherRequest(BaseException):
    """A request in a replay whose method or path differs from the kept one, or after the last kept one.

    It is no Exception, so that nobody takes it for a lost connection.
    """


@dataclass
class Wire:
    """Stand in for a connection, and for the pool that hands it out.

    `connection`: the real one, None to replay the `kept` answers in their order.
    `check`: called with each exchange. `done`: all exchanges so far.
    """

    connection: ApiConnection | None
    kept: Sequence[Exchange] = ()
    check: Callable[[Exchange], None] = lambda _: None
    done: list[Exchange] = field(default_factory=list)
    sockets: Any = field(
        default_factory=lambda: SimpleNamespace(established=True, is_kept=False, silence=None)
    )
    closed: bool = False

    def acquire(self) -> "Wire":
        return self

    def release(self, _connection: object) -> None:
        """Keep the connection for the next request."""

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()

    def send(
        self,
        method: str,
        path: tuple[str, ...],
        parameters: dict[str, object],
        timeout: tuple[float, float],
        most: int,
    ) -> Response:
        """Send a request, or replay the next kept answer. Raises: OtherRequest."""
        name, place = method.upper(), "/" + "/".join(path)
        if self.connection is not None:
            response = self.connection.send(method, path, parameters, timeout, most)
            exchange = Exchange(name, place, dict(parameters), response, time.time())
        else:
            if len(self.done) == len(self.kept):
                raise OtherRequest(f"one more request: {name} {place}")
            exchange = self.kept[len(self.done)]
            if (name, place) != (exchange.method, exchange.path):
                raise OtherRequest(f"{name} {place} instead of {exchange.method} {exchange.path}")
        self.done.append(exchange)
        self.check(exchange)
        return exchange.response

    def try_call(self, call: Call) -> Any:
        """Make a call in this thread, as one of the client's threads would."""
        point: Any = SimpleNamespace(label="contract", address=None, connections=self)
        return Try(point, SECONDS).run(call, Deadline(SECONDS))

    def ask(self, method: str, path: str, **parameters: object) -> ApiResult:
        """Send any request with the bot's token, and return the answer before the client interprets it.

        Raises: AssertionError, if it is not an answer of Proxmox.
        """
        parts = tuple(part for part in path.split("/") if part)
        found = parse_response(self.send(method.lower(), parts, parameters, (SECONDS, SECONDS), BODY_MOST))
        assert found is not None, f"{method} {path}: no answer of Proxmox"
        return found


class WiredCalls(Calls):
    """Calls over the wire, one after the other. Slots, threads and deadlines have tests of their own."""

    def __init__(self, endpoint: Endpoint, wire: Wire) -> None:
        super().__init__(endpoint)
        self._wire = wire

    async def _send(self, call: Call, *, quick: bool = False) -> Any:
        del quick
        return self._wire.try_call(call)


def client_over(endpoint: Endpoint, wire: Wire) -> ProxmoxClient:
    """Return the bot's client with all calls over the wire."""
    client = ProxmoxClient(endpoint, Clock())
    client._calls = WiredCalls(endpoint, wire)
    return client


def reads_over(endpoint: Endpoint, wire: Wire) -> HealthReads:
    """Return the health check's reads with all calls over the wire."""
    reads = HealthReads(endpoint)
    reads._calls = WiredCalls(endpoint, wire)
    return reads


def get(path: tuple[str, ...]) -> Call:
    """Return a plain read of a path."""
    return Call("get", path, CallContext(), {}, SECONDS, BODY_MOST, None)
