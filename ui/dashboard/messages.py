"""Recognise the messages of dashboards by their buttons, and delete messages whose dashboard is not stored.

Such an orphan remains after the journal was lost, or a former one was put back: nothing would edit it any more, and
a new dashboard would appear beside it.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import discord

from core.errors import JournalFailed
from ui.discord.failures import DISCORD_ERRORS, is_transient
from ui.interaction.custom_ids import DASHBOARD, split_site
from ui.interaction.services import Site

PINS_MOST, NEWEST_MOST = 250, 100
"""Maximum numbers of a channel's pinned messages (as many as Discord allows) and of its newest ones to look at."""

_log = logging.getLogger(__name__)


def dashboard_marks(components: Any) -> Iterator[tuple[str | None, str]]:
    """Yield the site and `Dashboard.mark` from each button of a dashboard among these components, however deep."""
    for component in components:
        yield from dashboard_marks(getattr(component, "children", ()))
        site, unnamed = split_site(getattr(component, "custom_id", None) or "")
        if match := DASHBOARD.fullmatch(unnamed):
            yield site, match["mark"]


async def delete_orphans(channel: discord.TextChannel, sites: Iterable[Site]) -> bool:
    """Delete the orphans of these sites among the pinned and the newest messages of a channel.

    Return False if another search is worthwhile, because this one met a passing error. Does not raise.
    """
    try:
        found: dict[int, discord.Message] = {
            message.id: message async for message in channel.pins(limit=PINS_MOST)
        }
        found |= {message.id: message async for message in channel.history(limit=NEWEST_MOST)}
        for message in found.values():
            for site in sites:
                if await delete_orphan(message, site):
                    break
    except (*DISCORD_ERRORS, JournalFailed) as error:
        _log.info("dashboards that are not stored could not be searched for: %r", error)
        return isinstance(error, DISCORD_ERRORS) and not is_transient(error)
    return True


async def delete_orphan(message: discord.Message, site: Site) -> bool:
    """Delete a message if it is an orphan of this site. Return whether it was.

    A dashboard is stored before its message is posted, so that a new message is never an orphan.
    Raises: one of DISCORD_ERRORS, JournalFailed.
    """
    me = message.guild.me.id if message.guild else 0
    names = {site.name or None} | ({None} if site is site.services.sites.first else set())
    found = tuple(dashboard_marks(message.components))
    if message.author.id != me or message.flags.ephemeral or not any(named in names for named, _ in found):
        return False
    # one stored mark is enough, on any site: other buttons of the message may be forged
    for each in site.services.sites:
        if {mark for _, mark in found} & await each.dashboards.stored_marks():
            return False
    await message.delete()
    _log.warning("a dashboard that is not stored was removed from channel %d", message.channel.id)
    return True


async def delete_all_orphans(guild: discord.Guild | None, category_id: int, sites: Iterable[Site]) -> bool:
    """Delete the orphans of these sites in all text channels of the category whose history the bot may read.

    Return False if another search is worthwhile, as `delete_orphans` does. Does not raise.
    """
    category = guild.get_channel(category_id) if guild else None
    if guild is None or not isinstance(category, discord.CategoryChannel):
        return True
    searched, known = [], tuple(sites)
    for channel in category.text_channels:
        if channel.permissions_for(guild.me).read_message_history:
            searched.append(await delete_orphans(channel, known))
    return all(searched)
