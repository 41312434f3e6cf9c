"""Complete the targets of mutes, and find the site of a typed target.

With several sites a typed target may name its site, as in `home/101`, `home/node/pve1` or `home/everything`.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from discord import app_commands

from core.access.guest_index import GuestIndex
from core.access.guest_table import TYPED_MOST, words_of
from core.access.policy import listed_or_unknown, unknown_guest
from core.access.rows import NO_ROWS, Rows, numbers_of
from core.errors import NotMuted
from core.guest import Cluster, Guest, Kind
from core.wanted_errors import UnknownTarget
from core.watch.incidents.model import ALL, guest_subject, node_subject, storage_subject
from core.watch.subjects import targets_of
from ui.formatting import kind_word, plain_label
from ui.i18n import Text
from ui.interaction.context import (
    Interaction,
    actor_of,
    choose_site,
    operation_of,
    services_of,
    visible_sites,
)
from ui.interaction.empty_choices import Choices, explain_empty, unmatched_choice
from ui.interaction.services import Site
from ui.messages.nothing import Nothing
from ui.messages.subjects import subject_label, vmid_of
from ui.options.completions import CHOICES_MOST, offered_on
from ui.sites.everywhere import refusal_on_all, seen_sites
from ui.sites.option import several_targets
from ui.sites.reads import SiteRead, read_sites, reads_for_completion
from ui.watch.access import is_subject_visible_to, is_visible_to

EVERYTHING = "everything"
"""The word for a whole site."""


def _target_value(site: Site, subject: str) -> str:
    """Return the value that a completion inserts for a subject."""
    if not site.services.sites.several:
        return subject
    vmid = vmid_of(subject)
    return f"{site.name}/{vmid or (EVERYTHING if subject == ALL else subject)}"


async def choose_target(interaction: Interaction, typed: str, *, lifting: bool = False) -> str:
    """Note the site of the typed target, and return the target without the site.

    If the bot has one site only, the typed text is returned unchanged. Only targets that the person may see count.
    Any target counts at a site that was never read, but a storage only if the text names that site.
    `lifting`: the target of a mute to be lifted. Targets that are muted are preferred.
    Raises: UnknownTarget, SeveralTargets.
    """
    if not services_of(interaction).sites.several:
        return typed
    reads = await read_sites(visible_sites(interaction))
    found = [
        (read.site, subject)
        for read in reads
        for subject in _meant(interaction, read, typed, lifting=lifting)
    ]
    if lifting:
        muted = [(site, subject) for site, subject in found if subject in _muted_on(site)]
        found = muted or found
    if not found:
        raise UnknownTarget(typed)
    if len(found) > 1:
        raise several_targets(interaction, typed, [_target_value(site, subject) for site, subject in found])
    site, subject = found[0]
    choose_site(interaction, site)
    return subject


def _muted_on(site: Site) -> set[str]:
    return {mute.target for mute in site.watch.alerts.mutes()}


def _meant(interaction: Interaction, read: SiteRead, typed: str, *, lifting: bool) -> list[str]:
    """Return the subjects of a site that fit the text and that the person may see.

    `lifting`: a VMID fits a muted guest that is gone, too.
    """
    site, cluster, actor = read.site, read.cluster, actor_of(interaction)
    name, slash, rest = typed.strip().partition("/")
    texts = [typed, rest] if slash and name.strip().lower() == site.name else [typed]
    watched = {entry.vmid for entry in site.watch.entries if is_visible_to(site, actor, entry.vmid, cluster)}
    seen = site.authorizer.visible_cluster(actor, cluster) if cluster else None
    written = {text.strip() for text in texts}
    found = {*written, *(f"guest/{text}" for text in written if lifting)} & _muted_on(site)
    for text in texts:
        found |= targets_of(text, seen, watched)
    if cluster is None and not found:
        found = {texts[-1].strip()} if len(texts) > 1 or "/" not in typed else set()
        return sorted(found)
    return sorted(each for each in found if is_subject_visible_to(site, actor, each, cluster))


# -- completions


def _unknown_target(interaction: Interaction, typed: str) -> Choices:
    return unmatched_choice(interaction, typed, UnknownTarget(typed.strip()))


def _no_such_mute(interaction: Interaction, typed: str) -> Choices:
    """Say that the target is not muted. If it is unknown, hidden or ambiguous, say that it is unknown."""
    known = [
        subject
        for site in visible_sites(interaction)
        for subject in _meant(interaction, SiteRead(site, site.cluster_cache.last), typed, lifting=True)
    ]
    if len(known) == 1:
        return unmatched_choice(interaction, typed, NotMuted(known[0]))
    return _unknown_target(interaction, typed)


@explain_empty(Nothing.TARGET, _unknown_target)
async def complete_mute_targets(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete the targets of a mute: everything, guests (watched ones first), nodes and storages."""
    return await _complete(interaction, current, only_muted=False)


