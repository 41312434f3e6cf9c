"""Read the bot's account, its servers, and the channels and roles of one. Log in as the health check does."""

from __future__ import annotations

from dataclasses import dataclass

import discord

from core.health.readiness import ChannelKind, ChannelView, GuildView
from startup.health.deadline import in_time
from startup.health.discord import fetch_guild, logged_in
from ui.discord.guild import view_channel


@dataclass(frozen=True, slots=True)
class BotAccount:
    """The bot that a token belongs to. `application`: its id. `guilds`: name by id, sorted by name."""

    name: str
    application: int
    guilds: dict[int, str]


@dataclass(frozen=True, slots=True)
class ChannelPlace:
    """A category or a channel. `number`: its id. `category`: the name of the category that it is in."""

    number: int
    view: ChannelView
    category: str = ""
    category_id: int = 0


@dataclass(frozen=True, slots=True)
class SeenGuild:
    """A server: its categories and text channels in Discord's order, and its roles from the top.

    `number`: its id. `roles`: name by id, without @everyone and the roles of bots and other integrations.
    """

    number: int
    name: str
    categories: tuple[ChannelPlace, ...]
    channels: tuple[ChannelPlace, ...]
    roles: dict[int, str]

    @property
    def view(self) -> GuildView:
        """Return the server as the checks take it."""
        return GuildView(
            self.name,
            channels={place.number: place.view for place in (*self.categories, *self.channels)},
            roles=self.roles,
        )

    def find(self, place: ChannelPlace | None) -> ChannelPlace | None:
        """Return the same category or channel in this read, None if it is missing."""
        places = (*self.categories, *self.channels)
        return next((each for each in places if place and each.number == place.number), None)


async def read_account(token: str) -> BotAccount:
    """Return the bot that the token belongs to. Raises: one of the health check's AWAY."""
    async with logged_in(token) as client:
        rows = await in_time(_guilds(client))
        return BotAccount(str(client.user), client.application_id or 0, rows)


async def _guilds(client: discord.Client) -> dict[int, str]:
    found = [(guild.name, guild.id) async for guild in client.fetch_guilds(with_counts=False)]
    return {number: name for name, number in sorted(found, key=lambda row: (row[0].casefold(), row[1]))}


async def read_server(token: str, guild_id: int) -> SeenGuild:
    """Return a server that the bot is in. Raises: one of the health check's AWAY."""
    async with logged_in(token) as client:
        guild, me = await in_time(fetch_guild(client, guild_id))
        return SeenGuild(
            guild.id,
            guild.name,
            tuple(_place(category, me) for category in guild.categories),
            tuple(
                place
                for _, channels in guild.by_category()
                for place in (_place(channel, me) for channel in channels)
                if place.view.kind is ChannelKind.MESSAGES
            ),
            {
                role.id: role.name
                for role in reversed(guild.roles)
                if not role.managed and not role.is_default()
            },
        )


def _place(channel: discord.abc.GuildChannel, me: discord.Member) -> ChannelPlace:
    category = channel.category
    return ChannelPlace(
        channel.id,
        view_channel(channel, me),
        category.name if category is not None else "",
        category.id if category is not None else 0,
    )
