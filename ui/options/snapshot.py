"""Complete the option for a snapshot of the chosen guest."""

import asyncio

from discord import app_commands

from core.access.guest_table import normalized
from core.errors import BotError
from core.guest_errors import SnapshotNotFound
from ui.formatting import SNAPSHOT, plain, plain_label
from ui.interaction.context import Interaction, choose_site
from ui.interaction.empty_choices import Choices, explain_empty, unmatched_choice
from ui.messages.nothing import Nothing
from ui.options import completions
from ui.options.completions import CHOICES_MOST, clusters_of, offers
from ui.options.typed_guest import TypedGuest, matching_guests, meant_sites, missing_guest

_UNREAD = "snapshots unread"
"""Key of `interaction.extras`, present if the snapshots could not be read."""


def _reason(interaction: Interaction) -> Nothing:
    """Say why there is no snapshot. The reason is the same for a hidden guest and one that does not exist."""
    return Nothing.SNAPSHOT if _typed_guest(interaction) else Nothing.NO_VMID


def _typed_guest(interaction: Interaction) -> str:
    return str(getattr(interaction.namespace, "vmid", "") or "")


def _unmatched(interaction: Interaction, typed: str) -> Choices | None:
    """Return the entry for a text that fits no snapshot, None if the guest's snapshots could not be read."""
    wanted = TypedGuest.parse(_typed_guest(interaction))
    known = ((site, site.cluster_cache.last) for site in meant_sites(interaction, wanted))
    guest = next((guest for _, guest in matching_guests(interaction, wanted, known)), None)
    if guest is None:
        return unmatched_choice(interaction, typed, missing_guest(wanted))
    if _UNREAD in interaction.extras:
        return None
    return unmatched_choice(interaction, typed, SnapshotNotFound(guest.vmid, guest.label, typed.strip()))


@explain_empty(_reason, _unmatched)
async def complete_snapshots(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete the snapshots of the guest chosen in `vmid`, newest first."""
    wanted = TypedGuest.parse(_typed_guest(interaction))
    sites = meant_sites(interaction, wanted)
    try:
        async with asyncio.timeout(completions.WAIT_SECONDS):
            known = zip(sites, await clusters_of(sites), strict=True)
            found = list(matching_guests(interaction, wanted, known))
            if len(found) != 1:
                return []
            site, guest = found[0]
            choose_site(interaction, site)
            if not offers(interaction, guest):
                return []
            snapshots = await site.snapshot_cache.read(guest)
    except (BotError, TimeoutError):
        interaction.extras[_UNREAD] = True
        return []
    typed = normalized(current)
    matching = [snapshot for snapshot in reversed(snapshots) if typed in snapshot.name.casefold()]
    return [
        app_commands.Choice(
            name=plain_label(
                f"{SNAPSHOT} {plain(snapshot.name)}"
                + (f" · {plain(snapshot.description, 40)}" if snapshot.description else "")
            ),
            value=snapshot.name,
        )
        for snapshot in matching[:CHOICES_MOST]
        if len(snapshot.name) <= 100
    ]
