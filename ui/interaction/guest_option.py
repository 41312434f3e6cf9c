"""Read what is typed for a guest: a VMID, the exact name of a guest, or either with a site, as in `home/101`.

Completions insert the VMID alone with one site, and `site/VMID` with several. A text that fits more than one
guest is refused. Guests that the person may not see do not count.
"""

import asyncio
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from discord import app_commands

from core.access.guest_index import GuestIndex
from core.access.guest_table import TYPED_MOST, normalized, words_of
from core.access.policy import level_on, unknown_guest
from core.access.rows import Rows, numbers_of
from core.actions.order import Order
from core.actions.preconditions import can_act
from core.audit.record import step_of
from core.errors import BotError
from core.guest import Cluster, Guest
from core.guest_errors import GuestNotFound
from core.levels import Level
from core.operations import Operation
from core.wanted_errors import BadVmid, NoSuchGuest, SeveralGuests, SitesUnread
from ui.formatting import SNAPSHOT, choice_label, plain, plain_label
from ui.interaction import options
from ui.interaction.attempt import Attempt
from ui.interaction.context import (
    Interaction,
    Services,
    Site,
    actor_of,
    choose_site,
    operation_of,
    services_of,
)
from ui.interaction.empty_choices import ChoiceKind, choices_or_reason, explain_empty
from ui.interaction.options import CHOICES_MOST, clusters_of, offered_on, offers

NAMED_MOST = 5
"""Maximum number of guests named when a text fits several."""


@dataclass(frozen=True, slots=True)
class TypedGuest:
    """A typed text in parts. `site`: "" if none was typed. `vmid`: None for a name."""

    text: str
    site: str
    vmid: int | None
    name: str

    @classmethod
    def parse(cls, text: str) -> "TypedGuest":
        written = unicodedata.normalize("NFKC", text[:TYPED_MOST]).strip()
        match = _TYPED.fullmatch(written)
        site, rest = (match["site"].lower(), match["rest"]) if match else ("", written)
        vmid = int(rest) if re.fullmatch(r"[+-]?[0-9]{1,15}", rest) else None
        return cls(written, site, vmid, rest)

    def find(self, guest_index: GuestIndex) -> list[Guest]:
        """Return the guests that this means."""
        if self.vmid is not None:
            guest = guest_index.cluster.find(self.vmid)
            return [guest] if guest else []
        return guest_index.guests_named(self.name) if self.name else []


_TYPED = re.compile(r"(?P<site>[A-Za-z0-9-]{1,16})\s*/\s*(?P<rest>.+)", re.S)


@dataclass(frozen=True, slots=True)
class FoundGuest:
    """The guest that a person means. Whether it exists is known only to Proxmox: the action asks it.

    `fingerprint`: of the guest that had the typed name when it was last read, None if a VMID was typed.
    """

    site: Site
    vmid: int
    fingerprint: str | None = None

    def order(self, interaction: Interaction, operation: Operation) -> Order:
        """Return the person's order for this guest. `dataclasses.replace` adds its options."""
        return Order(operation, self.vmid, actor_of(interaction), fingerprint=self.fingerprint)


async def find_guest(interaction: Interaction, typed: str, operation: Operation) -> FoundGuest:
    """Return the guest that is meant by what the person typed, and note its site as that of the interaction.

    A VMID needs no read with one site, nor after the name of a site. A refusal is recorded in the audit trail.
    Raises: BadVmid, GuestNotFound, NoSuchGuest, SeveralGuests, SitesUnread.
    """
    wanted = TypedGuest.parse(typed)
    found = _without_reading(interaction, wanted)
    if found is None:
        try:
            found = await _found_by_reading(interaction, wanted)
        except BotError as error:
            attempt = Attempt(interaction, operation.value, wanted.vmid, f"vmid={wanted.text}")
            attempt.record(step_of(error), str(error))
            raise
    choose_site(interaction, found.site)
    return found


def _without_reading(interaction: Interaction, wanted: TypedGuest) -> FoundGuest | None:
    if wanted.vmid is None:
        return None
    sites = services_of(interaction).sites
    if not sites.several and not wanted.site:
        return FoundGuest(sites.only, wanted.vmid)
    named = [site for site in visible_sites(interaction) if wanted.site and site.name == wanted.site]
    return FoundGuest(named[0], wanted.vmid) if named else None


