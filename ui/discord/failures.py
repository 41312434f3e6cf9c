"""What may go wrong on the way to Discord, how long it is worth waiting, and what is logged of surprises."""

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
"""What sending to Discord may raise. discord.py does not retry a 503 or a lost connection. It raises RateLimited,
before it asks anything, where an earlier answer has named a limit that lasts too long for it."""


LIMITED = frozenset({20016, 20022, 20028, 20029, 30046, 40062, 40333, 130000})
"""Discord's codes for a limit or an overload, of whatever status: of a channel, a server, edits of old messages."""
LIMITED_SECONDS = 60.0
"""How long one of them lasts where Discord does not say."""


class LongRateLimit(discord.HTTPException):
    """A 429 that is too long to be waited for inside discord.py (ui/discord/rate_limits.py).

    `retry_after`: seconds that Discord has named; `everywhere`: it holds for the whole bot.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        data: dict[str, object],
        retry_after: float,
        *,
        everywhere: bool,
    ) -> None:
        super().__init__(response, data)
        self.retry_after, self.everywhere = retry_after, everywhere


def log_unexpected(error: BaseException) -> str:
    """Log an error nobody expected under a short id, which is all a person sees of it."""
    error_id = secrets.token_hex(4)
    _log.error("incident %s", error_id, exc_info=error)
    return error_id


def is_transient(error: Exception) -> bool:
    """Worth another try: the server's own trouble or a broken connection, not a refusal."""
    if not isinstance(error, discord.HTTPException):
        return True
    return error.status >= 500 or error.status == 429 or error.code in LIMITED


def retry_after(error: Exception) -> float:
    """Seconds that Discord wants to be left alone, 0 where it has named none."""
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
    """Send it, and again after each of the pauses where that is worth it; the last error, None once it is sent.

    Waits as long as Discord says, on the bot's own clock, unless that would be later than `most` seconds from now.
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
