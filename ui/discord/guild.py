"""Read the guild's channels, roles and the bot's permissions through discord.py.

The check at the start and the health check compare them with the settings (`core/health/readiness.py`). The first run
(`--init`), the first message and the commands of dashboards use them, too.
"""

from __future__ import annotations

import discord

from core.health.readiness import (
    AUDIT_CHANNEL,
    HISTORY,
    PIN,
    SEND,
    SEND_IN_THREAD,
    VIEW,
    WISHED,
    WISHED_FOR_COMMANDS,
    ChannelKind,
    ChannelView,
    GuildView,
    RequiredSetup,
)
from ui.discord.failures import DISCORD_ERRORS


async def read_guild(client: discord.Client, wanted: RequiredSetup) -> GuildView | None:
    """Return the guild as `view_guild` does, without details while it is unavailable.

    Return None if the bot is not in the guild.
    """
    guild = client.get_guild(wanted.guild)
    if guild is None:
        return None
    if guild.unavailable:
        return GuildView(guild.name or "", available=False)
    return await view_guild(guild, guild.me, wanted)


async def view_guild(guild: discord.Guild, me: discord.Member, wanted: RequiredSetup) -> GuildView:
    """Return which of the wanted channels and roles exist, and the permissions that the bot lacks in the channels.

    The gateway sends no archived threads, so Discord is asked about each channel that it has not sent.
    `me`: the bot in the guild.
    """
    channels: dict[int, ChannelView] = {}
    untold: set[int] = set()
    for number in (wanted.category, *wanted.channels.values()):
        found = guild.get_channel_or_thread(number)
        if found is None:
            try:
                found = await _fetch_thread(guild, number)
            except DISCORD_ERRORS:
                untold.add(number)
        if found is not None:
            channels[number] = view_channel(found, me)
    numbers = {number for each in wanted.roles.values() for number in each}
    roles = {role.id: role.name for role in guild.roles if role.id in numbers}
    return GuildView(guild.name, True, channels, roles, _is_silent(guild, me, wanted), frozenset(untold))


async def _fetch_thread(guild: discord.Guild, number: int) -> discord.Thread | None:
    """Fetch a thread that the gateway did not send. Return None if the bot sees no thread with this id.

    Raises: DISCORD_ERRORS, if Discord gives no answer.
    """
    try:
        found = await guild.fetch_channel(number)
    except (discord.NotFound, discord.Forbidden, discord.InvalidData):
        return None
    return found if isinstance(found, discord.Thread) else None


def view_channel(found: discord.abc.GuildChannel | discord.Thread, me: discord.Member) -> ChannelView:
    """Return the kind of a channel, and the permissions that the bot lacks there."""
    if isinstance(found, discord.CategoryChannel):
        kind = ChannelKind.CATEGORY
    else:
        kind = ChannelKind.MESSAGES if isinstance(found, discord.abc.Messageable) else ChannelKind.OTHER
    wished = dict.fromkeys((*WISHED, *(WISHED_FOR_COMMANDS if kind is ChannelKind.CATEGORY else ())))
    needed = (VIEW, SEND_IN_THREAD if isinstance(found, discord.Thread) else SEND, *wished)
    try:
        has = found.permissions_for(me)
    except discord.ClientException:  # a thread whose channel is not known
        return ChannelView(found.name, kind)
    return ChannelView(found.name, kind, tuple(name for name in needed if not getattr(has, name)))


def missing_for_dashboard(channel: discord.TextChannel) -> tuple[str, ...]:
    """Return the permissions that the bot needs for a dashboard in the channel and does not have."""
    has = channel.permissions_for(channel.guild.me)
    return tuple(name for name in (VIEW, SEND, HISTORY, PIN) if not getattr(has, name))


def _is_silent(guild: discord.Guild, me: discord.Member, wanted: RequiredSetup) -> bool:
    """Return whether a mention of the role would notify nobody in at least one alert channel."""
    role = guild.get_role(wanted.mention_role) if wanted.mention_role else None
    if role is None or role.mentionable:
        return False
    channels = [guild.get_channel_or_thread(number) for number in wanted.alert_channels]
    return not all(_may_mention(channel, me) for channel in channels if channel is not None)


def _may_mention(channel: discord.abc.GuildChannel | discord.Thread, me: discord.Member) -> bool:
    try:
        return channel.permissions_for(me).mention_everyone
    except discord.ClientException:  # a thread whose channel is not known
        return True


def channels_for_commands(client: discord.Client, wanted: RequiredSetup) -> tuple[int, ...]:
    """Return the text channels of the allowed category that the bot sees, except the audit channel."""
    guild = client.get_guild(wanted.guild)
    category = guild.get_channel(wanted.category) if guild is not None else None
    if guild is None or not isinstance(category, discord.CategoryChannel):
        return ()
    return tuple(
        channel.id
        for channel in category.text_channels
        if channel.id != wanted.channels.get(AUDIT_CHANNEL) and channel.permissions_for(guild.me).view_channel
    )
