"""Complete nodes, and the tags and pools of the guests that a person may see."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain

from discord import app_commands

from core.access.guest_index import GuestIndex
from core.access.guest_table import normalized
from core.access.rows import Rows
from core.guest import Guest
from ui.formatting import UNSURE, plain, plain_label
from ui.guests.lists.filters import pools_around
from ui.interaction.context import Interaction, actor_of, services_of, visible_sites
from ui.interaction.empty_choices import Choices, explain_empty
from ui.messages.nothing import Nothing
from ui.options.completions import CHOICES_MOST
from ui.sites.reads import reads_for_completion

VALUE_MOST = 100
"""Maximum characters of a choice's value (Discord). A longer name cannot be offered."""


def _no_guests(interaction: Interaction, typed: str) -> Choices:
    """Offer the typed text, although nothing matches it. /list then shows no guests, and other commands refuse it."""
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    name = plain_label(f"{UNSURE} {t('No matching guests.')}")
    return [app_commands.Choice(name=name, value=typed.strip()[:100])]


@explain_empty(Nothing.NODE, _no_guests)
async def complete_nodes(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete the nodes, as `site/node` with several sites. Scoped users get the nodes that host their guests."""
    several, actor, typed = services_of(interaction).sites.several, actor_of(interaction), normalized(current)
    names: list[str] = []
    for read in await reads_for_completion(visible_sites(interaction)):
        site, cluster = read.site, read.cluster
        nodes = [node.name for node in cluster.nodes] if cluster else []
        if cluster and site.authorizer.has_hidden_guests(actor):
            nodes = site.authorizer.guest_index(cluster).table.nodes_of(
                site.authorizer.visible_rows(actor, cluster)
            )
        names += [f"{site.name}/{name}" if several else name for name in nodes]
    found = [name for name in names if typed in name.casefold()]
    return [app_commands.Choice(name=name, value=name) for name in found[:CHOICES_MOST]]


@explain_empty(Nothing.TAG, _no_guests)
async def complete_tags(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete the tags on all sites, the most frequent first."""
    return await _complete(interaction, current, _tags)


@explain_empty(Nothing.POOL, _no_guests)
async def complete_pools(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete the pools on all sites, the largest first."""
    return await _complete(interaction, current, _pools)


Names = Callable[[Guest], Iterable[str]]


def _tags(guest: Guest) -> Iterable[str]:
    return {tag.casefold() for tag in guest.tags}


def _pools(guest: Guest) -> Iterable[str]:
    return pools_around(guest.pool)


async def _complete(
    interaction: Interaction, current: str, names_of: Names
) -> list[app_commands.Choice[str]]:
    actor, typed, counts = actor_of(interaction), normalized(current), Counter[str]()
    for read in await reads_for_completion(visible_sites(interaction)):
        if read.cluster is not None:
            authorizer = read.site.authorizer
            rows = authorizer.visible_rows(actor, read.cluster)
            counts += _count(authorizer.guest_index(read.cluster), rows, names_of)
    found = [name for name in counts if typed in name.casefold() and len(name) <= VALUE_MOST and plain(name)]
    found.sort(key=lambda name: (-counts[name], name))
    return [app_commands.Choice(name=plain_label(plain(name)), value=name) for name in found[:CHOICES_MOST]]


def _count(guest_index: GuestIndex, rows: Rows, names_of: Names) -> Counter[str]:
    """Count the guests with each tag, or in each pool. The result is kept with the read of the cluster."""

    def count() -> Counter[str]:
        return Counter(chain.from_iterable(map(names_of, guest_index.guests_in(rows))))

    counted: Counter[str] = guest_index.views.get((names_of, rows), count)
    return counted
