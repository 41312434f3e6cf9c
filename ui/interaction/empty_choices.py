"""Explain an empty completion with one entry, where Discord would only say "no options match".

Choosing that entry does nothing: its value is refused before anything else is checked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from enum import Enum
from functools import wraps
from typing import Any

from discord import app_commands

from core.access.policy import Actor
from core.errors import Refused
from core.wanted_errors import NothingChosen
from ui.formatting import REFUSED, plain_label
from ui.i18n import N_, Marked, Text
from ui.interaction.context import Interaction, actor_of, chosen_site, services_of
from ui.interaction.refusal import mixed_levels_text
from ui.messages.errors import choice

WORD = "!nothing"
"""Value of that entry. It cannot be a guest, node, snapshot, target or duration."""

RECHECK_SECONDS = 0.5
"""Seconds for a second completion, without the typed text. Discord allows 3 s for both."""
Choices = list[app_commands.Choice[Any]]


class ChoiceKind(Enum):
    """Kind of choices that a completion offers."""

    GUEST = "guest"
    TEMPLATE = "template"
    WATCHED = "watched"
    SNAPSHOT = "snapshot"
    NODE = "node"
    SITE = "site"
    TARGET = "target"
    MUTED = "muted"
    PERSON = "person"


_NONE: Mapping[ChoiceKind, Marked] = {
    ChoiceKind.GUEST: N_("You cannot do this with any guest."),
    ChoiceKind.TEMPLATE: N_("There are no templates you can use."),
    ChoiceKind.WATCHED: N_("None of your guests is on the watch list."),
    ChoiceKind.NODE: N_("There are no nodes to choose from."),
    ChoiceKind.SITE: N_("There is no site you can use this on."),
    ChoiceKind.TARGET: N_("There is nothing you can mute."),
    ChoiceKind.PERSON: N_("Nobody found: the audit trail is empty or cannot be read right now."),
    ChoiceKind.MUTED: N_("There is no mute you can remove."),
}


def refusal_choice(t: Text, interaction: Interaction, refusal: Refused, asker: Actor) -> Choices:
    """Return the entry for a refusal by the gate; no entry where the bot may not be used at all."""
    said = choice(t, refusal)
    if not said:
        return []
    site = chosen_site(interaction)
    mixed = mixed_levels_text(t, site.authorizer, asker, refusal) if site else ""
    return [_entry(mixed or said)]


def empty_choice(t: Text, interaction: Interaction, wanted: ChoiceKind) -> Choices:
    """Return the entry for a list that is empty whatever the person types."""
    if _is_unread(interaction, wanted):
        return [_entry(t("Cannot read from Proxmox right now."))]
    if wanted is ChoiceKind.SNAPSHOT:
        return [_entry(_no_snapshot(t, interaction))]
    return [_entry(t(_NONE[wanted]))]


def _no_snapshot(t: Text, interaction: Interaction) -> str:
    """Say why there is no snapshot. The text is the same for a hidden guest and for one that does not exist."""
    if not getattr(interaction.namespace, "vmid", None):
        return t("Choose a guest (vmid) first.")
    return t("No snapshots found: the guest has none, or it cannot be read right now.")


def _entry(text: str) -> app_commands.Choice[Any]:
    return app_commands.Choice(name=plain_label(f"{REFUSED} {text}"), value=WORD)


def options_of(data: object) -> Iterator[Mapping[str, Any]]:
    """Yield the options of a command as received, also of a command in a group."""
    inner = data.get("options") if isinstance(data, Mapping) else None
    for option in inner if isinstance(inner, list) else ():
        if isinstance(option, Mapping):
            yield option
            yield from options_of(option)


def nothing_chosen(interaction: Interaction) -> NothingChosen | None:
    """Return the refusal if that entry was chosen in the command, otherwise None."""
    chosen = any(option.get("value") == WORD for option in options_of(interaction.data))
    return NothingChosen() if chosen else None


async def choices_or_reason(
    interaction: Interaction,
    typed: object,
    wanted: ChoiceKind,
    offered: Callable[[Any], Awaitable[Choices]],
) -> Choices:
    """Return the choices for the typed text, or the reason entry if there are none for any text."""
    found = await offered(typed)
    if found or (str(typed).strip() and await _is_narrowed(interaction, wanted, offered)):
        return found
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    return empty_choice(t, interaction, wanted)


def _is_unread(interaction: Interaction, wanted: ChoiceKind) -> bool:
    """Return whether the choices come from Proxmox and nothing has been read yet that the person may see."""
    if wanted in (ChoiceKind.PERSON, ChoiceKind.MUTED, ChoiceKind.SITE):
        return False
    sites, actor = services_of(interaction).sites, actor_of(interaction)
    seen = [site for site in sites if not sites.several or site.authorizer.sees_anything(actor)]
    return all(site.cluster_cache.last is None for site in seen or sites)


async def _is_narrowed(
    interaction: Interaction, wanted: ChoiceKind, offered: Callable[[Any], Awaitable[Choices]]
) -> bool:
    """Return whether only the typed text leaves no choices. True also if that cannot be checked in time."""
    if _is_unread(interaction, wanted):
        return False
    try:
        async with asyncio.timeout(RECHECK_SECONDS):
            return bool(await offered(""))
    except TimeoutError:
        return True


Completion = Callable[[Interaction, str], Coroutine[Any, Any, Choices]]


def explain_empty(wanted: ChoiceKind) -> Callable[[Completion], Completion]:
    """Decorate a completion function so that it explains an empty list."""

    def around(complete: Completion) -> Completion:
        @wraps(complete)
        async def completed(interaction: Interaction, current: str) -> Choices:
            return await choices_or_reason(
                interaction, current, wanted, lambda typed: complete(interaction, typed)
            )

        return completed

    return around
