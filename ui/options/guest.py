"""Complete the option for a guest: the guests that fit the typed text best. A read of the cluster is indexed once."""

import asyncio
import itertools
from collections.abc import Iterable, Sequence, Set

from discord import app_commands

from core.access.guest_index import GuestIndex
from core.access.guest_table import TYPED_MOST, normalized, words_of
from core.access.policy import unknown_guest
from core.access.rows import Rows, numbers_of
from core.actions.preconditions import can_act, failed_precondition
from core.errors import BotError, CannotWatchTemplate, NotWatched
from core.guest import Cluster, Guest
from core.guest_errors import GuestNotFound
from core.operations import Operation
from core.validation import is_vmid
from ui.formatting import UNSURE, plain_label
from ui.interaction.context import Interaction, actor_of, operation_of, services_of, visible_sites
from ui.interaction.empty_choices import Choices, choices_or_reason, unmatched_choice
from ui.interaction.services import Site
from ui.messages.nothing import Nothing
from ui.options.completions import CHOICES_MOST, clusters_of, offered_on
from ui.options.typed_guest import (
    TypedGuest,
    guest_label,
    guest_value,
    matching_guests,
    meant_sites,
    missing_guest,
)

LISTING_GONE = (Operation.AUDIT, Operation.MONITOR_HISTORY)
"""Operations that also accept a VMID that is not in the cluster."""


def best_guests(
    guest_index: GuestIndex,
    offered: Rows,
    typed: str,
    operation: Operation | None,
    *,
    templates: bool = True,
    recent: Sequence[int] = (),
) -> list[Guest]:
    """Return at most 25 matching guests of `offered`.

    The guest with exactly the typed VMID comes first, then guests on which the operation can act, then the others.
    Within these, guests that begin with the typed text come first, then the order is by VMID.
    CREATE offers only templates. DELETE and `operation=None` also offer templates. Other operations offer none.
    `templates=False`: offer no templates.
    `recent`: VMIDs that come first while nothing is typed, if the operation can act on them.
    """
    table, start = guest_index.table, normalized(typed)
    if operation is Operation.CREATE:
        offered &= table.templates
    elif not templates or operation not in (None, Operation.DELETE):
        offered &= ~table.templates
    if not offered:
        return []
    exact = offered & table.typed_exactly(start)  # Enter takes the first one: not 9100 if 100 was typed
    begins = table.beginning(start, offered) & ~exact  # a guest that begins with the text contains its words
    able = offered if operation is None else offered & _able(guest_index, operation)
    latest = [] if start else [table.with_vmids({vmid}) & able for vmid in recent]
    for rows in latest:
        begins &= ~rows
    first = begins & able
    if first.bit_count() >= CHOICES_MOST:
        order: tuple[Rows, ...] = (exact, *latest, first)
    else:
        found = table.matching(words_of(typed), offered) & ~exact
        for rows in latest:
            found &= ~rows
        order = (exact, *latest, first, found & able & ~begins, begins & ~able, found & ~able & ~begins)
    numbers = itertools.chain.from_iterable(numbers_of(rows, table.count) for rows in order if rows)
    return [guest_index.cluster.guests[row] for row in itertools.islice(numbers, CHOICES_MOST)]


def _able(guest_index: GuestIndex, operation: Operation) -> Rows:
    return guest_index.where(operation, lambda guest: can_act(operation, guest))


