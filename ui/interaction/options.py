"""Complete the options of commands (such as VMIDs, snapshots, nodes, durations) from the last read."""

import asyncio
import contextlib
import itertools
import logging
import re
import unicodedata
from collections.abc import Container, Iterable, Set

import discord
from discord import app_commands
from discord.app_commands import locale_str

from core.access.guest_index import NO_OFFER, TYPED_MOST, GuestIndex, Offer, normalized, words_of
from core.access.policy import unknown_guest
from core.actions.preconditions import can_act
from core.cluster_cache import FRESH_SECONDS
from core.errors import BotError
from core.guest import Cluster, Guest
from core.operations import Operation
from core.validation import MOST_SECONDS, parse_duration
from core.wanted_errors import BadDuration
from ui.formatting import SNAPSHOT, choice_label, format_duration, plain, plain_label
from ui.i18n import Text
from ui.interaction.context import Interaction, Site, actor_of, operation_of, services_of, site_of
from ui.interaction.empty_choices import ChoiceKind, choices_or_reason, explain_empty
from ui.interaction.gate import refusal_of
from ui.messages.operations import command_of, operation_noun

_log = logging.getLogger(__name__)

CHOICES_MOST = 25
VMID = locale_str("Guest: VMID or name")
DRY_RUN = locale_str("Only show what would be done")
WAIT_SECONDS = 2.0
"""Seconds that a completion waits for Proxmox. Then it uses the last read, because Discord allows only 3 s."""


