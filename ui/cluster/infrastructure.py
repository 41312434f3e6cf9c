"""Gather nodes and storages of the chosen site, or of all sites that a person may see. Find and show one node."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from core.access.policy import Actor
from core.cluster.storage_trend import days_until_full
from core.errors import BotError
from core.guest import Cluster, Storage
from core.proxmox import HaStatus, NodeStatus
from core.proxmox_errors import NodeUnreachable, TimedOut
from ui.cluster.nodes import NodeView, SiteNodes, node_card, node_list_card
from ui.cluster.rows import fullest_first
from ui.cluster.storages import AUDIT, SiteStorages, sections_of, shown_on, storages_card
from ui.formatting import WARNING, code
from ui.i18n import Text
from ui.interaction.context import actor_of, chosen_site, services_of
from ui.interaction.custom_ids import ALL_SITES
from ui.interaction.reply import Reply
from ui.sites.option import asked_sites
from ui.sites.reads import SiteRead, part_of_each, read_note, read_one, read_sites
from ui.sites.typed_node import find_node

T = TypeVar("T")

PART_SECONDS = 5.0
"""Seconds to wait for one part of a node's card. A part that hangs must not hold up the rest."""


async def _reads(reply: Reply) -> tuple[list[SiteRead], str, bool]:
    """Return the reads, the site that buttons name, and whether each site needs its heading.

    Raises: ProxmoxError, if there is one site only and nothing of it has ever been read.
    """
    interaction, several = reply.interaction, services_of(reply.interaction).sites.several
    sites, chosen = asked_sites(interaction), chosen_site(interaction)
    if not several:
        return [await read_one(services_of(interaction).sites.only)], "", False
    return await read_sites(sites), chosen.name if chosen else ALL_SITES, True


def _visible(read: SiteRead, actor: Actor) -> Cluster | None:
    return read.site.authorizer.visible_cluster(actor, read.cluster) if read.cluster else None


async def show_nodes(reply: Reply, page: int = 0) -> None:
    """Show one page of the nodes, from the shared read. Raises: ProxmoxError, as `_reads`."""
    t, actor, now = reply.t, actor_of(reply.interaction), services_of(reply.interaction).clock.now()
    reads, named, several = await _reads(reply)

    async def nodes_of(read: SiteRead) -> SiteNodes:
        return SiteNodes(read.site.name, _visible(read, actor), read_note(t, read))

    sites = await part_of_each(reads, nodes_of)
    await reply.show(node_list_card(t, sites, named, page, now, several=several))


async def show_storages(reply: Reply, page: int = 0) -> None:
    """Show one page of the storages, and when those on it will be full. Raises: ProxmoxError, as `_reads`."""
    t, actor, now = reply.t, actor_of(reply.interaction), services_of(reply.interaction).clock.now()
    reads, named, several = await _reads(reply)

    async def storages_of(read: SiteRead) -> SiteStorages:
        return _storages_of(t, read, actor)

    sites = await part_of_each(reads, storages_of)
    wanted = shown_on(sections_of(t, sites, {}, several=several), sites, page)

    async def ahead_on(read: SiteRead) -> dict[tuple[str, Storage], float]:
        theirs = [storage for site, storage in wanted if site == read.site.name and storage.available]
        histories = await read.site.storage_histories.read(theirs)
        days = {(read.site.name, each): days_until_full(past) for each, past in histories.items()}
        return {key: value for key, value in days.items() if value is not None}

    found = {key: days for each in await asyncio.gather(*map(ahead_on, reads)) for key, days in each.items()}
    sections = sections_of(t, sites, found, several=several)
    await reply.show(storages_card(t, sections, sites, named, page, now))


def _storages_of(t: Text, read: SiteRead, actor: Actor) -> SiteStorages:
    note, cluster = read_note(t, read), _visible(read, actor)
    if cluster is None:
        return SiteStorages(read.site.name, (), note or t("Cannot read from Proxmox right now."))
    if read.site.authorizer.has_hidden_guests(actor):
        empty = t("Storages are shown to people who may see all guests.")
    else:
        empty = t(
            "Proxmox shows no storages. The API token may lack the privilege {privilege}.",
            privilege=code(AUDIT),
        )
    return SiteStorages(read.site.name, fullest_first(cluster.storages), f"{WARNING} {empty}", note)


async def show_node(reply: Reply, typed: str) -> None:
    """Show one node, without the parts that come too late or that the token may not read.

    Raises: as `find_node`.
    """
    site, cluster, node = await find_node(reply.interaction, typed)
    name = node.name
    proxmox, clock = site.proxmox, site.services.clock
    status, ha = await asyncio.gather(
        _in_time(proxmox.node_status(name), NodeStatus) if node.online else _offline(name),
        _in_time(proxmox.ha_status(), HaStatus),
    )
    guests = [guest for guest in cluster.guests if guest.node == name]
    await reply.show(
        node_card(reply.t, NodeView(node, guests, status, ha, clock.now()), site.name, site.web_url)
    )


async def _offline(name: str) -> BotError:
    return NodeUnreachable(name)


async def _in_time(read: Awaitable[T], _type: type[T]) -> T | BotError:
    """Return the result of a read, or the error. `_type`: tells mypy the type of the result."""
    try:
        async with asyncio.timeout(PART_SECONDS):
            return await read
    except BotError as error:
        return error
    except TimeoutError:
        return TimedOut("", changing=False)
