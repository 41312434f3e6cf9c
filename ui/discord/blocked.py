"""Resend a message that Discord blocks for its words: first without foreign text, then as a fixed sentence.

AutoMod and the link filter refuse a message, for example, if a guest's name looks like a link. All foreign text in
sentences is in code spans and code blocks (`ui/formatting.py`), so these are removed, except names of commands.
VMIDs and the bot's other words stay.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import discord
from discord import ui

from ui.cards import name_site, notice
from ui.discord.failures import LIMITED
from ui.formatting import MESSAGE_MOST
from ui.i18n import Text

T = TypeVar("T")

CONTENT_MOST = 2000
"""Maximum characters of a message without components, set by Discord."""
_FILTERS = frozenset({20009, 200000, 200001, 240000})
"""Discord's codes for explicit content, AutoMod (message, title) and harmful links, with any HTTP status."""
_NOT_THE_WORDS = frozenset({40060, 50001, 50008, 50013, 50024, 50083, 160005}) | LIMITED
"""Codes of errors that other words would not prevent.

The interaction already has an answer, the bot cannot write in the channel, or Discord limits or blocks the bot.
"""
_BLOCK = re.compile(r"```.*?```", re.DOTALL)
_SPAN = re.compile(r"`([^`\n]*)`")
_OWN = re.compile(r"/[a-z]+(?: [a-z]+)?")
"""Matches a command: the only content of a code span that stays."""
_LEFT_OUT = "`…`"

_log = logging.getLogger(__name__)


def is_blocked(error: Exception) -> bool:
    """Return whether other words may pass: Discord blocks the words, or answers 400 without another known cause."""
    if not isinstance(error, discord.HTTPException) or error.code in _NOT_THE_WORDS:
        return False
    return error.code in _FILTERS or error.status == 400


def without_foreign(text: str) -> str:
    """Remove code blocks, and replace all code spans but those of commands, so that no foreign text stays."""
    return _SPAN.sub(lambda span: span[0] if _OWN.fullmatch(span[1]) else _LEFT_OUT, _BLOCK.sub("", text))


def make_fallback_texts(t: Text, content: str, fixed: str) -> tuple[str, ...]:
    """Return replacements for the text of a blocked message without components: the best first, `fixed` last."""
    bare = without_foreign(content)
    if bare == content:  # the bot's own words were blocked
        return (fixed,)
    return f"{bare}\n-# {blocked_note(t)}"[:CONTENT_MOST], fixed


async def send_card_with_fallbacks(
    t: Text, view: ui.LayoutView, send: Callable[[ui.LayoutView], Awaitable[T]], *, site: str
) -> T:
    """Send a card under the name of its site, with fewer words each time Discord blocks it.

    `site`: "" if there is only one site, or if the card names none.
    Raises: the errors of `send`.
    """
    blocked: Exception | None = None
    for shown in _fallback_views(t, view):
        name_site(shown, site)
        try:
            return await send(shown)
        except discord.HTTPException as error:
            if not is_blocked(error):
                raise
            blocked = error
            _log.warning("Discord blocks the words of an answer: %s", error.code or error.status)
    raise blocked or AssertionError


def _fallback_views(t: Text, view: ui.LayoutView) -> Iterator[ui.LayoutView]:
    yield view
    yield _strip_foreign(t, view)
    yield notice(t("Discord blocked this answer. The audit trail shows what was done."))


def _strip_foreign(t: Text, view: ui.LayoutView) -> ui.LayoutView:
    """Remove foreign text from the card in place, because its old form is not shown again.

    Add a note about it if there is room.
    """
    room = MESSAGE_MOST
    for item in view.walk_children():
        if isinstance(item, ui.TextDisplay):
            item.content = without_foreign(item.content)
            room -= len(item.content)
        button = item.item if isinstance(item, ui.DynamicItem) else item
        if isinstance(button, ui.Button) and (button.custom_id or "").startswith("q1:yes:"):
            button.label = t("Confirm")  # the old label contains a foreign name
        if isinstance(button, ui.Select):
            for option in button.options:
                option.label, option.description = option.value, None
    note = f"-# {blocked_note(t)}"
    box: Any = next((item for item in view.children if isinstance(item, ui.Container)), view)
    if len(note) <= room:
        box.add_item(ui.TextDisplay(note))
    return view


def blocked_note(t: Text) -> str:
    """Return the sentence below a message that was sent without foreign text."""
    return t("Discord blocked this message, so names and other text are left out.")