async def _found_by_reading(interaction: Interaction, wanted: TypedGuest) -> FoundGuest:
    if wanted.vmid is None and re.fullmatch(r"[+-]?[0-9]+", wanted.name):
        raise BadVmid(wanted.text)
    sites = [site for site in visible_sites(interaction) if wanted.site in ("", site.name)]
    known = list(zip(sites, await clusters_of(sites), strict=True))
    found = list(_matches(interaction, wanted, known))
    if len(found) > 1:
        services = services_of(interaction)
        labels = (guest_label(services, interaction, site, guest) for site, guest in found)
        raise SeveralGuests(wanted.text, "\n".join(itertools.islice(labels, NAMED_MOST)))
    unread = tuple(site.name for site, cluster in known if cluster is None)
    if unread and services_of(interaction).sites.several:
        raise SitesUnread(wanted.text, "\n".join(unread))
    if found:
        site, guest = found[0]
        return FoundGuest(site, guest.vmid, guest.fingerprint if wanted.vmid is None else None)
    raise NoSuchGuest(wanted.text) if wanted.vmid is None or wanted.site else GuestNotFound(wanted.vmid)


def _matches(
    interaction: Interaction, wanted: TypedGuest, known: Iterable[tuple[Site, Cluster | None]]
) -> Iterator[tuple[Site, Guest]]:
    """Yield the guests that fit and that the person may see, those that are only on a watch list too."""
    actor = actor_of(interaction)
    for site, cluster in known:
        fitting = wanted.find(site.authorizer.guest_index(cluster)) if cluster else []
        if not fitting and wanted.vmid is not None and site.watch.find(wanted.vmid):
            fitting = [unknown_guest(wanted.vmid)]
        for guest in fitting:
            if level_on(site.authorizer.rules, actor, guest) > Level.NONE:
                yield site, guest


def visible_sites(interaction: Interaction) -> list[Site]:
    """Return the sites of which the person may see anything. With one site it is always returned."""
    sites, actor = services_of(interaction).sites, actor_of(interaction)
    return [site for site in sites if not sites.several or site.authorizer.sees_anything(actor)]


def guest_value(services: Services, site: Site, vmid: int) -> str:
    """Return the text that a completion inserts for a guest."""
    return f"{site.name}/{vmid}" if services.sites.several else str(vmid)


def guest_label(services: Services, interaction: Interaction, site: Site, guest: Guest) -> str:
    """Return the label of a completion in the person's language."""
    t = services.texts.of_locale(str(interaction.locale))
    return choice_label(t, guest, guest_value(services, site, guest.vmid))


def best_guests(
    guest_index: GuestIndex,
    offered: Rows,
    typed: str,
    operation: Operation | None,
    *,
    templates: bool = True,
) -> list[Guest]:
    """Return at most 25 matching guests of `offered`.

    The guest with exactly the typed VMID comes first, then guests on which the operation can act, then the others.
    Within these, guests that begin with the typed text come first, then the order is by VMID.
    CREATE offers only templates. Operations that do not apply to templates offer none.
    `templates=False`: offer no templates.
    """
    table, start = guest_index.table, normalized(typed)
    if operation is Operation.CREATE:
        offered &= table.templates
    elif not templates or operation not in (None, Operation.DELETE):
        offered &= ~table.templates
    if not offered:
        return []
    exact = offered & table.typed_exactly(start)  # Enter takes the first one: not 9100 if 100 was typed
    begins = table.beginning(start, offered) & ~exact  # what begins with the text contains its words
    able = offered if operation is None else offered & _able(guest_index, operation)
    first = begins & able
    if first.bit_count() >= CHOICES_MOST:
        order: tuple[Rows, ...] = (exact, first)
    else:
        found = table.matching(words_of(typed), offered) & ~exact
        order = (exact, first, found & able & ~begins, begins & ~able, found & ~able & ~begins)
    numbers = itertools.chain.from_iterable(numbers_of(rows, table.count) for rows in order if rows)
    return [guest_index.cluster.guests[row] for row in itertools.islice(numbers, CHOICES_MOST)]


def _able(guest_index: GuestIndex, operation: Operation) -> Rows:
    return guest_index.where(operation, lambda guest: can_act(operation, guest))