class GuestOption(app_commands.Transformer):
    """A text option for a guest, with completion. `find_guest` reads the typed text."""

    def __init__(self, operation: Operation | None = None, *, watched: bool | None = None) -> None:
        """Choose the guests to offer.

        `operation`: as in `best_guests`; None if the command is useful whatever the state of the guest.
        `watched`: True offers only watched guests. False offers guests that can be watched, unwatched ones first.
        """
        self._operation, self._watched = operation, watched

    async def transform(self, _interaction: Interaction, value: object, /) -> str:
        return str(value)

    async def autocomplete(  # type: ignore[override]  # discord.py types it for choices of every kind
        self, interaction: Interaction, value: object, /
    ) -> list[app_commands.Choice[str]]:
        return await choices_or_reason(
            interaction,
            value,
            self._reason,
            lambda typed: self._offered(interaction, str(typed)),
            lambda asked, typed: self._unmatched(asked, typed.strip()[:TYPED_MOST]),
        )

    def _reason(self, interaction: Interaction) -> Nothing:
        """Say why there is no guest to offer. A hidden guest is treated like one that does not exist."""
        if self._watched:
            return Nothing.WATCHED
        sites = [(site, site.cluster_cache.last) for site in visible_sites(interaction)]
        clusters = [(site, cluster) for site, cluster in sites if cluster]
        if any(self._fitting(interaction, site, cluster) for site, cluster in clusters):
            return Nothing.STATE
        if self._operation is Operation.CREATE:
            return Nothing.TEMPLATE
        actor = actor_of(interaction)
        bare = all(
            not cluster.guests and not site.authorizer.has_hidden_guests(actor) for site, cluster in clusters
        )
        return Nothing.EMPTY if bare and clusters else Nothing.GUEST

    def _fitting(self, interaction: Interaction, site: Site, cluster: Cluster) -> bool:
        """Return whether there are guests, in any state, that the person may do this to."""
        table = site.authorizer.guest_index(cluster).table
        offered = offered_on(interaction, site, cluster)
        if self._operation is Operation.CREATE:
            return bool(offered & table.templates)
        return bool(offered if self._operation in (None, Operation.DELETE) else offered & ~table.templates)

    def _unmatched(self, interaction: Interaction, typed: str) -> Choices:
        """Return the entry for a text that fits no offered guest, with the refusal that the command then gives.

        For operations of LISTING_GONE, a VMID that is not in the cluster becomes a choice.
        """
        services, actor, operation = (
            services_of(interaction),
            actor_of(interaction),
            operation_of(interaction),
        )
        wanted = TypedGuest.parse(typed)
        sites = meant_sites(interaction, wanted)
        known = [(site, site.cluster_cache.last) for site in sites]
        if operation in LISTING_GONE and wanted.vmid is not None and len(sites) == 1 and is_vmid(wanted.vmid):
            gone = unknown_guest(wanted.vmid)
            if sites[0].authorizer.refusal(actor, operation, gone) is None:
                t = services.texts.of_locale(str(interaction.locale))
                name = t(
                    "{vmid} · not in the cluster right now", vmid=guest_value(services, sites[0], gone.vmid)
                )
                return [app_commands.Choice(name=plain_label(f"{UNSURE} {name}"), value=typed)]
        found = list(matching_guests(interaction, wanted, known))
        if len(found) == 1:
            return unmatched_choice(interaction, typed, self._refusal(interaction, *found[0]))
        if wanted.vmid is not None and len(sites) == 1 and self._watched:
            refusal = sites[0].authorizer.refusal(actor, operation, unknown_guest(wanted.vmid))
            if refusal is None and is_vmid(wanted.vmid):
                return unmatched_choice(interaction, typed, NotWatched(wanted.vmid))
        return unmatched_choice(interaction, typed, missing_guest(wanted))

    def _refusal(self, interaction: Interaction, site: Site, guest: Guest) -> BotError:
        """Return why a guest that the person may see is not offered."""
        refused: BotError | None = site.authorizer.refusal(
            actor_of(interaction), operation_of(interaction), guest
        )
        if refused is None and self._watched is not None:
            return NotWatched(guest.vmid) if self._watched else CannotWatchTemplate(guest.vmid, guest.label)
        if refused is None and self._operation is not None:
            refused = failed_precondition(self._operation, guest)
        return refused or GuestNotFound(guest.vmid)

    async def _offered(self, interaction: Interaction, text: str) -> list[app_commands.Choice[str]]:
        """Return the choices of all sites: guests with exactly the typed VMID, then one of each site by turns."""
        typed = text[:TYPED_MOST].strip()
        narrowed = _narrowed_to_sites(visible_sites(interaction), typed)
        sites = [site for site, _ in narrowed]
        for site, cluster in zip(sites, await clusters_of(sites), strict=True):
            if cluster:
                await _build_index(site, cluster)
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
        recent = services_of(interaction).recent_guests.of(interaction.user.id, site.name)
        if self._watched is None:
            if not typed and self._operation and not offered & _able(guest_index, self._operation):
                return []  # the only entry then explains why nothing is offered
            return best_guests(guest_index, offered, typed, self._operation, recent=recent)
        watched_rows, templates = guest_index.table.with_vmids(listed), self._watched
        watched = best_guests(
            guest_index, offered & watched_rows, typed, self._operation, templates=templates, recent=recent
        )
        if self._watched:
            return watched
        others = best_guests(
            guest_index, offered & ~watched_rows, typed, self._operation, templates=False, recent=recent
        )
        return sorted([*others, *watched], key=lambda guest: str(guest.vmid) != typed)


async def _build_index(site: Site, cluster: Cluster) -> None:
    """Build the index of this read in parts, so that other tasks can run in between in a large cluster."""
    for _ in site.authorizer.guest_index(cluster).build():
        await asyncio.sleep(0)


def _narrowed_to_sites(sites: Iterable[Site], typed: str) -> list[tuple[Site, str]]:
    """Return the sites to search, each with the text to search for among its guests.

    `home/10` and `home 10` mean `10` on one site. Any other text is searched for on all sites.
    """
    head, slash, rest = typed.partition("/")
    word, _, after = typed.partition(" ")
    name, left = (head, rest) if slash else (word, after)
    everyone = list(sites)
    named = [(site, left.strip()) for site in everyone if site.name and site.name == name.lower()]
    return named or [(site, typed) for site in everyone]
