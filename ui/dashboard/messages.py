"""Recognise the messages of dashboards by their buttons, and delete those that no dashboard is stored for.

Such a message is left when the journal was lost: nothing would edit it any more, and a new dashboard would stand
beside it.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import discord

from core.errors import JournalFailed
from ui.discord.failures import DISCORD_ERRORS
from ui.interaction.buttons import DASHBOARD
from ui.interaction.context import Site
from ui.interaction.site_ids import split_site

PINS_MOST = 50
"""Pinned messages of a channel that are looked at."""
FIRST_RUN = 1

_log = logging.getLogger(__name__)


def marks_of(components: Any) -> Iterator[tuple[str | None, str]]:
    """Yield the site and the mark in each button of a dashboard among these components, however deep."""
    for component in components:
        yield from marks_of(getattr(component, "children", ()))
        site, unnamed = split_site(getattr(component, "custom_id", None) or "")
        if match := DASHBOARD.fullmatch(unnamed):
            yield site, match["mark"]


async def delete_orphans(channel: discord.TextChannel, site: Site) -> None:
    """Delete the bot's pinned messages of dashboards of this site that are not stored. Does not raise."""
    try:
        pinned = [message async for message in channel.pins(limit=PINS_MOST)]
        for message in pinned:
            await delete_orphan(message, site)
    except (*DISCORD_ERRORS, JournalFailed) as error:
        _log.info("forgotten dashboards could not be looked for: %r", error)


async def delete_orphan(message: discord.Message, site: Site) -> bool:
    """Delete a message if it belongs to a dashboard of this site that is not stored. Return whether it did.

    A message is posted after its dashboard is stored, so that one that was just made is known.
    Raises: one of DISCORD_ERRORS, JournalFailed.
    """
    me = message.guild.me.id if message.guild else 0
    names = {site.name or None} | ({None} if site is site.services.sites.first else set())
    marks = {mark for named, mark in marks_of(message.components) if named in names}
    if message.author.id != me or not marks:
        return False
    if marks & await site.dashboards.stored_marks():
        return False
    await message.delete()
    _log.warning("a dashboard that is not stored was removed from channel %d", message.channel.id)
    return True


async def delete_all_orphans(guild: discord.Guild | None, category_id: int, sites: Iterable[Site]) -> None:
    """Do so in all channels in which dashboards may stand, for the sites whose journal is new. Does not raise."""
    category = guild.get_channel(category_id) if guild else None
    if not isinstance(category, discord.CategoryChannel):
        return
    for site in sites:
        if site.journal.run == FIRST_RUN:
            for channel in category.text_channels:
                await delete_orphans(channel, site)