async def cluster_for_completion(site: Site, max_age: float = FRESH_SECONDS) -> Cluster | None:
    """Return a read at most `max_age` seconds old, or the last read if Proxmox is too slow for a completion."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await site.cluster_cache.read(max_age)
    except (BotError, TimeoutError):
        return site.cluster_cache.last


def offers(interaction: Interaction, guest: Guest) -> bool:
    """Return whether the person may use the typed command on this guest."""
    return refusal_of(interaction, operation_of(interaction), guest) is None


def offers_whole(interaction: Interaction) -> bool:
    """Return whether the person may use the typed command on the whole cluster."""
    authorizer, operation = site_of(interaction).authorizer, operation_of(interaction)
    return authorizer.refusal(actor_of(interaction), operation, whole=True) is None


def offer_to(interaction: Interaction, cluster: Cluster) -> Offer:
    """Return the guests on which the person may use the typed command."""
    operation = operation_of(interaction)
    return (
        site_of(interaction).authorizer.offer(actor_of(interaction), operation, cluster)
        if operation
        else NO_OFFER
    )


def best_guests(
    guest_index: GuestIndex,
    offer: Offer,
    typed: str,
    operation: Operation | None,
    among: Container[int] | None = None,
    *,
    templates: bool = True,
) -> list[Guest]:
    """Return at most 25 matching guests.

    The guest with exactly the typed VMID comes first, then guests on which the operation can act, then the others.
    Within these, guests that begin with the typed text come first, then the order is by VMID.
    CREATE offers only templates. Operations that do not apply to templates offer none.
    `among`: offer only these VMIDs. `templates=False`: offer no templates.
    The search ends early once the best 25 are known.
    """
    if offer.is_empty:
        return []
    start = normalized(typed)
    kinds: dict[tuple[bool, bool], list[Guest]] = {
        (able, begins): [] for able in (True, False) for begins in (True, False)
    }
    exact: list[Guest] = []

    def wanted(guest: Guest) -> bool:
        if operation is Operation.CREATE:
            return guest.template
        return not guest.template or (templates and operation in (None, Operation.DELETE))

    for row in guest_index.matching(typed):
        guest = row.guest
        if (
            (among is not None and guest.vmid not in among)
            or not wanted(guest)
            or not offer.allows(guest.vmid)
        ):
            continue
        if str(guest.vmid) == start:  # Enter takes the first one: not 9100 if 100 was typed
            exact.append(guest)
            continue
        begins = row.text.startswith(start) or row.name.startswith(start)
        kind = kinds[operation is None or can_act(operation, guest), begins]
        if len(kind) < CHOICES_MOST:
            kind.append(guest)
        if len(kinds[True, True]) == CHOICES_MOST and (exact or not start.isdecimal()):
            break
    return list(itertools.chain(exact, *kinds.values()))[:CHOICES_MOST]


class GuestId(app_commands.Transformer):
    """A VMID with completion. It only reads the number; the action checks everything else."""

    def __init__(self, operation: Operation | None = None, *, watched: bool | None = None) -> None:
        """Choose the guests to offer.

        `watched`: True offers only watched guests. False offers guests that can be watched, unwatched ones first.
        """
        self._operation, self._watched = operation, watched

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.integer

    async def transform(self, _interaction: Interaction, value: int, /) -> int:
        return value

    async def autocomplete(  # type: ignore[override]  # discord.py types it for choices of every kind
        self, interaction: Interaction, value: int | float | str, /
    ) -> list[app_commands.Choice[int]]:
        wanted = ChoiceKind.WATCHED if self._watched else ChoiceKind.GUEST
        if self._operation is Operation.CREATE:
            wanted = ChoiceKind.TEMPLATE
        return await choices_or_reason(
            interaction, value, wanted, lambda typed: self._offered(interaction, typed)
        )

    async def _offered(
        self, interaction: Interaction, value: int | float | str
    ) -> list[app_commands.Choice[int]]:
        site = site_of(interaction)
        cluster = await cluster_for_completion(site)
        listed = {entry.vmid for entry in site.watch.entries}
        typed = str(value)[:TYPED_MOST].strip()
        found = self._found(interaction, cluster, typed, listed) if cluster else []
        t = site.services.texts.of_locale(str(interaction.locale))
        choices = [app_commands.Choice(name=choice_label(t, guest), value=guest.vmid) for guest in found]
        if self._watched and len(choices) < CHOICES_MOST:
            there = {guest.vmid for guest in cluster.guests} if cluster else set()
            gone = sorted(vmid for vmid in listed - there if offers(interaction, unknown_guest(vmid)))
            choices += [
                app_commands.Choice(name=str(vmid), value=vmid) for vmid in gone if typed in str(vmid)
            ]
        return choices[:CHOICES_MOST]

    def _found(self, interaction: Interaction, cluster: Cluster, typed: str, listed: Set[int]) -> list[Guest]:
        guest_index, offer = (
            site_of(interaction).authorizer.guest_index(cluster),
            offer_to(interaction, cluster),
        )
        if self._watched is None:
            return best_guests(guest_index, offer, typed, self._operation)
        watched = best_guests(guest_index, offer, typed, self._operation, listed, templates=self._watched)
        if self._watched:
            return watched
        rest = cluster.vmids - listed
        others = best_guests(guest_index, offer, typed, self._operation, rest, templates=False)
        return sorted([*others, *watched], key=lambda guest: str(guest.vmid) != typed)


@explain_empty(ChoiceKind.SNAPSHOT)
async def complete_snapshots(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete the snapshots of the guest chosen in `vmid`, newest first."""
    site = site_of(interaction)
    try:
        vmid = int(getattr(interaction.namespace, "vmid", 0) or 0)
        async with asyncio.timeout(WAIT_SECONDS):
            guest = (await site.cluster_cache.read()).find(vmid)
            if guest is None or not offers(interaction, guest):
                return []
            snapshots = await site.snapshot_cache.read(guest)
    except (BotError, TimeoutError, ValueError):
        return []
    typed = normalized(current)
    found = [snapshot for snapshot in reversed(snapshots) if typed in snapshot.name.casefold()]
    return [
        app_commands.Choice(
            name=plain_label(
                f"{SNAPSHOT} {plain(snapshot.name)}"
                + (f" · {plain(snapshot.description, 40)}" if snapshot.description else "")
            ),
            value=snapshot.name,
        )
        for snapshot in found[:CHOICES_MOST]
        if len(snapshot.name) <= 100
    ]


@explain_empty(ChoiceKind.NODE)
async def complete_nodes(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete the nodes of the cluster. Scoped users get the nodes that host their guests."""
    site, actor = site_of(interaction), actor_of(interaction)
    cluster, typed = await cluster_for_completion(site), normalized(current)
    names = [node.name for node in cluster.nodes] if cluster else []
    if cluster and site.authorizer.has_hidden_guests(actor):
        names = sorted({guest.node for guest in site.authorizer.visible_cluster(actor, cluster).guests})
    found = [name for name in names if typed in name.casefold()]
    return [app_commands.Choice(name=name, value=name) for name in found[:CHOICES_MOST]]


OFFERED = ("30m", "1h", "2h", "4h", "8h", "1d", "7d")


async def complete_durations(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    return duration_choices(
        t, unicodedata.normalize("NFKC", current[:TYPED_MOST]).strip(), OFFERED, MOST_SECONDS
    )


def duration_choices(
    t: Text, typed: str, offered: Iterable[str], most: int
) -> list[app_commands.Choice[str]]:
    """Return the typed duration and the matching ones of `offered`; all of `offered` if nothing matches.

    The typed one must be at most `most` seconds long. A bare number is offered with each unit (m, h, d).
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
    """Complete the name of an operation in the reader's language."""
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
        key=lambda choice: not any(part.startswith(typed) for part in choice.name.casefold().split(" · "))
    )
    return found[:CHOICES_MOST]
