"""What may go wrong on the way to Discord, and what is logged of what nobody expected."""

import asyncio
import logging
import secrets

import aiohttp
import discord

_log = logging.getLogger(__name__)

Trouble = (discord.HTTPException, aiohttp.ClientError, OSError, asyncio.TimeoutError)
"""What sending to Discord may raise. discord.py does not retry a 503 or a lost connection."""


def incident_of(error: BaseException) -> str:
    """Log an error nobody expected under a short id, which is all a person sees of it."""
    incident = secrets.token_hex(4)
    _log.error("incident %s", incident, exc_info=error)
    return incident


def passing(error: Exception) -> bool:
    """Worth another try: the server's own trouble or a broken connection, not a refusal."""
    return not isinstance(error, discord.HTTPException) or error.status >= 500 or error.status == 429
