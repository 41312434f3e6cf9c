"""Read clusters in time for a completion, and complete durations and operations."""

import asyncio
import contextlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from discord import app_commands
from discord.app_commands import locale_str

from core.access.guest_table import TYPED_MOST, normalized, words_of
from core.access.rows import NO_ROWS, Rows
from core.cluster.cache import FRESH_SECONDS
from core.errors import BotError
from core.guest import Cluster, Guest
from core.operations import Operation
from core.validation import MOST_SECONDS, parse_duration
from core.wanted_errors import BadDuration, UnknownOperation
from ui.discord.failures import log_unexpected
from ui.formatting import format_duration, plain_label
from ui.i18n import Text
from ui.interaction.context import Interaction, actor_of, operation_of, services_of
from ui.interaction.empty_choices import unmatched_choice
from ui.interaction.gate import refusal_of
from ui.interaction.services import Site
from ui.messages.operations import command_of, operation_noun

CHOICES_MOST = 25
"""Maximum number of choices of a completion (Discord)."""
VMID = locale_str("Guest: VMID or name")
DRY_RUN = locale_str("Show what would happen without doing it")
WAIT_SECONDS = 2.0
"""Seconds that a completion, or an answer about several sites, waits for Proxmox. Then it uses the last read.

Discord allows 3 s for a completion.
"""
OTHERS_SECONDS = 0.3
"""Seconds to wait for the other sites once one has answered."""


async def cluster_for_completion(site: Site, max_age: float = FRESH_SECONDS) -> Cluster | None:
    """Return a read at most `max_age` seconds old, or the last read (None: none) if Proxmox fails or is too slow."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await site.cluster_cache.read(max_age)
    except (BotError, TimeoutError):
        return site.cluster_cache.last


async def clusters_of(sites: Sequence[Site]) -> list[Cluster | None]:
    """Return the last read of each site, after a fresh read if the site answers in time.

    With several sites, do not wait for a site that the watch cannot read. Once one site has answered, wait only
    briefly for the others.
    """
    waiting = {
        asyncio.ensure_future(_is_read(site))
        for site in sites
        if site.watch.read_error is None or len(sites) == 1
    }
    answered = False
    while waiting and not answered:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        answered = any(read.result() for read in done)
    if waiting:
        await asyncio.wait(waiting, timeout=OTHERS_SECONDS)
    for read in waiting:
        read.cancel()
    return [site.cluster_cache.last for site in sites]


async def _is_read(site: Site) -> bool:
    """Read a site, and return whether it has answered in time for a completion."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await site.cluster_cache.read()
    except (BotError, TimeoutError):
        return False
    except Exception as error:  # noqa: BLE001 - a bug at one site must not hide the choices of the others
        log_unexpected(error)
        return False
    return True


def offers(interaction: Interaction, guest: Guest) -> bool:
    """Return whether the person may use the typed command on this guest."""
    return refusal_of(interaction, operation_of(interaction), guest) is None


def offered_on(interaction: Interaction, site: Site, cluster: Cluster) -> Rows:
    """Return the guests of a site on which the person may use the typed command."""
    operation = operation_of(interaction)
    return site.authorizer.offered_rows(actor_of(interaction), operation, cluster) if operation else NO_ROWS


OFFERED = ("30m", "1h", "2h", "4h", "8h", "1d", "7d")
"""Durations that are offered, all of them while nothing is typed."""


async def complete_durations(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete a duration of at most 30 days."""
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    return duration_choices(
        t, unicodedata.normalize("NFKC", current[:TYPED_MOST]).strip(), OFFERED, MOST_SECONDS
    )


def duration_choices(
    t: Text, typed: str, offered: Iterable[str], most: int
) -> list[app_commands.Choice[str]]:
    """Return the typed duration and the matching ones of `offered`, or all of `offered` if nothing matches.

    A typed duration of more than `most` seconds is left out. A typed number is offered with each unit (m, h, d).
    """
    wishes = [f"{typed}{unit}" for unit in ("m", "h", "d")] if re.fullmatch("[0-9]{1,5}", typed) else [typed]
    found: dict[int, str] = {}
    for text in wishes if typed else ():
        with contextlib.suppress(BadDuration):
            found[parse_duration(text, most)] = text
    wanted, start = {text: parse_duration(text, most) for text in offered}, normalized(typed)
    for text, seconds in wanted.items():
        if start in text or start in format_duration(t, seconds).casefold():
            found.setdefault(seconds, text)
    if not found:  # better than an empty list
        found = {seconds: text for text, seconds in wanted.items()}
    return [
        app_commands.Choice(name=format_duration(t, seconds), value=text)
        for seconds, text in found.items()
        if len(text) <= 100
    ][:CHOICES_MOST]


async def complete_operations(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete an operation by its noun in the reader's language or its command's name."""
    services = services_of(interaction)
    t = services.texts.of_locale(str(interaction.locale))
    typed = normalized(current).replace("_", " ").lstrip("/").strip()
    labels = {each: f"{operation_noun(t, each)} · {command_of(each)}" for each in Operation}
    found = [
        app_commands.Choice(name=plain_label(label), value=operation.value)
        for operation, label in labels.items()
        if all(word in label.casefold() for word in words_of(typed))
    ]
    found.sort(
        key=lambda choice: [not part.startswith(typed) for part in choice.name.casefold().split(" · ")]
    )
    return found[:CHOICES_MOST] or unmatched_choice(interaction, current, UnknownOperation(current.strip()))
