"""Serve one cluster at several addresses, like the nodes of a real one, each with a certificate of its own.

A listener can die (connections are reset and refused), fall silent (packets vanish, as after a power cut), hang
(requests are accepted and never answered) and be slow.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from playground.pve.network.certificates import Certificates

SO_ATTACH_FILTER = 26
FOREVER = 3600.0  # seconds


_contexts: dict[str, ssl.SSLContext] = {}
"""TLS contexts by the fingerprint of their certificate, because reading a certificate takes longer than a request.

The first addresses of several clusters may have the same certificate (`shared_certificates`).
"""


def _context(certificates: Certificates) -> ssl.SSLContext:
    if certificates.fingerprint not in _contexts:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates.cert_file, certificates.key_file)
        _contexts[certificates.fingerprint] = context
    return _contexts[certificates.fingerprint]


class Listener:
    """One address of a cluster.

    `slow`: real seconds before each request is carried out, and again before its answer. `hung`: never answer.
    """

    def __init__(self, server: web.Server, certificates: Certificates, host: str, port: int) -> None:
        self._server, self._certificates = server, certificates
        self.host, self.port = host, port
        self.fingerprint = certificates.fingerprint
        self.slow = 0.0
        self.hung = False
        self.requests: list[tuple[str, str]] = []
        """Method and path of each request that came in here."""
        self._listening: asyncio.Server | None = None
        self._sockets: list[socket.socket] = []
        """Duplicates of the silenced sockets, open until close()."""

    @property
    def is_open(self) -> bool:
        """Whether connections are accepted."""
        return self._listening is not None

    async def open(self) -> None:
        """Listen, at the same port as before if there was one."""
        self._listening = await asyncio.get_running_loop().create_server(
            self._server, self.host, self.port, ssl=_context(self._certificates), ssl_shutdown_timeout=0.2
        )
        self.port = int(self._listening.sockets[0].getsockname()[1])

    async def renew(self, certificates: Certificates) -> None:
        """Reset all connections, and show another certificate to the next ones."""
        await self.kill()
        self._certificates, self.fingerprint = certificates, certificates.fingerprint
        await self.open()

    async def kill(self) -> None:
        """Reset all connections and refuse new ones. Received requests are still carried out."""
        if self._listening is not None:
            for sock in self._listening.sockets:
                asyncio.get_running_loop().remove_reader(sock.fileno())
            # a connection accepted just now gets its transport in the next turn, from an open server only
            await asyncio.sleep(0)
            self._listening.close()
            self._listening = None
        for transport in self._transports():
            transport.abort()

    async def silence(self) -> None:
        """Drop all packets to this address from now on. Works only on Linux."""
        assert self._listening is not None  # noqa: S101 - it was opened
        for sock in (*self._listening.sockets, *(t.get_extra_info("socket") for t in self._transports())):
            own = socket.socket(fileno=socket.dup(sock.fileno()))
            self._sockets.append(own)
            drop = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # BPF: return 0 bytes
            own.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(drop)))

    async def close(self) -> None:
        await self.kill()
        for each in self._sockets:
            each.close()

    async def serve(
        self,
        request: web.Request,
        handle: Callable[[], Awaitable[web.StreamResponse]],
        wait: Callable[[float], Awaitable[None]],
    ) -> web.StreamResponse:
        """Handle a request that came in here."""
        self.requests.append((request.method, request.path))
        await wait(FOREVER if self.hung else self.slow)
        response = await handle()
        await wait(self.slow)
        return response

    def _transports(self) -> list[Any]:
        open_ones = [handler.transport for handler in self._server.connections]
        return [each for each in open_ones if each is not None and port_of(each) == self.port]


def port_of(transport: asyncio.BaseTransport | None) -> int | None:
    """Return the local port of a connection, None if it is gone."""
    name = transport.get_extra_info("sockname") if transport is not None else None
    return int(name[1]) if name else None
