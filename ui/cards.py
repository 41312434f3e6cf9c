"""Build the common layout of answers and dashboards: a card with a coloured edge, texts and rows of buttons."""

from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from ui.formatting import MESSAGE_MOST, Colour

Item = ui.Item[Any]
ROW_MOST = 5
"""Maximum number of buttons in a row (Discord)."""
APART_MOST = 15
"""Maximum number of texts with gaps between them: a message has at most 40 components (Discord)."""


def card(
    *texts: str,
    colour: Colour,
    buttons: Sequence[Item] = (),
    more: Sequence[Sequence[Item]] = (),
    below: Item | None = None,
    picture: Item | None = None,
    apart: bool = False,
) -> ui.LayoutView:
    """Build a card of texts, then rows of at most five `buttons`, then the rows of `more`, then `below` (a file).

    `picture`: shown below the first text. Empty texts and rows are left out. Text that is too long is cut.
    `apart`: leave a gap between the first `APART_MOST` texts.
    """
    view = ui.LayoutView(timeout=None)
    container: ui.Container[ui.LayoutView] = ui.Container(accent_colour=discord.Colour(int(colour)))
    room = MESSAGE_MOST
    for number, text in enumerate(texts):
        if text and room > 0:
            if apart and 0 < number < APART_MOST:
                container.add_item(ui.Separator(visible=False))
            container.add_item(ui.TextDisplay(text[:room]))
            room -= len(text)
        if picture is not None:
            container.add_item(picture)
            picture = None
    for row in (*_rows(buttons), *more):
        if row:
            container.add_item(ui.ActionRow(*row))
    if below is not None:
        container.add_item(below)
    view.add_item(container)
    return view


def _rows(buttons: Sequence[Item]) -> list[Sequence[Item]]:
    return [buttons[start : start + ROW_MOST] for start in range(0, len(buttons), ROW_MOST)]


def name_site(view: ui.LayoutView, site: str) -> None:
    """Put the site's name above the texts of a card, in place, unless it is there already or `site` is "".

    If the card has no room left, its longest text is cut.
    """
    texts = [item for item in view.walk_children() if isinstance(item, ui.TextDisplay)]
    head = f"-# **{site}**\n"
    if not site or not texts or texts[0].content.startswith(head):
        return
    texts[0].content = head + texts[0].content
    excess = sum(len(text.content) for text in texts) - MESSAGE_MOST
    if excess > 0:
        longest = max(texts, key=lambda text: len(text.content))
        longest.content = longest.content[:-excess]


def notice(text: str, colour: Colour = Colour.WARN) -> ui.LayoutView:
    """Build a card of one sentence."""
    return card(text, colour=colour)
