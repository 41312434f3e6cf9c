"""Check the set-up of the running bot, and show the results to an admin."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from discord import ui

from core.health.result import Level, Result, exit_code
from core.operations import Operation
from ui.cards import card
from ui.formatting import MESSAGE_MOST, Colour, fit_lines
from ui.i18n import Text
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Services
from ui.interaction.reply import Reply
from ui.messages.health import discord_line, summary_line
from ui.sites.everywhere import whole_sites

_ORDER = (Level.ERROR, Level.WARNING, Level.UNCHECKED, Level.OK)
_COLOURS = (Colour.GOOD, Colour.WARN, Colour.BAD)


async def show_health(services: Services, reply: Reply, site: str = "") -> None:
    """Check the named site, or all of them and the bot itself.

    Raises: UnknownSite, Refused by access.
    """
    sites = whole_sites(reply.interaction, Operation.HEALTH, site)
    with contextlib.ExitStack() as attempts:
        for each in sites:
            attempt = attempts.enter_context(record_attempt(reply.interaction, Operation.HEALTH, about=each))
            attempt.authorize(whole=True)
        await reply.show(health_card(reply.t, await services.health([each.name for each in sites])))


def health_card(t: Text, results: Sequence[Result]) -> ui.LayoutView:
    """Show a line for each result, the worst first, as many as fit."""
    ordered = sorted(results, key=lambda result: _ORDER.index(result.level))
    lines = [discord_line(t, result) for result in ordered]
    head = f"### {t('Check of the set-up')}\n{summary_line(t, results)}"
    return card(head, fit_lines(t, lines, MESSAGE_MOST - 400), colour=_COLOURS[exit_code(results)])
