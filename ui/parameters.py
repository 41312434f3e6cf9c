"""The options a person types: VMIDs, snapshot and node names, with completions from the last read."""

import asyncio
import contextlib
import logging
import re
import unicodedata
from collections.abc import Iterable

import discord
from discord import app_commands
from discord.app_commands import locale_str

from core.access import unknown_guest
from core.actions import Verb, can_act
from core.durations import MOST_SECONDS, parse_duration
from core.errors import BadDuration, BotError
from core.guest import Cluster, Guest
from core.watch.model import ALL, guest_subject, node_subject, storage_subject
from ui.gate import actor_of, operation_of, refusal_of
from ui.no_choice import Wanted, or_why, says_why
from ui.render import SNAPSHOT, choice_label, duration, plain, plain_label
from ui.services import Interaction, Services, services_of
from ui.subjects import subject_label, vmid_of
from ui.text import Text

_log = logging.getLogger(__name__)

CHOICES_MOST = 25
VMID = locale_str("The guest: VMID or name")
DRY_RUN = locale_str("Only show what would happen")
WAIT_SECONDS = 2.0
"""Discord wants completions within 3 s; after this the last read, however old, has to do."""


async def cluster_for_completion(services: Services) -> Cluster | None:
    """The last read; renewed when it is over 10 s old, unless Proxmox is too slow for a completion."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await services.reader.read()
    except (BotError, TimeoutError):
        return services.reader.last


def offers(interaction: Interaction, guest: Guest) -> bool:
    """Whether the person may do to this guest what the command that is being typed does."""
    return refusal_of(interaction, operation_of(interaction), guest) is None


def offers_whole(interaction: Interaction) -> bool:
    """The same to everything."""
    judge, operation = services_of(interaction).judge, operation_of(interaction)
    return judge.refusal(actor_of(interaction), operation, whole=True) is None


def offered_guests(interaction: Interaction, cluster: Cluster | None) -> tuple[Guest, ...]:
    return tuple(guest for guest in (cluster.guests if cluster else ()) if offers(interaction, guest))


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
        """`watched`: True offers the watched guests only, False the others first."""
        self._verb, self._watched = verb, watched

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.integer

    async def transform(self, interaction: Interaction, value: int, /) -> int:
        return value

    async def autocomplete(  # type: ignore[override]  # discord.py types it for choices of every kind
        self, interaction: Interaction, value: int | float | str, /
    ) -> list[app_commands.Choice[int]]:
        wanted = Wanted.WATCHED if self._watched else Wanted.GUEST
        if self._verb is Verb.CREATE:
            wanted = Wanted.TEMPLATE
        return await or_why(interaction, value, wanted, lambda typed: self._offered(interaction, typed))

    async def _offered(
        self, interaction: Interaction, value: int | float | str
    ) -> list[app_commands.Choice[int]]:
        services = services_of(interaction)
        cluster = await cluster_for_completion(services)
        guests = offered_guests(interaction, cluster)
        listed = {entry.vmid for entry in services.watch.entries}
        typed = str(value).strip()
        if self._watched:
            guests = tuple(guest for guest in guests if guest.vmid in listed)
        found = best_guests(guests, typed, self._verb)
        if self._watched is False:
            others = best_guests((guest for guest in guests if guest.vmid not in listed), typed, self._verb)
            found = [*others, *(guest for guest in found if guest.vmid in listed)]
            found.sort(key=lambda guest: str(guest.vmid) != typed)
        t = services.texts.of_locale(str(interaction.locale))
        choices = [app_commands.Choice(name=choice_label(t, guest), value=guest.vmid) for guest in found]
        if self._watched and len(choices) < CHOICES_MOST:
            there = {guest.vmid for guest in cluster.guests} if cluster else set()
            gone = sorted(vmid for vmid in listed - there if offers(interaction, unknown_guest(vmid)))
            choices += [
                app_commands.Choice(name=str(vmid), value=vmid) for vmid in gone if typed in str(vmid)
            ]
        return choices[:CHOICES_MOST]


@says_why(Wanted.SNAPSHOT)
async def snapshot_names(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """The snapshots of the guest chosen in `vmid`, newest first."""
    services = services_of(interaction)
    try:
        vmid = int(getattr(interaction.namespace, "vmid", 0) or 0)
        async with asyncio.timeout(WAIT_SECONDS):
            guest = services.reader.known(vmid) or (await services.reader.read()).find(vmid)
            if guest is None or not offers(interaction, guest):
                return []
            snapshots = await services.snapshots.read(guest)
    except (BotError, TimeoutError, ValueError):
        return []
    found = [snapshot for snapshot in reversed(snapshots) if current.casefold() in snapshot.name.casefold()]
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


@says_why(Wanted.NODE)
async def node_names(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """The nodes of the cluster."""
    services, actor = services_of(interaction), actor_of(interaction)
    cluster = await cluster_for_completion(services)
    names = [node.name for node in cluster.nodes] if cluster else []
    if cluster and services.judge.narrowed(actor):
        names = sorted({guest.node for guest in services.judge.seen(actor, cluster).guests})
    found = [name for name in names if current.casefold() in name.casefold()]
    return [app_commands.Choice(name=name, value=name) for name in found[:CHOICES_MOST]]


# -- mutes


@says_why(Wanted.TARGET)
async def mute_targets(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Everything, the guests (the watched ones first), the nodes and the storages."""
    services = services_of(interaction)
    cluster = await cluster_for_completion(services)
    listed = {entry.vmid for entry in services.watch.entries}
    guests = offered_guests(interaction, cluster)
    first = [guest.vmid for guest in guests if guest.vmid in listed and not guest.template]
    then = [guest.vmid for guest in guests if guest.vmid not in listed and not guest.template]
    nodes = [node_subject(node.name) for node in cluster.nodes] if cluster else []
    there = {guest.vmid for guest in cluster.guests} if cluster else set()
    gone = sorted(vmid for vmid in listed - there if offers(interaction, unknown_guest(vmid)))
    if not offers_whole(interaction):
        subjects = [guest_subject(vmid) for vmid in (*first, *gone, *then)]
        return _subject_choices(interaction, subjects, cluster, current)
    storages = dict.fromkeys(
        storage_subject(row.name, None if row.shared else row.node)
        for row in (cluster.storages if cluster else ())
    )
    subjects = [ALL, *map(guest_subject, (*first, *gone)), *nodes, *map(guest_subject, then), *storages]
    return _subject_choices(interaction, subjects, cluster, current)


