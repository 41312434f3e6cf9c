"""The options a person types: VMIDs, snapshot and node names, with completions from the last read."""

import asyncio
import logging
from collections.abc import Iterable

import discord
from discord import app_commands
from discord.app_commands import locale_str

from core.actions import Verb, can_act
from core.errors import BotError
from core.guest import Cluster, Guest
from ui.render import choice_label, plain, plain_label
from ui.services import Interaction, Services, services_of

_log = logging.getLogger(__name__)

CHOICES_MOST = 25
VMID = locale_str("The guest: VMID or name")
WAIT_SECONDS = 2.0
"""Discord wants completions within 3 s; after this the last read, however old, has to do."""


async def cluster_for_completion(services: Services) -> Cluster | None:
    """The last read; renewed when it is over 10 s old, unless Proxmox is too slow for a completion."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await services.reader.read()
    except (BotError, TimeoutError):
        return services.reader.last


def matches(guest: Guest, typed: str) -> bool:
    """By VMID, name or node, whatever the case."""
    words = typed.casefold().split()
    text = f"{guest.vmid} {guest.name or ''} {guest.node}".casefold()
    return all(word in text for word in words)


def best_guests(guests: Iterable[Guest], typed: str, verb: Verb | None) -> list[Guest]:
    """At most 25: the VMID typed in full, then those the verb can act on, those that begin as typed, and by VMID.

    CREATE offers templates only; the verbs a template can never take do not offer any.
    """
    start = typed.casefold()

    def wanted(guest: Guest) -> bool:
        if verb is Verb.CREATE:
            return guest.template
        return not guest.template or verb in (None, Verb.DELETE)

    def rank(guest: Guest) -> tuple[bool, bool, bool, int]:
        begins = str(guest.vmid).startswith(start) or (guest.name or "").casefold().startswith(start)
        exact = str(guest.vmid) == start  # what Enter takes must not be 9100 when 100 was typed
        return (not exact, verb is not None and not can_act(verb, guest), not begins, guest.vmid)

    found = (guest for guest in guests if wanted(guest) and matches(guest, typed))
    return sorted(found, key=rank)[:CHOICES_MOST]


class GuestId(app_commands.Transformer):
    """A VMID. Only the number is taken; everything about it is checked by the action."""

    def __init__(self, verb: Verb | None = None, *, watched: bool | None = None) -> None:
        self._verb, self._watched = verb, watched

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.integer

    async def transform(self, interaction: Interaction, value: int, /) -> int:
        return value

    async def autocomplete(  # type: ignore[override]  # discord.py types it for choices of every kind
        self, interaction: Interaction, value: int | float | str, /
    ) -> list[app_commands.Choice[int]]:
        services = services_of(interaction)
        cluster = await cluster_for_completion(services)
        guests = cluster.guests if cluster else ()
        if self._watched is not None:
            listed = {entry.vmid for entry in services.watch.state.guests}
            guests = tuple(guest for guest in guests if (guest.vmid in listed) is self._watched)
        t = services.texts.of_locale(str(interaction.locale))
        found = best_guests(guests, str(value).strip(), self._verb)
        choices = [app_commands.Choice(name=choice_label(t, guest), value=guest.vmid) for guest in found]
        if self._watched and len(choices) < CHOICES_MOST:
            known = {guest.vmid for guest in guests}
            gone = sorted(listed - known)
            choices += [
                app_commands.Choice(name=str(vmid), value=vmid) for vmid in gone if str(value) in str(vmid)
            ]
        return choices[:CHOICES_MOST]


async def snapshot_names(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """The snapshots of the guest chosen in `vmid`, newest first."""
    services = services_of(interaction)
    try:
        vmid = int(getattr(interaction.namespace, "vmid", 0) or 0)
        async with asyncio.timeout(WAIT_SECONDS):
            guest = services.reader.known(vmid) or (await services.reader.read()).find(vmid)
            if guest is None:
                return []
            snapshots = await services.snapshots.read(guest)
    except (BotError, TimeoutError, ValueError):
        return []
    found = [snapshot for snapshot in reversed(snapshots) if current.casefold() in snapshot.name.casefold()]
    return [
        app_commands.Choice(
            name=plain_label(
                f"📸 {plain(snapshot.name)}"
                + (f" · {plain(snapshot.description, 40)}" if snapshot.description else "")
            ),
            value=snapshot.name,
        )
        for snapshot in found[:CHOICES_MOST]
        if len(snapshot.name) <= 100
    ]


async def node_names(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """The nodes of the cluster."""
    cluster = await cluster_for_completion(services_of(interaction))
    names = [node.name for node in cluster.nodes] if cluster else []
    found = [name for name in names if current.casefold() in name.casefold()]
    return [app_commands.Choice(name=name, value=name) for name in found[:CHOICES_MOST]]
