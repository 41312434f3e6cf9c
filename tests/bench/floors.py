"""Measure the floors: times of the same machine in the same minute, without the bot."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import ssl
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from tests.bench.processes import Proxmox

WORKERS = 4
"""Number of requests that `rate` sends at once, as many as the bot sends for what people look at."""


class RawProxmox:
    """Ask Proxmox with http.client over connections that stay open. The answers are not parsed."""

    def __init__(self, proxmox: Proxmox) -> None:
        self._proxmox = proxmox
        self._context = ssl.create_default_context(cafile=proxmox.ca_file)
        self._threads = ThreadPoolExecutor(WORKERS)
        self._free: list[http.client.HTTPSConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for connection in self._free:
            connection.close()

    async def body(self, path: str) -> bytes:
        """Return the body of a GET. `path`: below /api2/json."""
        return (await self._timed(path))[0]

    async def seconds(self, path: str, times: int) -> float:
        """Return the median time of a round trip, over one connection."""
        await self._timed(path)  # opens the connection
        return statistics.median([(await self._timed(path))[1] for _ in range(times)])

    async def rate(self, paths: Sequence[str]) -> float:
        """Return how many of these are answered in a second, four at once."""
        for connection in await asyncio.gather(*(self._timed("/version") for _ in range(WORKERS))):
            assert connection
        began = time.monotonic()
        await asyncio.gather(*(self._timed(path) for path in paths))
        return len(paths) / (time.monotonic() - began)

    async def _timed(self, path: str) -> tuple[bytes, float]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, path)

    def _ask(self, path: str) -> tuple[bytes, float]:
        with contextlib.suppress(IndexError, ConnectionError, http.client.HTTPException):
            return self._over(self._free.pop(), path)
        host, port = self._proxmox.host, self._proxmox.port
        connection = http.client.HTTPSConnection(host, port, timeout=30, context=self._context)
        return self._over(connection, path)

    def _over(self, connection: http.client.HTTPSConnection, path: str) -> tuple[bytes, float]:
        token = f"PVEAPIToken=discordbot@pve!bot={self._proxmox.token}"
        began = time.monotonic()
        connection.request("GET", f"/api2/json{path}", headers={"Authorization": token})
        answer = connection.getresponse()
        body = answer.read()
        took = time.monotonic() - began
        assert answer.status == 200, (path, answer.status, answer.reason)
        self._free.append(connection)
        return body, took


def json_cpu_seconds(body: bytes, times: int = 5) -> float:
    """Return the median CPU time of json.loads on these bytes."""
    took = []
    for _ in range(times):
        began = time.thread_time()
        json.loads(body)
        took.append(time.thread_time() - began)
    return statistics.median(took)
