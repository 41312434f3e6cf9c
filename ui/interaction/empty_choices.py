"""Explain an empty completion with one entry, where Discord would only say "no options match".

A command with that entry is refused and does nothing. If the entry's value has a reason (`WORD`), the refusal has the
same words, and a remedy if there is one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from functools import wraps
from typing import Any

from discord import app_commands

from core.errors import BotError, Refused
from core.wanted_errors import NothingChosen
from ui.formatting import REFUSED, plain_label
from ui.i18n import Text
from ui.interaction.context import Interaction, operation_of, services_of, visible_sites
from ui.messages.errors import completion_text, plain_sentence
from ui.messages.nothing import Nothing

WORD = "!nothing"
"""Start of the entry's value. A reason may follow after a colon. The same text, if typed, counts as the entry."""

RECHECK_SECONDS = 0.5
"""Seconds allowed for a second completion, without the typed text. Discord allows 3 s for both together."""

Choices = list[app_commands.Choice[Any]]


def refusal_choice(t: Text, refusal: Refused) -> Choices:
    """Return the entry for a refusal by the gate, or no entry in a place where the bot may not be used."""
    said = completion_text(t, refusal)
    return [_entry(said)] if said else []


def _empty_choice(t: Text, interaction: Interaction, nothing: Nothing) -> Choices:
    """Return the entry for a list that is empty whatever the person types."""
    operation = operation_of(interaction)
    reason = NothingChosen(nothing.value, operation.value if operation else "")
    return [_entry(plain_sentence(t, reason), f"{WORD}:{nothing.value}")]


def unmatched_choice(interaction: Interaction, typed: str, error: BotError) -> Choices:
    """Return the entry for a text that fits no choice. The entry inserts the text, which the command then refuses."""
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    return [_entry(plain_sentence(t, error), typed.strip()[:100])]


def _entry(text: str, value: str = WORD) -> app_commands.Choice[Any]:
    return app_commands.Choice(name=plain_label(f"{REFUSED} {text}"), value=value)


def options_of(data: object) -> Iterator[Mapping[str, Any]]:
    """Yield the options of a command as received. The command may be in a group."""
    inner = data.get("options") if isinstance(data, Mapping) else None
    for option in inner if isinstance(inner, list) else ():
        if isinstance(option, Mapping):
            yield option
            yield from options_of(option)


def nothing_chosen(interaction: Interaction) -> NothingChosen | None:
    """Return the refusal of a command whose options hold the entry, None for any other command."""
    operation = operation_of(interaction)
    for option in options_of(interaction.data):
        word, _, reason = str(option.get("value")).partition(":")
        if word == WORD:
            return NothingChosen(reason, operation.value if operation else "")
    return None


Reason = Nothing | Callable[[Interaction], Nothing]
"""Why a list is empty whatever the person types, or a function that finds out."""
Unmatched = Callable[[Interaction, str], Choices | None]
"""Returns the entry for a typed text that fits no choice, None if the choices could not be read."""


async def choices_or_reason(
    interaction: Interaction,
    typed: object,
    reason: Reason,
    offered: Callable[[Any], Awaitable[Choices]],
    unmatched: Unmatched,
) -> Choices:
    """Return the choices for the typed text, or the one entry that says why there are none."""
    text = str(typed)
    if found := await offered(typed):
        return found
    unread = _is_unread(interaction, reason)
    if text.strip() and not unread and await _has_choices_without_text(offered):
        told = unmatched(interaction, text)
        if told is not None:
            return told
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    nothing = reason if isinstance(reason, Nothing) else reason(interaction)
    return _empty_choice(
        t, interaction, Nothing.UNREAD if unread and nothing is not Nothing.NO_VMID else nothing
    )


def _is_unread(interaction: Interaction, reason: Reason) -> bool:
    """Return whether the choices come from Proxmox and nothing has been read yet that the person may see."""
    if reason in (Nothing.PERSON, Nothing.MUTED, Nothing.SITE, Nothing.DASHBOARD):
        return False
    sites = visible_sites(interaction) or services_of(interaction).sites
    return all(site.cluster_cache.last is None for site in sites)


async def _has_choices_without_text(offered: Callable[[Any], Awaitable[Choices]]) -> bool:
    """Return whether there are choices if nothing is typed. Return True also if that cannot be checked in time."""
    try:
        async with asyncio.timeout(RECHECK_SECONDS):
            return bool(await offered(""))
    except TimeoutError:
        return True


Completion = Callable[[Interaction, str], Coroutine[Any, Any, Choices]]


def explain_empty(reason: Reason, unmatched: Unmatched) -> Callable[[Completion], Completion]:
    """Decorate a completion function so that it explains an empty list."""

    def decorate(complete: Completion) -> Completion:
        @wraps(complete)
        async def completed(interaction: Interaction, current: str) -> Choices:
            return await choices_or_reason(
                interaction, current, reason, lambda typed: complete(interaction, typed), unmatched
            )

        return completed

    return decorate
