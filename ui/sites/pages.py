"""Answer the buttons that turn the pages of a list, of one site or of several."""

import re

from ui.interaction.attempt import Attempt
from ui.interaction.context import Interaction, chosen_site, is_private
from ui.interaction.reply import Reply
from ui.interaction.services import Services


def page_reply(services: Services, interaction: Interaction, attempt: Attempt) -> Reply:
    """Return the reply that shows another page in place of the current one.

    A scoped user gets a new private reply on a public message: their page may lack guests that others see there.
    """
    site = chosen_site(interaction)
    shown = list(services.sites) if site is None else [site]
    narrowed = any(each.authorizer.has_hidden_guests(attempt.actor) for each in shown)
    apart = narrowed and not is_private(interaction)
    return Reply(services, interaction, private=apart, anew=apart)


def page_label(match: re.Match[str]) -> str:
    """Return the page for the audit, counted from 1."""
    return f"page={int(match['page']) + 1}"
