"""What Discord blocks for its words: once more without foreign ones, and at last as a fixed sentence.

AutoMod and the link filter refuse a message for a guest's name that looks like a link. All that comes from outside
stands in code spans and code blocks (ui/formatting.py), so these are what is taken out; VMIDs and our own words stay.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import discord
from discord import ui

from ui.cards import notice
from ui.discord.failures import LIMITED
from ui.formatting import MESSAGE_MOST
from ui.i18n import Text

T = TypeVar("T")

CONTENT_MOST = 2000
"""Characters of a message without components (Discord)."""
_FILTERS = frozenset({20009, 200000, 200001, 240000})
"""Explicit content, AutoMod (of a message, of a title), harmful links: of whatever status."""
_NOT_THE_WORDS = frozenset({40060, 50001, 50008, 50013, 50024, 50083, 160005}) | LIMITED
"""Codes of a 400 that is no fault of the words: it is answered already, the channel takes none, or not so many."""
_BLOCK = re.compile(r"```.*?```", re.DOTALL)
_SPAN = re.compile(r"`([^`\n]*)`")
_OWN = re.compile(r"/[a-z]+(?: [a-z]+)?")
"""A code span of our own: a command."""
_LEFT_OUT = "`…`"

_log = logging.getLogger(__name__)


def is_blocked(error: Exception) -> bool:
    """Whether Discord refuses the words of a message, so that others may pass."""
    if not isinstance(error, discord.HTTPException) or error.code in _NOT_THE_WORDS:
        return False
    return error.code in _FILTERS or error.status == 400


def without_foreign(text: str) -> str:
    """Only our own words, numbers and VMIDs."""
    return _SPAN.sub(lambda span: span[0] if _OWN.fullmatch(span[1]) else _LEFT_OUT, _BLOCK.sub("", text))


def make_fallback_texts(t: Text, content: str, fixed: str) -> tuple[str, ...]:
    """What is shown instead of a plain text that Discord blocks, the best first."""
    bare = without_foreign(content)
    if bare == content:  # it was blocked for our own words
        return (fixed,)
    return f"{bare}\n-# {_note(t)}"[:CONTENT_MOST], fixed


async def send_with_fallbacks(
    t: Text, view: ui.LayoutView, send: Callable[[ui.LayoutView], Awaitable[T]]
) -> T:
    """Send a card, and with fewer words what Discord blocks. Raises what `send` does."""
    blocked: Exception | None = None
    for shown in _fallback_views(t, view):
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
    yield notice(t("Discord blocked this answer. What was done is in the audit trail."))


def _strip_foreign(t: Text, view: ui.LayoutView) -> ui.LayoutView:
    """The card itself, changed: it is not shown as it was any more."""
    room = MESSAGE_MOST
    for item in view.walk_children():
        if isinstance(item, ui.TextDisplay):
            item.content = without_foreign(item.content)
            room -= len(item.content)
        button = item.item if isinstance(item, ui.DynamicItem) else item
        if isinstance(button, ui.Button) and (button.custom_id or "").startswith("q1:yes:"):
            button.label = t("Yes, do it")  # it said to whom
    note = f"-# {_note(t)}"
    box: Any = next((item for item in view.children if isinstance(item, ui.Container)), view)
    if len(note) <= room:
        box.add_item(ui.TextDisplay(note))
    return view


def _note(t: Text) -> str:
    return t("Discord blocked this message, so names and other text are left out.")
