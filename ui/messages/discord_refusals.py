"""Explain why the bot cannot log in, register its commands or stay connected: the cause, and what to do.

The explanations also name causes that are ruled out. They are for the log, the terminal and the health check. The
error codes and close codes come from Discord's documentation ("Opcodes and Status Codes").
"""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass
from enum import StrEnum

import aiohttp
import discord

from ui.discord.failures import LongRateLimit
from ui.formatting import format_duration, plain
from ui.i18n import N_, Marked, Text

TOO_MANY_COMMANDS = 30034
"""Discord's error code for more than 200 new commands in a guild in one day."""
_MOST = 120  # characters


class ConnectStep(StrEnum):
    """The step of connecting to Discord at which an error occurred."""

    LOG_IN = "log_in"
    COMMANDS = "commands"
    GATEWAY = "gateway"


class RetryRule(StrEnum):
    """When to try again: soon (PASSING), at long intervals (LASTING), or not at all (FINAL)."""

    PASSING = "passing"
    LASTING = "lasting"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The explanation of an error, and when to try again.

    `wait`: seconds that the answer asks to wait before the next attempt, 0 if it names none.
    """

    retry: RetryRule
    text: str
    wait: float = 0.0


def diagnose(t: Text, error: BaseException, step: ConnectStep) -> Diagnosis:
    """Explain an error that occurred at this step."""
    if isinstance(error, discord.LoginFailure):
        return _token(t)
    if isinstance(error, discord.ConnectionClosed):
        return _closed(t, error.code)
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return _closed(t, 4014)
    if isinstance(error, (discord.RateLimited, LongRateLimit)):
        return _asked_to_wait(t, error.retry_after)
    if isinstance(error, discord.HTTPException):
        return _answer(t, error, step)
    if isinstance(error, (aiohttp.WSServerHandshakeError, aiohttp.ContentTypeError)):
        return _page(t, error.status, error.headers)
    return Diagnosis(RetryRule.PASSING, _unreachable(t, error))


def closed_by_discord(t: Text) -> Diagnosis:
    """Explain a connection that Discord closed without a useful reason."""
    return Diagnosis(RetryRule.PASSING, t("Discord closed the connection."))


def closed_by_bot(t: Text) -> Diagnosis:
    """Explain a connection that the bot closed because of data that it could not handle."""
    return Diagnosis(
        RetryRule.PASSING, t("The bot could not handle data from Discord and closed the connection.")
    )


def not_in_guild(t: Text) -> str:
    return t("The bot is not in this server. Check GUILD_ID, and invite the bot.")


def invited_again(t: Text) -> str:
    return t("The bot was invited to the server again. Its commands are being registered.")


def tried_again(t: Text, diagnosis: Diagnosis, seconds: float) -> str:
    """Return the log line for the first failed attempt with this cause. `seconds`: until the next attempt."""
    return t(
        "{what} Retrying in {seconds} s. Further attempts are not logged.",
        what=diagnosis.text,
        seconds=round(seconds),
    )


def works_again(t: Text, cause: str, seconds: float) -> str:
    """Return the log line for the end of a problem.

    `cause`: the last explanation that was logged. `seconds`: how long the problem lasted.
    """
    return t(
        "Discord works again after {time}. The problem was: {what}",
        time=format_duration(t, seconds),
        what=cause,
    )


def _token(t: Text) -> Diagnosis:
    return Diagnosis(RetryRule.FINAL, t("Discord refused the token. Check DISCORD_TOKEN."))


def _asked_to_wait(t: Text, seconds: float) -> Diagnosis:
    return Diagnosis(
        RetryRule.PASSING,
        t("Discord is rate limiting the bot. The token and the settings are not the cause."),
        seconds,
    )


_CLOSED: dict[int, tuple[RetryRule, Marked]] = {
    4004: (
        RetryRule.FINAL,
        N_(
            "Discord refused the token (close code 4004); it was probably reset. The network "
            "is not the cause. Set the new token as DISCORD_TOKEN."
        ),
    ),
    4010: (
        RetryRule.LASTING,
        N_(
            "Discord refused the connection because of an invalid shard (close code 4010). The "
            "token and the settings are not the cause. Update the bot."
        ),
    ),
    4011: (
        RetryRule.LASTING,
        N_(
            "Discord refused the connection: this application is in too many servers for one "
            "bot (close code 4011). The network is not the cause. Create a separate "
            "application for this bot and set its DISCORD_TOKEN."
        ),
    ),
    4012: (
        RetryRule.LASTING,
        N_(
            "Discord no longer supports the gateway version of this bot (close code 4012). The "
            "token and the settings are not the cause. Update the bot."
        ),
    ),
    4013: (
        RetryRule.LASTING,
        N_(
            "Discord refused the bot's intents as invalid (close code 4013). The token and the "
            "settings are not the cause. Update the bot."
        ),
    ),
    4014: (
        RetryRule.LASTING,
        N_(
            "Discord refused the bot's intents (close code 4014). The bot needs none of the "
            "three Privileged Gateway Intents, and the token is not the cause. Check the "
            "application in the Developer Portal, and update the bot."
        ),
    ),
}
"""By close code of Discord's gateway: when to try again, and why. After any other code, try again soon."""


