"""Find the services, the site and the actor of an interaction."""

from collections.abc import Iterable
from typing import Protocol, cast

import discord

from core.access.policy import Actor, InteractionKind, Place
from core.operations import Operation
from ui.interaction.services import Services, Site

Interaction = discord.Interaction[discord.Client]


class _Serving(Protocol):
    services: Services


def services_of(interaction: Interaction) -> Services:
    """Return the services of the client.

    discord.py makes a new button object for every press, so buttons cannot hold the services themselves.
    """
    return cast(_Serving, interaction.client).services


_CHOSEN_SITE, _NAMED_SITE = "site", "named site"
"""Keys in the extras of an interaction, for the results of `choose_site` and `named_site`."""


def choose_site(interaction: Interaction, site: Site) -> None:
    """Note the site that this interaction is about."""
    interaction.extras[_CHOSEN_SITE] = site
    interaction.extras.pop(_NAMED_SITE, None)


def chosen_site(interaction: Interaction) -> Site | None:
    """Return the site that this interaction is about, or the only one. None if none of several is chosen yet."""
    site: Site | None = interaction.extras.get(_CHOSEN_SITE)
    sites = services_of(interaction).sites
    return site if site is not None or sites.several else sites.only


def site_of(interaction: Interaction) -> Site:
    """Return the site that this interaction is about.

    Raises: LookupError if none of several is chosen yet: a bug, and nothing is done.
    """
    return chosen_site(interaction) or services_of(interaction).sites.only


def named_site(interaction: Interaction) -> str:
    """Return the name of the interaction's site, to be shown on the answers.

    Return "" if there is only one site, if none is chosen, or if the person may not see anything of the chosen one.
    This is decided once after a site is chosen: a person who deletes the only guest that they see still reads its
    site.
    """
    site = chosen_site(interaction)
    if site is None or not site.name:
        return ""
    if _NAMED_SITE not in interaction.extras:
        seen = site.authorizer.sees_anything(actor_of(interaction))
        interaction.extras[_NAMED_SITE] = site.name if seen else ""
    return str(interaction.extras[_NAMED_SITE])


_INTERACTION_KINDS = {
    discord.InteractionType.autocomplete: InteractionKind.COMPLETION,
    discord.InteractionType.component: InteractionKind.BUTTON,
    discord.InteractionType.modal_submit: InteractionKind.FORM,
}


def actor_of(interaction: Interaction) -> Actor:
    """Return the person with roles and place.

    Roles and channel come only from this interaction, never from memory or from a `custom_id`. The channel's category
    comes from the client's cache, if the channel is there.
    """
    user = interaction.user
    place = Place(interaction.guild_id, _category_of(interaction), interaction.channel_id)
    roles = frozenset(role.id for role in getattr(user, "roles", ()))  # a `User` (direct message) has none
    return Actor(
        user.id,
        user.display_name,
        place,
        roles,
        _INTERACTION_KINDS.get(interaction.type, InteractionKind.COMMAND),
    )


def visible_sites(interaction: Interaction) -> list[Site]:
    """Return the sites where the person may see anything. The only site is always returned."""
    sites, actor = services_of(interaction).sites, actor_of(interaction)
    return [site for site in sites if not sites.several or site.authorizer.sees_anything(actor)]


def _category_of(interaction: Interaction) -> int | None:
    """Return the category of the channel, or of its parent for a thread or forum post. None without one."""
    channel, guild = interaction.channel, interaction.guild
    if channel is None or guild is None:
        return None
    known = guild.get_channel_or_thread(channel.id) or channel
    try:
        category = getattr(known, "category_id", None)
    except discord.ClientException:  # a thread whose parent is not known
        return None
    return category if isinstance(category, int) else None


def operation_of(interaction: Interaction) -> Operation | None:
    """Return the operation of a command or its completion, None for any other interaction."""
    command = interaction.command
    return Operation(command.qualified_name.replace(" ", "_")) if command else None


async def gone_from(interaction: Interaction, people: Iterable[int]) -> frozenset[int]:
    """Return which of these people have left the guild. A mention of them would show only a number."""
    return await services_of(interaction).members.gone(interaction.guild, people)


def is_private(interaction: Interaction) -> bool:
    """Return whether only one person sees the message with the pressed button or menu. False for a command."""
    return interaction.message is not None and interaction.message.flags.ephemeral