class GuestOption(app_commands.Transformer):
    """A text option for a guest, with completion. `find_guest` reads what was typed."""

    def __init__(self, operation: Operation | None = None, *, watched: bool | None = None) -> None:
        """Choose the guests to offer.

        `watched`: True offers only watched guests. False offers guests that can be watched, unwatched ones first.
        """
        self._operation, self._watched = operation, watched

    async def transform(self, _interaction: Interaction, value: object, /) -> str:
        return str(value)

    async def autocomplete(  # type: ignore[override]  # discord.py types it for choices of every kind
        self, interaction: Interaction, value: object, /
    ) -> list[app_commands.Choice[str]]:
        wanted = ChoiceKind.WATCHED if self._watched else ChoiceKind.GUEST
        if self._operation is Operation.CREATE:
            wanted = ChoiceKind.TEMPLATE
        return await choices_or_reason(
            interaction, value, wanted, lambda typed: self._offered(interaction, str(typed))
        )

    async def _offered(self, interaction: Interaction, text: str) -> list[app_commands.Choice[str]]:
        """Return the choices of all sites: guests with exactly the typed VMID first, then the sites in turn."""
        typed = text[:TYPED_MOST].strip()
        narrowed = narrowed_to_sites(visible_sites(interaction), typed)
        sites = [site for site, _ in narrowed]
        for site, cluster in zip(sites, await clusters_of(sites), strict=True):
            if cluster:
                await build_index(site, cluster)
        lists = [self._offered_on(interaction, site, rest) for site, rest in narrowed]
        turns = [each for row in itertools.zip_longest(*lists) for each in row if each is not None]
        turns.sort(key=lambda each: not each[0])
        return [choice for _, choice in turns[:CHOICES_MOST]]

    def _offered_on(
        self, interaction: Interaction, site: Site, typed: str
    ) -> list[tuple[bool, app_commands.Choice[str]]]:
        """Return the choices of one site, each with whether it has exactly the typed VMID."""
        services, cluster = site.services, site.cluster_cache.last
        listed = set[int]() if self._watched is None else {entry.vmid for entry in site.watch.entries}
        found = self._found(interaction, site, cluster, typed, listed) if cluster else []
        labels = {guest.vmid: guest_label(services, interaction, site, guest) for guest in found}
        if self._watched and len(labels) < CHOICES_MOST:
            there = cluster.vmids if cluster else frozenset[int]()
            actor, operation = actor_of(interaction), operation_of(interaction)
            for vmid in sorted(listed - there):
                gone = unknown_guest(vmid)
                if typed in str(vmid) and site.authorizer.refusal(actor, operation, gone) is None:
                    labels[vmid] = guest_value(services, site, vmid)
        return [
            (str(vmid) == typed, app_commands.Choice(name=label, value=guest_value(services, site, vmid)))
            for vmid, label in labels.items()
        ]

    def _found(
        self, interaction: Interaction, site: Site, cluster: Cluster, typed: str, listed: Set[int]
    ) -> list[Guest]:
        guest_index, offered = site.authorizer.guest_index(cluster), offered_on(interaction, site, cluster)
        if self._watched is None:
            return best_guests(guest_index, offered, typed, self._operation)
        watched_rows, templates = guest_index.table.with_vmids(listed), self._watched
        watched = best_guests(
            guest_index, offered & watched_rows, typed, self._operation, templates=templates
        )
        if self._watched:
            return watched
        others = best_guests(guest_index, offered & ~watched_rows, typed, self._operation, templates=False)
        return sorted([*others, *watched], key=lambda guest: str(guest.vmid) != typed)


async def build_index(site: Site, cluster: Cluster) -> None:
    """Build the index of this read in parts. Nothing else has to wait for all of them in a large cluster."""
    for _ in site.authorizer.guest_index(cluster).build():
        await asyncio.sleep(0)


def narrowed_to_sites(sites: Iterable[Site], typed: str) -> list[tuple[Site, str]]:
    """Return the sites that the typed text leaves, each with the text that is left for its guests.

    `home/10` and `home 10` leave one site. Any other text is for the guests of all.
    """
    head, slash, rest = typed.partition("/")
    word, _, after = typed.partition(" ")
    name, left = (head, rest) if slash else (word, after)
    everyone = list(sites)
    named = [(site, left.strip()) for site in everyone if site.name and site.name == name.lower()]
    return named or [(site, typed) for site in everyone]


@explain_empty(ChoiceKind.SNAPSHOT)
async def complete_snapshots(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete the snapshots of the guest chosen in `vmid`, newest first."""
    wanted = TypedGuest.parse(str(getattr(interaction.namespace, "vmid", "") or ""))
    sites = [site for site in visible_sites(interaction) if wanted.site in ("", site.name)]
    try:
        async with asyncio.timeout(options.WAIT_SECONDS):
            known = zip(sites, await clusters_of(sites), strict=True)
            found = list(_matches(interaction, wanted, known))
            if len(found) != 1:
                return []
            site, guest = found[0]
            choose_site(interaction, site)
            if not offers(interaction, guest):
                return []
            snapshots = await site.snapshot_cache.read(guest)
    except (BotError, TimeoutError):
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