@explain_empty(Nothing.MUTED, _no_such_mute)
async def complete_mutes(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete the current mutes that the person may lift."""
    return await _complete(interaction, current, only_muted=True)


async def _complete(
    interaction: Interaction, typed: str, *, only_muted: bool
) -> list[app_commands.Choice[str]]:
    """Return choices of each site alternately, or only of the site that the text names.

    `only_muted`: only targets that are muted.
    """
    sites = visible_sites(interaction)
    several = services_of(interaction).sites.several
    head, slash, rest = typed.partition("/")
    named = [site for site in sites if several and slash and site.name == head.strip().lower()]
    lists = []
    for read in await reads_for_completion(named or sites):
        wanted = _Wanted.of(read, rest if named else typed)
        targets = _mutes(interaction, read) if only_muted else _targets(interaction, read, wanted)
        lists.append(list(_choices(interaction, read, targets, wanted)))
    turns = [each for row in itertools.zip_longest(*lists) for each in row if each is not None]
    if several and not named:
        turns = [*_everything(interaction, sites, typed, only_muted=only_muted), *turns]
    return turns[:CHOICES_MOST]


def _everything(
    interaction: Interaction, sites: Iterable[Site], typed: str, *, only_muted: bool
) -> Iterator[app_commands.Choice[str]]:
    """Offer everything on all sites, if the person sees several and may mute or unmute it on each."""
    operation, t = (
        operation_of(interaction),
        services_of(interaction).texts.of_locale(str(interaction.locale)),
    )
    label = plain_label(t("Everything on all sites"))
    fits = all(word in f"{label} {ALL}".casefold() for word in words_of(typed))
    there = not only_muted or any(ALL in _muted_on(site) for site in sites)
    seen = seen_sites(interaction)
    if operation is None or len(seen) < 2 or not (fits and there):
        return
    if refusal_on_all(interaction, operation, seen) is None:
        yield app_commands.Choice(name=label, value=ALL)


class _Wanted(NamedTuple):
    """A typed text: its words, and the subjects of a site that it names exactly."""

    words: tuple[str, ...]
    exact: frozenset[str]

    @classmethod
    def of(cls, read: SiteRead, typed: str) -> "_Wanted":
        meant = typed[:TYPED_MOST].strip()
        index = read.site.authorizer.guest_index(read.cluster) if read.cluster else None
        named = {
            guest_subject(guest.vmid)
            for guest in (index.guests_named(meant) if index else ())
            if guest.name == meant
        }
        return cls(words_of(typed), frozenset({meant, node_subject(meant), f"guest/{meant}", *named}))


class _Target(NamedTuple):
    """A possible target of a mute. `text`: lower-case text to search in; "": its label."""

    subject: str
    text: str = ""


def _offers_whole(interaction: Interaction, site: Site) -> bool:
    """Return whether the person may use the typed command on the whole site."""
    return site.authorizer.refusal(actor_of(interaction), operation_of(interaction), whole=True) is None


def _offers(interaction: Interaction, site: Site, guest: Guest) -> bool:
    return site.authorizer.refusal(actor_of(interaction), operation_of(interaction), guest) is None


def _targets(interaction: Interaction, read: SiteRead, wanted: _Wanted) -> list[_Target]:
    """Return the possible targets. Of the guests in the list, only the best for the typed text."""
    site, cluster = read.site, read.cluster
    whole, listed = _offers_whole(interaction, site), {entry.vmid for entry in site.watch.entries}
    there = cluster.vmids if cluster else frozenset[int]()
    gone = sorted(vmid for vmid in listed - there if _offers(interaction, site, unknown_guest(vmid)))
    watched, others = _guests(interaction, site, cluster, wanted) if cluster else ([], [])
    storages = dict.fromkeys(
        storage_subject(row.name, None if row.shared else row.node)
        for row in (cluster.storages if cluster and whole else ())
    )
    return [
        *([_Target(ALL)] if whole else []),
        *watched,
        *(_Target(guest_subject(vmid)) for vmid in gone),
        *(_Target(node_subject(node.name)) for node in (cluster.nodes if cluster and whole else ())),
        *others,
        *map(_Target, storages),
    ]


def _guests(
    interaction: Interaction, site: Site, cluster: Cluster, wanted: _Wanted
) -> tuple[list[_Target], list[_Target]]:
    """Return the best guests for the typed text: of the watched ones, and of the others."""
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    index = site.authorizer.guest_index(cluster)
    table = index.table
    rows = offered_on(interaction, site, cluster) & ~table.templates
    for word in wanted.words:
        rows &= rows_with(t, site.name, index, word)
    exact = table.with_vmids({vmid for subject in wanted.exact if (vmid := vmid_of(subject)) is not None})
    listed = table.with_vmids({entry.vmid for entry in site.watch.entries})

    def best(found: Rows) -> list[_Target]:
        first = itertools.islice(numbers_of(found & ~exact, table.count), CHOICES_MOST)
        numbers = sorted((*first, *numbers_of(found & exact, table.count)))
        return [_target(t, cluster.guests[number], table.texts[number]) for number in numbers]

    return best(rows & listed), best(rows & ~listed)


def _target(t: Text, guest: Guest, text: str) -> _Target:
    return _Target(guest_subject(guest.vmid), f"{text} {kind_word(t, guest.kind).casefold()}")


def rows_with(t: Text, site: str, guest_index: GuestIndex, word: str) -> Rows:
    """Return the guests whose text, kind or subject contains the word; every guest if the site's name does."""
    table = guest_index.table
    if word in site or word in "guest/":
        return table.everyone
    kinds = frozenset(kind for kind in Kind if word in kind_word(t, kind).casefold())
    rows = table.containing(word) | (
        guest_index.where(kinds, lambda guest: guest.kind in kinds) if kinds else NO_ROWS
    )
    head, slash, digits = word.partition("/")
    if slash and "guest".endswith(head):
        rows |= table.vmids_beginning(digits)
    return rows


def _mutes(interaction: Interaction, read: SiteRead) -> list[_Target]:
    site, cluster = read.site, read.cluster
    whole = _offers_whole(interaction, site)
    return [
        _Target(mute.target)
        for mute in site.watch.alerts.mutes()
        if ((vmid := vmid_of(mute.target)) is None and whole)
        or (vmid is not None and _offers(interaction, site, listed_or_unknown(cluster, vmid)))
    ]


def _choices(
    interaction: Interaction, read: SiteRead, targets: Iterable[_Target], wanted: _Wanted
) -> Iterator[app_commands.Choice[str]]:
    """Yield choices for the matching targets of a site.

    Exact matches come first, because Enter takes the first choice. Labels are made only where they are needed.
    """
    site, cluster = read.site, read.cluster
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    words, exact = wanted
    first: list[str] = []
    found: list[str] = []
    for subject, text in targets:
        if len(_target_value(site, subject)) > 100 or (len(found) == CHOICES_MOST and subject not in exact):
            continue
        text = f"{site.name} {text or subject_label(t, subject, cluster).casefold()}"
        if all(word in text or word in subject.casefold() for word in words):
            (first if subject in exact else found).append(subject)
    for subject in [*first, *found][:CHOICES_MOST]:
        label = subject_label(t, subject, cluster)
        name = plain_label(f"{site.name} · {label}") if site.services.sites.several else label
        yield app_commands.Choice(name=name, value=_target_value(site, subject))
