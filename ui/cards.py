"""Build the common layout of all messages: a card with a coloured edge, texts and rows of buttons."""

from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from ui.formatting import MESSAGE_MOST, Colour

Item = ui.Item[Any]


def card(
    *texts: str,
    colour: Colour,
    buttons: Sequence[Item] = (),
    more: Sequence[Sequence[Item]] = (),
    below: Item | None = None,
) -> ui.LayoutView:
    """Build a card of texts, then rows of at most five buttons each, then `below` (a file).

    Empty texts are left out. Text that is too long is cut and not refused.
    """
    view = ui.LayoutView(timeout=None)
    container: ui.Container[ui.LayoutView] = ui.Container(accent_colour=discord.Colour(int(colour)))
    room = MESSAGE_MOST
    for text in texts:
        if text and room > 0:
            container.add_item(ui.TextDisplay(text[:room]))
            room -= len(text)
    for row in (buttons, *more):
        if row:
            container.add_item(ui.ActionRow(*row))
    if below is not None:
        container.add_item(below)
    view.add_item(container)
    return view


def notice(text: str, colour: Colour = Colour.WARN) -> ui.LayoutView:
    """Build a card of one sentence."""
    return card(text, colour=colour)
