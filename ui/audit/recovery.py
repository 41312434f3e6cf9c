"""How what was cut off, or got no answer, came out: told in the message that showed it, else in its channel."""

import logging
from functools import partial

import discord
from discord import ui

from core.audit.trail import Audited, Ending, ending_of
from core.clock import Clock
from core.delivery.retries import LIMIT_MOST
from ui.audit.text import SIGNS, attempt_words
from ui.cards import card
from ui.discord.blocked import blocks, let_through
from ui.discord.failures import Trouble, passing, wait_of
from ui.formatting import Colour
from ui.i18n import Text

TRIES_MOST, PAUSE, LONG_PAUSE = 60, 2.0, 60.0
"""So often it is tried where Discord stumbles, for about an hour in all."""
_COLOURS = {
    Ending.DONE: Colour.GOOD,
    Ending.FAILED: Colour.BAD,
}

_log = logging.getLogger(__name__)


def found_card(t: Text, found: Audited) -> ui.LayoutView:
    ending = ending_of(found.record)
    note = t("Found out afterwards: the bot had stopped, or had got no answer.")
    return card(
        f"{SIGNS[ending]} {attempt_words(t, found.record)}",
        f"-# <@{found.record.actor.user_id}> · {note}",
        colour=_COLOURS.get(ending, Colour.WARN),
    )


class DiscordTeller:
    """Keeps core.actions.recovery.Teller, with the bot's own rights: no token of an interaction outlives the
    process."""

    def __init__(self, client: discord.Client, t: Text, clock: Clock) -> None:
        self._client, self._t, self._clock = client, t, clock

    async def tell(self, found: Audited) -> None:
        while self._client.application is None:  # not logged in: Discord is away since the start
            await self._clock.sleep(PAUSE)
        for tried in range(TRIES_MOST):
            try:
                await self._show(found, found_card(self._t, found))
            except Trouble as error:
                if not passing(error):
                    _log.warning("how attempt %d ended could not be told: %r", found.attempt, error)
                    return
                pause = min(LONG_PAUSE, PAUSE * 2.0 ** min(tried, 5))
                await self._clock.sleep(max(pause, min(wait_of(error), LIMIT_MOST)))
            else:
                return

    async def _show(self, found: Audited, view: ui.LayoutView) -> None:
        """Raises Trouble."""
        await let_through(self._t, view, partial(self._put, found))

    async def _put(self, found: Audited, view: ui.LayoutView) -> None:
        channel = self._client.get_partial_messageable(found.record.actor.place.channel_id or 0)
        nobody = discord.AllowedMentions.none()
        if found.record.message_id is not None:
            try:
                message = channel.get_partial_message(found.record.message_id)
                await message.edit(view=view, allowed_mentions=nobody)
            except discord.HTTPException as error:
                if passing(error) or blocks(error):
                    raise
                _log.debug("its message cannot be edited", exc_info=error)
            else:
                return
        await channel.send(view=view, allowed_mentions=nobody)
