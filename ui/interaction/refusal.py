"""Show a refusal: its sentence, and whether changes are switched off as well."""

from discord import ui

from core.access.authorizer import Authorizer
from core.access.policy import Actor, level_everywhere
from core.errors import BotError, NotAllowed, ReadOnly, Refused
from core.operations import Level
from ui.cards import notice
from ui.formatting import READ_ONLY, level_word
from ui.i18n import Text
from ui.interaction.context import Services
from ui.messages.errors import error_sentence, read_only_line


def refusal_card(services: Services, t: Text, error: BotError, asker: Actor | None = None) -> ui.LayoutView:
    """Return the card of a refusal. While the bot is read-only, it says so too.

    `t`: the reader's language. `asker`: the refused person, given only if the refusal names no guest.
    """
    held, text = (
        services.authorizer.read_only.refusal,
        mixed_levels_text(t, services.authorizer, asker, error),
    )
    text = text or error_sentence(t, error)
    if held and isinstance(error, Refused) and not isinstance(error, ReadOnly):
        text += f"\n-# {READ_ONLY} {read_only_line(t, held)}"
    return notice(text)


def mixed_levels_text(
    t: Text, authorizer: Authorizer, asker: Actor | None, error: BotError, least: Level = Level.VIEWER
) -> str:
    """Return the sentence for a person whose levels differ between guests, if the refusal names no guest.

    Return "" otherwise, and if the level for the other guests is below `least`. Guests below VIEWER are hidden, so
    the sentence must not mention them.
    """
    if asker is None or not isinstance(error, NotAllowed):
        return ""
    everywhere = level_everywhere(authorizer.rules, asker)
    if not least <= everywhere < error.level:
        return ""
    return t(
        "This takes the level “{needed}”. Yours is “{level}” for some guests, and “{other}” for the others.",
        needed=level_word(t, error.needed),
        level=level_word(t, error.level),
        other=level_word(t, everywhere),
    )
