"""A no, as it is shown: its sentence, and whether changes are switched off besides."""

from discord import ui

from core.errors import BotError, ReadOnly, Refused
from ui.cards import notice
from ui.render import READ_ONLY
from ui.sentences import read_only_line, sentence
from ui.services import Services
from ui.text import Text


def refusal_card(services: Services, t: Text, error: BotError) -> ui.LayoutView:
    """`t`: the reader's language. Whoever is told no while the bot is read-only learns of that too."""
    held, text = services.judge.read_only.held, sentence(t, error)
    if held and isinstance(error, Refused) and not isinstance(error, ReadOnly):
        text += f"\n-# {READ_ONLY} {read_only_line(t, held)}"
    return notice(text)