@says_why(Wanted.MUTED)
async def held_mutes(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """What is muted just now."""
    services = services_of(interaction)
    cluster = await cluster_for_completion(services)
    guests = {guest.vmid: guest for guest in (cluster.guests if cluster else ())}
    whole = offers_whole(interaction)
    held = [
        mute.target
        for mute in services.watch.mutes()
        if ((vmid := vmid_of(mute.target)) is None and whole)
        or (vmid is not None and offers(interaction, guests.get(vmid) or unknown_guest(vmid)))
    ]
    return _subject_choices(interaction, held, cluster, current)


def _subject_choices(
    interaction: Interaction, subjects: Iterable[str], cluster: Cluster | None, typed: str
) -> list[app_commands.Choice[str]]:
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    words = typed.casefold().split()
    labels = ((subject, subject_label(t, subject, cluster)) for subject in subjects if len(subject) <= 100)
    found = [
        app_commands.Choice(name=label, value=subject)
        for subject, label in labels
        if all(word in f"{label} {subject}".casefold() for word in words)
    ]
    meant = typed.strip()
    named = (
        {guest_subject(guest.vmid) for guest in cluster.guests if guest.name == meant} if cluster else set()
    )
    exact = {meant, node_subject(meant), f"guest/{meant}", *named}
    found.sort(key=lambda choice: choice.value not in exact)  # what Enter takes
    return found[:CHOICES_MOST]


OFFERED = ("30m", "1h", "2h", "4h", "8h", "1d", "7d")


async def durations(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    return duration_choices(t, unicodedata.normalize("NFKC", current).strip(), OFFERED, MOST_SECONDS)


def duration_choices(
    t: Text, typed: str, offered: Iterable[str], most: int
) -> list[app_commands.Choice[str]]:
    """What was typed, where it is one of at most `most` seconds (a bare number may become one), and those that are
    often wanted."""
    wishes = [f"{typed}{unit}" for unit in ("m", "h", "d")] if re.fullmatch("[0-9]{1,5}", typed) else [typed]
    found: dict[int, str] = {}
    for text in wishes if typed else ():
        with contextlib.suppress(BadDuration):
            found[parse_duration(text, most)] = text
    wanted = {text: parse_duration(text, most) for text in offered}
    for text, seconds in wanted.items():
        if typed.casefold() in text or typed.casefold() in duration(t, seconds).casefold():
            found.setdefault(seconds, text)
    if not found:  # rather than nothing at all
        found = {seconds: text for text, seconds in wanted.items()}
    return [
        app_commands.Choice(name=duration(t, seconds), value=text)
        for seconds, text in found.items()
        if len(text) <= 100
    ][:CHOICES_MOST]
