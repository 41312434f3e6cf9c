"""Notice when the bot is removed from its guild and invited again. Discord has forgotten its commands by then."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable

import discord
from discord.ext import commands

from ui.i18n import Text
from ui.messages.discord_refusals import invited_again, not_in_guild

_log = logging.getLogger("bot")


class Membership:
    """The bot's membership in the guild of the settings. Other guilds are ignored.

    `on_new`: called for each further membership, even one that began while no gateway was connected.
    """

    def __init__(self, client: commands.Bot, t: Text, guild_id: int, *on_new: Callable[[], None]) -> None:
        self._client, self._t, self._guild_id, self._on_new = client, t, guild_id, on_new
        self._since: datetime.datetime | None = None
        """When the known membership began, None until the bot was seen in the guild."""
        for event in ("on_ready", "on_guild_join", "on_guild_available"):
            client.add_listener(self._compare, event)
        client.add_listener(self._on_removed, "on_guild_remove")

    async def _compare(self, _guild: discord.Guild | None = None) -> None:
        """Compare with the known membership, at the beginning of a session and whenever a guild appears."""
        guild = self._client.get_guild(self._guild_id)
        me = guild.me if guild is not None else None
        if me is None or me.joined_at is None or me.joined_at == self._since:
            return
        is_first, self._since = self._since is None, me.joined_at
        if not is_first:
            _log.warning("%s", invited_again(self._t))
            for call in self._on_new:
                call()

    async def _on_removed(self, guild: discord.Guild) -> None:
        if guild.id == self._guild_id:
            _log.error("%s", not_in_guild(self._t))
