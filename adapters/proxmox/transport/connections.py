"""Hold the connections to one entry point: send requests over proxmoxer's sessions, pool these, and cut them in time.

Only this file imports proxmoxer. proxmoxer's own parsing is avoided: it drops the text in the body of a
refusal, and accepts a proxy's page as an answer.
"""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakSet

import requests
from proxmoxer import ProxmoxAPI

from adapters.proxmox.transport.responses import Response
from adapters.proxmox.transport.tls import Sockets, Transport, Trust, body_of
from core.entry_point import EntryPoint


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The API of one cluster: its entry points and the bot's token.

    `verify_ssl`: whether certificates are checked; a path: with the CAs in this file.
    """

    entry_points: tuple[EntryPoint, ...]
    user: str
    token_name: str
    token_value: str = field(repr=False)
    verify_ssl: bool | Path = True


class _ResponseTaken(Exception):
    """Carries an answer past proxmoxer."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class ApiConnection:
    """One session for one request at a time, because requests does not promise a thread-safe Session."""

    def __init__(self, endpoint: Endpoint, entry_point: EntryPoint) -> None:
        self.sockets = Sockets()
        self._most = 0
        verify = _verify(endpoint, entry_point)
        self.trust = Trust.of(verify)
        self._api = ProxmoxAPI(
            f"[{entry_point.host}]" if ":" in entry_point.host else entry_point.host,
            port=entry_point.port,
            user=endpoint.user.encode().decode("latin-1"),  # http.client encodes header text as latin-1
            token_name=endpoint.token_name,
            token_value=endpoint.token_value,
            verify_ssl=verify,
        )
        self._session: requests.Session = self._api._store["session"]  # noqa: SLF001  # proxmoxer shows its session nowhere else
        self._session.trust_env = False
        # nothing to merge into each request: requests takes a tenth of its time for that
        self._session.params = None
        self._session.proxies = None
        self._session.hooks["response"].append(self._take_response)
        self._session.mount("https://", Transport(entry_point.fingerprint, self.trust, self.sockets))

    def send(
        self,
        method: str,
        path: tuple[str, ...],
        parameters: dict[str, object],
        timeout: tuple[float, float],
        most: int,
    ) -> Response:
        """Send a request once.

        `timeout`: seconds to connect, and seconds between two packets. `most`: maximum bytes of a body.
        Raises: TooLarge, and everything that requests raises.
        """
        self.sockets.start_request()
        resource = self._api(list(path))
        self._session.auth.timeout = timeout  # type: ignore[union-attr]  # proxmoxer's own class of auth has it
        self._most = most
        try:
            getattr(resource, method)(**parameters)
        except _ResponseTaken as taken:
            return taken.answer
        finally:
            self.sockets.tidy()
        raise TypeError("a request without an answer")

    def close(self) -> None:
        self._session.close()
        self.sockets.shut()

    def _take_response(self, response: requests.Response, **_: Any) -> None:
        """Take the answer before proxmoxer sees it.

        This also keeps requests from following a redirect: that would send a change twice.
        """
        raise _ResponseTaken(
            Response(
                response.status_code,
                response.reason or "",
                body_of(response, self._most),
                response.headers.get("Server", ""),
                "WWW-Authenticate" in response.headers,
            )
        )


def _verify(endpoint: Endpoint, entry_point: EntryPoint) -> bool | str:
    """Return `verify` for requests. With a pin certifi's CAs are not asked, but a CA file is."""
    if isinstance(endpoint.verify_ssl, Path):
        return str(endpoint.verify_ssl)
    return endpoint.verify_ssl and not entry_point.fingerprint


class ConnectionPool:
    """The sessions (`ApiConnection`) to one entry point. Idle ones are used again, the latest first."""

    def __init__(self, endpoint: Endpoint, entry_point: EntryPoint) -> None:
        self._endpoint, self._entry_point, self._lock = endpoint, entry_point, threading.Lock()
        self._idle: list[ApiConnection] = []
        self._all: WeakSet[ApiConnection] = WeakSet()
        self.closed = False

    def close(self) -> None:
        """Cut all connections and make no more."""
        with self._lock:
            self.closed, connections, idle = True, list(self._all), list(self._idle)
            self._idle.clear()
        for connection in connections:
            connection.sockets.shut()  # a thread may be using it, and closes it then
        for connection in idle:
            connection.close()

    def drop_idle(self) -> None:
        """Close the idle connections, which may be dead."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def acquire(self) -> ApiConnection | None:
        """Return a connection for one request, None after `close`. One with an older CA file is not used again."""
        trust = Trust.of(_verify(self._endpoint, self._entry_point))
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.trust == trust:
                    return connection
                connection.close()
        connection = ApiConnection(self._endpoint, self._entry_point)
        return connection if self._add_if_open(connection) else None

    def _add_if_open(self, connection: ApiConnection) -> bool:
        with self._lock:
            if not self.closed:
                self._all.add(connection)
            return not self.closed

    def release(self, connection: ApiConnection) -> None:
        """Take a connection back after a request. A cut one is closed and not used again."""
        with self._lock:
            if not (self.closed or connection.sockets.is_shut):
                self._idle.append(connection)
                return
        connection.close()


class Deadline:
    """The overall deadline of one call. It has no timer: whoever makes it calls `cut` when the time is over."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._connection: ApiConnection | None = None
        self.passed = False

    @property
    def left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self._ends - time.monotonic())

    def cut(self) -> None:
        """Mark the deadline as passed and cut the connection."""
        with self._lock:
            self.passed = True
            if self._connection is not None:
                self._connection.sockets.shut()

    def attach(self, connection: ApiConnection) -> bool:
        """Set the connection that the call uses. Return False if `cut` came first: then nothing may be sent."""
        with self._lock:
            self._connection = connection
            return not self.passed

    def detach(self, connection: ApiConnection) -> None:
        """Forget a connection that is no longer used, unless the call already uses another."""
        with self._lock:
            if self._connection is connection:
                self._connection = None
