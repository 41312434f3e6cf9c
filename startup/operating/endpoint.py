"""Serve pages over HTTP to programs such as Prometheus, with hard limits.

A connection serves one short GET and is closed. A slow or hostile client takes one place for some seconds, and loses
the place as soon as another client needs it. aiohttp's web server is not used, so it need not be loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from startup.operating.pages import TEXT, Page

CLIENTS_MOST = 64
"""Maximum connections at once. A further one takes the place of the one that has been slow for the longest.

If none is slow, because all wait for their page, the further one is dropped.
"""
BACKLOG = 16
"""Maximum connections accepted at once: far fewer than `CLIENTS_MOST`, so that each one can send its request."""
SECONDS = 5.0
"""Seconds that a connection may last."""
HEAD_MOST = 8192
"""Maximum bytes of a request."""
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}

_log = logging.getLogger(__name__)


class OperatingEndpoint:
    """Listen at one address. `get`: returns the page of a path."""

    def __init__(self, get: Callable[[str], Awaitable[Page]]) -> None:
        self._get = get
        self._server: asyncio.Server | None = None
        self._clients = set[asyncio.Task[None]]()
        self._slow = dict[asyncio.StreamWriter, asyncio.Task[None]]()  # those that do not wait for a page

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1]) if self._server else 0

    async def open(self, host: str, port: int) -> None:
        """Begin to listen. An address that cannot be used is logged: the bot works without the pages."""
        try:
            self._server = await asyncio.start_server(
                self._accept, host, port, limit=HEAD_MOST, backlog=BACKLOG
            )
        except OSError as error:
            _log.warning("METRICS_LISTEN: nothing is served at %s:%d: %s", host, port, error.strerror)
        else:
            _log.info("/healthz and /metrics are served at %s:%d", host, self.port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CLIENTS_MOST and not self._drop_slowest():
            writer.transport.abort()
            return
        client = asyncio.create_task(self._serve(reader, writer), name="endpoint")
        self._clients.add(client)
        self._slow[writer] = client
        client.add_done_callback(lambda _: self._forget(client, writer))

    def _drop_slowest(self) -> bool:
        """End the connection that has been slow for the longest. Return whether there was a slow one."""
        writer, client = next(iter(self._slow.items()), (None, None))
        if writer is None or client is None:
            return False
        writer.transport.abort()  # a task that has not begun does not do it itself
        client.cancel()
        self._forget(client, writer)
        return True

    def _forget(self, client: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
        self._clients.discard(client)
        self._slow.pop(writer, None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                status, kind, body = await self._answer(reader, writer)
                head = (
                    f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError):
            pass
        except Exception:  # noqa: BLE001 - a bug ends this connection only
            _log.exception("a page could not be made")
        finally:
            with contextlib.suppress(RuntimeError):  # the loop may be closed
                writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Page:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return 400, TEXT, b""
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        if method != "GET":
            return 405, TEXT, b""
        client = self._slow.pop(writer)
        try:
            return await self._get(rest.split(" ", 1)[0].split("?", 1)[0])
        finally:
            self._slow[writer] = client
