"""Build the card of a refusal: its sentence, the next step, and a note if read-only mode is on as well."""

import discord
from discord import ui

from core.access.authorizer import Authorizer
from core.access.policy import Actor, level_everywhere
from core.errors import BotError, NotAllowed, NotHere, ReadOnly, Refused
from core.levels import Level
from ui.cards import card
from ui.formatting import READ_ONLY, Colour, level_word
from ui.i18n import Text
from ui.interaction.context import Interaction, chosen_site, named_site
from ui.interaction.next_steps import refusal_buttons
from ui.interaction.services import Services
from ui.messages.errors import error_sentence, read_only_line


def refusal_card(
    services: Services,
    t: Text,
    error: BotError,
    interaction: Interaction,
    asker: Actor | None = None,
    *,
    about: int | None = None,
) -> ui.LayoutView:
    """Return the card of a refusal, and count the error.

    While the site is read-only, any other refusal also says so to people who see the site.
    `t`: the reader's language. `asker`: the refused person, given only if the refusal names no guest.
    `about`: VMID of the guest that was asked for, if it is known.
    """
    services.measures.on_error(type(error).__name__)
    site = chosen_site(interaction)
    hidden = services.sites.several and not named_site(interaction)
    held = site.authorizer.read_only.refusal if site and not hidden else None
    text = _mixed_levels_text(t, site.authorizer, asker, error) if site else ""
    channel = _usable_channel(services, interaction) if isinstance(error, NotHere) else None
    if channel is not None:
        text = t("The bot does not work in this channel. Try {channel}.", channel=f"<#{channel}>")
    text = text or error_sentence(t, error)
    if held and isinstance(error, Refused) and not isinstance(error, ReadOnly):
        text += f"\n-# {READ_ONLY} {read_only_line(t, held)}"
    return card(text, colour=Colour.WARN, buttons=refusal_buttons(t, interaction, error, about))


def _usable_channel(services: Services, interaction: Interaction) -> int | None:
    """Return the first channel of the bot's category where this person can use commands, None if there is none.

    Alert channels come last.
    """
    guild, person = interaction.guild, interaction.user
    if guild is None or guild.id != services.guild_id or not isinstance(person, discord.Member):
        return None
    of_category = (each for each in guild.text_channels if each.category_id == services.category_id)
    alerts = {site.authorizer.rules.alert_channel_id for site in services.sites}
    for channel in sorted(of_category, key=lambda each: (each.id in alerts, each.position)):
        allowed = channel.permissions_for(person)
        if allowed.view_channel and allowed.use_application_commands:
            return channel.id
    return None


def _mixed_levels_text(t: Text, authorizer: Authorizer, asker: Actor | None, error: BotError) -> str:
    """Return the sentence for a person whose levels differ between guests, if the refusal names no guest.

    Return "" otherwise, and if the other guests are hidden from the person, because the sentence mentions them.
    """
    if asker is None or not isinstance(error, NotAllowed):
        return ""
    everywhere = level_everywhere(authorizer.rules, asker)
    if not Level.VIEWER <= everywhere < error.level:
        return ""
    return t(
        "You need the “{needed}” level; yours is “{level}” for some guests and “{other}” for the others.",
        needed=level_word(t, error.needed),
        level=level_word(t, error.level),
        other=level_word(t, everywhere),
    )
