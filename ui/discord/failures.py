"""Handle errors of requests to Discord: decide about retries and waits, and log unexpected errors."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
import discord

from core.clock import Clock

_log = logging.getLogger(__name__)

DISCORD_ERRORS = (
    discord.HTTPException,
    discord.RateLimited,
    aiohttp.ClientError,
    OSError,
    asyncio.TimeoutError,
)
"""Errors that a request to Discord may raise.

discord.py does not retry a 503 or a lost connection. It raises RateLimited, without a request, if an earlier answer
named a limit that is longer than discord.py may wait.
"""


LIMITED = frozenset({20016, 20022, 20028, 20029, 30046, 40062, 40333, 130000})
"""Discord's codes for a limit, an overload or a block by Cloudflare (40333). They may come with any status."""
LIMITED_SECONDS = 60.0
"""Seconds to wait after such a code if Discord names no time and the status is not 429."""


class LongRateLimit(discord.HTTPException):
    """A 429 with a wait that is too long for discord.py (ui/discord/rate_limits.py).

    `retry_after`: seconds named by Discord. `is_global`: the limit applies to the whole bot.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        data: dict[str, object],
        retry_after: float,
        *,
        is_global: bool,
    ) -> None:
        super().__init__(response, data)
        self.retry_after, self.is_global = retry_after, is_global


def log_unexpected(error: BaseException) -> str:
    """Log an unexpected error under a short id, and return the id. People see only the id."""
    error_id = secrets.token_hex(4)
    _log.error("unexpected error %s", error_id, exc_info=error)
    return error_id


def is_worth_a_traceback(record: logging.LogRecord) -> bool:
    """Return False if choices could not be sent to Discord, and log one line instead of discord.py's traceback.

    This is a filter for the logger of the command tree, which logs every error of a completion. While the person
    types, other choices follow.
    """
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, DISCORD_ERRORS):
        return True
    _log.info("choices could not be sent: %r", error)
    return False


def is_transient(error: Exception) -> bool:
    """Return whether a retry is worthwhile: after a server error, a limit or a broken connection, not a refusal."""
    if not isinstance(error, discord.HTTPException):
        return True
    return error.status >= 500 or error.status == 429 or error.code in LIMITED


def retry_after(error: Exception) -> float:
    """Return the seconds to wait according to Discord, 0 if there is nothing to wait for."""
    if isinstance(error, (LongRateLimit, discord.RateLimited)):
        return error.retry_after
    if not isinstance(error, discord.HTTPException) or not (error.status == 429 or error.code in LIMITED):
        return 0.0
    usual = 0.0 if error.status == 429 else LIMITED_SECONDS
    with contextlib.suppress(AttributeError, TypeError, ValueError):
        return max(0.0, float(error.response.headers.get("Retry-After", usual)))
    return usual


async def send_with_retries(
    clock: Clock, send: Callable[[], Awaitable[None]], pauses: Sequence[float], most: float
) -> Exception | None:
    """Send, and retry after each of `pauses` (seconds) if that is worthwhile. Return the last error, None once sent.

    Wait longer if Discord asks for it, but give up if that would be beyond `most` seconds from the first try.
    """
    end = clock.monotonic() + most
    for pause in (*pauses, None):
        try:
            await send()
        except DISCORD_ERRORS as error:
            if pause is None or not is_transient(error):
                return error
            wait = retry_after(error)
            if wait and clock.monotonic() + wait > end:
                return error
            await clock.sleep(max(pause, wait))
        else:
            return None
    raise AssertionError