def _closed(t: Text, code: int) -> Diagnosis:
    if code in _CLOSED:
        retry, message = _CLOSED[code]
        return Diagnosis(retry, t(message))
    return closed_by_discord(t)


def _answer(t: Text, error: discord.HTTPException, step: ConnectStep) -> Diagnosis:
    if not str(error.response.headers.get("Content-Type")).startswith("application/json"):
        return _page(t, error.status, error.response.headers)
    reason = plain(f"{error.status}, {error.code}: {error.text}", _MOST)
    if error.status == 401:
        return _token(t)
    if error.status == 429 and error.response.headers.get("Via"):  # without it, a server in front answers
        return _asked_to_wait(t, _seconds(error.response.headers))
    if error.status == 429:
        return _page(t, error.status, error.response.headers)
    if error.status >= 500:
        return _trouble(t, error.status, _seconds(error.response.headers))
    if step is not ConnectStep.COMMANDS:
        return Diagnosis(
            RetryRule.PASSING,
            t("Discord refused the login ({reason}). The network is not the cause.", reason=reason),
        )
    if error.status in (403, 404):
        return Diagnosis(RetryRule.FINAL, not_in_guild(t))
    if error.code == TOO_MANY_COMMANDS:
        return Diagnosis(
            RetryRule.LASTING,
            t(
                "The daily limit for new Discord commands is reached (30034: 200 a day). "
                "Existing commands still work; the token and the settings are not the cause."
            ),
        )
    return Diagnosis(
        RetryRule.LASTING,
        t(
            "Discord does not accept the bot's commands ({reason}). Existing commands still "
            "work; the token and the network are not the cause. Update the bot, or report this.",
            reason=reason,
        ),
    )


def _page(t: Text, status: int, headers: object) -> Diagnosis:
    """Explain an answer that is not Discord's own: from Cloudflare in front of it, or from a proxy on the way."""
    wait = _seconds(headers)
    if status == 429:
        return Diagnosis(
            RetryRule.PASSING,
            t(
                "Cloudflare in front of Discord is temporarily blocking this machine's IP "
                "address (429): it sent too many requests, perhaps from other bots. The token "
                "and the settings are not the cause."
            ),
            wait,
        )
    if status in (401, 403, 407, 451):
        return Diagnosis(
            RetryRule.PASSING,
            t(
                "Cloudflare or a proxy in front of Discord is blocking this machine "
                "({status}). The token was not checked and is not the cause. Check the "
                "network, or try another IP address.",
                status=status,
            ),
            wait,
        )
    if status >= 500:
        return _trouble(t, status, wait)
    return Diagnosis(RetryRule.PASSING, _not_discord(t, status), wait)


def _trouble(t: Text, status: int, wait: float = 0.0) -> Diagnosis:
    return Diagnosis(
        RetryRule.PASSING,
        t(
            "Discord has a problem right now ({status}). The token, the settings and the local "
            "network are not the cause.",
            status=status,
        ),
        wait,
    )


def _seconds(headers: object) -> float:
    """Return the seconds of the header `Retry-After`, 0 if there is none."""
    get = getattr(headers, "get", None)
    try:
        return max(0.0, float(get("Retry-After"))) if get is not None else 0.0
    except (TypeError, ValueError):
        return 0.0


def _not_discord(t: Text, status: object) -> str:
    return t(
        "Something other than Discord answered ({status}). The token is not the cause. Check "
        "the network for a proxy or a login page.",
        status=status,
    )


def _unreachable(t: Text, error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return t(
            "Cannot resolve Discord's address (DNS). The token is not the cause. Check the "
            "network and the DNS server of this machine."
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return t(
            "Discord's certificate is not trusted. The token is not the cause. Check the clock "
            "and the CA certificates of this machine, and whether a proxy inspects its traffic."
        )
    if isinstance(error, (TypeError, KeyError, ValueError)):
        return _not_discord(t, type(error).__name__)
    return t(
        "Cannot reach Discord ({reason}). The token is not the cause. Check the network.",
        reason=_reason(error),
    )


def _reason(error: BaseException) -> str:
    """Return "timeout", the name of the errno, or the class name of the error."""
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return "timeout"
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(number or 0, type(error).__name__)
