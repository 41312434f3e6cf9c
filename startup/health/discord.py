"""Read Discord over REST alone: a second gateway session would disturb a running bot."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp
import discord

from core.health.discord import Registered, invitation, judge_commands, judge_guild, judge_permissions
from core.health.readiness import RequiredSetup
from core.health.result import Result, error, ok, unchecked
from startup.health.deadline import Late, in_time
from ui.discord.failures import DISCORD_ERRORS
from ui.discord.guild import view_guild
from ui.discord.proxy_pages import refuse_proxy_pages
from ui.i18n import Text
from ui.messages.discord_refusals import ConnectStep, diagnose

AFTER_LOGIN = ("discord.guild", "discord.channels", "discord.permissions", "discord.commands")
"""Checks that need a login."""


class NotDiscord(ValueError):
    """The log-in got an answer that is not Discord's, although it is JSON."""


AWAY = (*DISCORD_ERRORS, discord.LoginFailure, Late, NotDiscord)
"""Errors that mean that Discord gave no answer, or refused."""


async def check_discord_side(
    t: Text, token: str, wanted: RequiredSetup, commands: frozenset[str]
) -> list[Result]:
    """Log in, and check the guild, its channels, the bot's permissions and its commands."""
    try:
        async with logged_in(token) as client:
            return await _Logged(t, client, wanted).run(commands)
    except AWAY as fault:
        told = error(
            "discord.token", "discord_login_failed", reason=diagnose(t, fault, ConnectStep.LOG_IN).text
        )
        return [told, *(unchecked(check) for check in AFTER_LOGIN)]


@contextlib.asynccontextmanager
async def logged_in(token: str) -> AsyncIterator[discord.Client]:
    """Yield a client that is logged in over REST, and takes no proxy's page for an answer of Discord.

    Raises: one of AWAY.
    """
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(refuse_proxy_pages)
    client = discord.Client(
        intents=discord.Intents(guilds=True),
        allowed_mentions=discord.AllowedMentions.none(),
        max_ratelimit_timeout=30.0,
        http_trace=trace,
    )
    try:
        try:
            await in_time(client.login(token))
        except (TypeError, KeyError, ValueError) as error:
            raise NotDiscord from error
        yield client
    finally:
        await client.close()


async def fetch_guild(client: discord.Client, guild_id: int) -> tuple[discord.Guild, discord.Member]:
    """Return a guild with its channels, and the bot in it.

    Raises: discord.NotFound or discord.Forbidden if the bot is not there, or another one of `DISCORD_ERRORS`.
    """
    guild = await client.fetch_guild(guild_id)
    for channel in await guild.fetch_channels():
        guild._add_channel(channel)  # noqa: SLF001  # as the gateway does; permissions need the categories
    assert client.user is not None  # noqa: S101  # logged in
    return guild, await guild.fetch_member(client.user.id)


class _Logged:
    """The checks that need a login, with a client that has logged in."""

    def __init__(self, t: Text, client: discord.Client, wanted: RequiredSetup) -> None:
        self._t, self._client, self._wanted = t, client, wanted
        self._link = invitation(client.application_id or 0, wanted.guild)

    async def run(self, commands: frozenset[str]) -> list[Result]:
        found = [ok("discord.token", "discord_token_ok", name=str(self._client.user))]
        try:
            guild, me = await in_time(fetch_guild(self._client, self._wanted.guild))
        except (discord.NotFound, discord.Forbidden):
            found += judge_guild(self._wanted, None, self._link)
            return found + [unchecked(check) for check in AFTER_LOGIN[1:]]
        except AWAY as fault:
            reason = diagnose(self._t, fault, ConnectStep.LOG_IN).text
            found.append(error("discord.guild", "discord_failed", reason=reason))
            return found + [unchecked(check) for check in AFTER_LOGIN[1:]]
        try:
            found += judge_guild(self._wanted, await in_time(view_guild(guild, me, self._wanted)), self._link)
        except AWAY:
            found.append(unchecked("discord.channels"))
        administrator = me.guild_permissions.administrator
        found.append(judge_permissions(administrator=administrator, link=self._link))
        try:
            found.append(judge_commands(await in_time(self._commands()), commands, self._link))
        except AWAY:
            found.append(unchecked("discord.commands"))
        return found

    async def _commands(self) -> Registered:
        try:
            known = await self._client.http.get_guild_commands(
                self._client.application_id or 0, self._wanted.guild
            )
        except discord.Forbidden:
            return Registered(allowed=False)
        return Registered(frozenset(command["name"] for command in known))
