"""Turn long rate limits and requests without an answer into errors, so that discord.py does not wait for them.

discord.py waits for a 429 inside the call. The caller cannot see that wait and must not cancel it: after a cancelled
wait for a global limit, discord.py blocks every later call (HTTPClient._global_over). So a long limit becomes an
error here, before discord.py sees the answer. A time limit applies to each request on the wire, never to the waits
between requests.
"""

import json
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
import discord

from core.clock import Clock
from ui.discord.failures import LongRateLimit

TRY_SECONDS = 60.0
"""Time limit in seconds of one request, from the opening of its connection to the last byte of the answer.

A longer request counts as a lost connection.
"""
_CLOSED = "Session is closed"
"""The text of the RuntimeError that aiohttp raises for a request after its session was closed."""
_KIND = re.compile(r"/(channels|webhooks|interactions)/")
_OTHER = "other"
_MOST: Mapping[str, float] = {"channels": 10.0, "webhooks": 10.0, "interactions": 2.0, _OTHER: 5.0}
"""Longest limit in seconds that discord.py may wait for by itself, by kind of request.

`_OTHER` is mainly the log-in and the registration of commands. The bot gives up the log-in after a while, but must
not do so during a wait. Discord accepts the first answer to an interaction only within three seconds.
"""


class RateLimitWatch:
    """Check every answer of Discord to one client."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0
        """Monotonic time at which the last global limit that was too long for discord.py ends."""
        self._answer: tuple[aiohttp.ClientResponse, dict[str, Any]] | None = None
        """The answer that reported this limit, and its body."""

    def trace(self) -> aiohttp.TraceConfig:
        """Return the trace for `Client(http_trace=...)`."""
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(self._before)
        trace.on_request_end.append(self._after)
        return trace

    async def _before(
        self,
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        params: aiohttp.TraceRequestStartParams,
    ) -> None:
        """Stop requests about channels while the rest of a global limit is too long for discord.py.

        Discord would refuse them, and many refusals lead to a ban.
        Raises: LongRateLimit.
        """
        left = self._until - self._clock.monotonic()
        if self._answer is not None and _kind_of(params.url.path) == "channels" and left > _MOST["channels"]:
            raise LongRateLimit(*self._answer, left, is_global=True)

    async def _after(
        self,
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        params: aiohttp.TraceRequestEndParams,
    ) -> None:
        """Turn a limit that is too long for discord.py into an error.

        Raises: LongRateLimit.
        """
        response, kind = params.response, _kind_of(params.url.path)
        if response.status != 429 or not response.headers.get("Via"):
            return  # without Via it comes from a proxy, and discord.py does not wait for it either
        data = _object_in(await response.text(errors="replace"))
        seconds = _seconds(data.get("retry_after"), response.headers.get("Retry-After"))
        if seconds <= _MOST[kind]:
            return
        # webhooks and interactions have limits of their own
        is_global = kind in ("channels", _OTHER) and bool(data.get("global"))
        if is_global:
            self._until, self._answer = self._clock.monotonic() + seconds, (response, data)
        raise LongRateLimit(response, data, seconds, is_global=is_global)


def limit_request_time(http: discord.http.HTTPClient) -> None:
    """Give each request of the client at most TRY_SECONDS; discord.py alone would wait for five minutes.

    A request after the client was closed raises aiohttp.ClientConnectionError, which every caller expects.
    """
    request = http.request

    async def in_time(route: discord.http.Route, **values: Any) -> Any:
        try:
            return await request(route, **{"timeout": aiohttp.ClientTimeout(total=TRY_SECONDS), **values})
        except RuntimeError as error:
            if str(error) != _CLOSED:
                raise
            raise aiohttp.ClientConnectionError(_CLOSED) from error

    http.request = in_time  # type: ignore[method-assign]  # discord.py has no setting for it


def _kind_of(path: str) -> str:
    found = _KIND.search(path)
    return found[1] if found else _OTHER


def _object_in(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _seconds(*values: Any) -> float:
    """Return the first value that is a number, 0 if there is none."""
    for value in values:
        try:
            return float(value)
        except (TypeError, ValueError):
            continue
    return 0.0
