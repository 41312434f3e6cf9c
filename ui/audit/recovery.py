"""Report the result of an action that was interrupted or got no answer.

The report replaces the action's original message if possible, otherwise it goes to the same channel. The result of an
action with a private answer is not reported, because everybody would see it.
"""

import logging
from functools import partial

import discord
from discord import ui

from core.audit.record import PRIVATE_MESSAGE, Ending, ending_of
from core.audit.store import AuditEntry
from core.clock import Clock
from core.delivery.outbox import LIMIT_MOST
from ui.audit.text import SIGNS, attempt_words
from ui.cards import card
from ui.discord.blocked import is_blocked, send_card_with_fallbacks
from ui.discord.failures import DISCORD_ERRORS, is_transient, retry_after
from ui.formatting import Colour
from ui.i18n import Text

TRIES_MOST, PAUSE, LONG_PAUSE = 60, 2.0, 60.0
"""Maximum number of tries while Discord fails, and the shortest and longest pause between them in seconds.

All tries together take about an hour, or longer if Discord asks for longer pauses.
"""
_COLOURS = {
    Ending.DONE: Colour.GOOD,
    Ending.FAILED: Colour.BAD,
}

_log = logging.getLogger(__name__)


def _recovered_card(t: Text, entry: AuditEntry) -> ui.LayoutView:
    ending = ending_of(entry.record)
    note = t("Found out later: the bot had stopped or received no answer.")
    return card(
        f"{SIGNS[ending]} {attempt_words(t, entry.record)}",
        f"-# <@{entry.record.actor.user_id}> · {note}",
        colour=_COLOURS.get(ending, Colour.WARN),
    )


class DiscordOutcomeNotifier:
    """Implement `core.actions.recovery.OutcomeNotifier`.

    It uses the bot's own permissions, because the token of an interaction is lost when the process ends.
    """

    def __init__(self, client: discord.Client, t: Text, clock: Clock) -> None:
        self._client, self._t, self._clock = client, t, clock

    async def notify(self, entry: AuditEntry) -> None:
        if entry.record.message_id == PRIVATE_MESSAGE:
            _log.info(
                "the result of attempt %d is only in the audit trail: its answer was private", entry.attempt
            )
            return
        while self._client.application is None:  # the bot has not logged in since its start
            await self._clock.sleep(PAUSE)
        for tried in range(TRIES_MOST):
            try:
                await self._show(entry, _recovered_card(self._t, entry))
            except DISCORD_ERRORS as error:
                if not is_transient(error):
                    _log.warning("the result of attempt %d could not be shown: %r", entry.attempt, error)
                    return
                pause = min(LONG_PAUSE, PAUSE * 2.0 ** min(tried, 5))
                await self._clock.sleep(max(pause, min(retry_after(error), LIMIT_MOST)))
            else:
                return

    async def _show(self, entry: AuditEntry, view: ui.LayoutView) -> None:
        """Show the card in the original message, or else in its channel.

        Raises: one of DISCORD_ERRORS.
        """
        await send_card_with_fallbacks(self._t, view, partial(self._put, entry), site=entry.site)

    async def _put(self, entry: AuditEntry, view: ui.LayoutView) -> None:
        channel = self._client.get_partial_messageable(entry.record.actor.place.channel_id or 0)
        nobody = discord.AllowedMentions.none()
        if entry.record.message_id is not None:
            try:
                message = channel.get_partial_message(entry.record.message_id)
                await message.edit(view=view, allowed_mentions=nobody)
            except discord.HTTPException as error:
                if is_transient(error) or is_blocked(error):
                    raise
                _log.debug("the message of the attempt cannot be edited", exc_info=error)
            else:
                return
        await channel.send(view=view, allowed_mentions=nobody)
