"""Gather the state of the chosen site, or of all sites that the person may see, for /status."""

from functools import partial

from core.access.policy import Actor
from core.guest import Cluster
from core.watch.incidents.model import Incident
from core.watch.subjects import concerns, visible_part
from ui.cluster.view import ClusterStatus, cluster_status_card, cluster_statuses_card
from ui.i18n import Text
from ui.interaction.context import actor_of, choose_site
from ui.interaction.custom_ids import ALL_SITES
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.sites.option import asked_sites
from ui.sites.reads import SiteRead, part_of_each, read_note, read_one, read_sites
from ui.watch.access import is_visible_to
from ui.watch.commands import visible_status
from ui.watch.status.cards import fault_lines


async def show_cluster_status(reply: Reply) -> None:
    """Show the state of the chosen site, or of all sites that the person may see, from the shared read.

    Raises: ProxmoxError, if only one site is to be shown and nothing of it has ever been read.
    """
    interaction, actor = reply.interaction, actor_of(reply.interaction)
    sites = asked_sites(interaction)
    if len(sites) == 1:
        choose_site(interaction, sites[0])
        status = await cluster_status_of(reply.t, await read_one(sites[0]), actor)
        await reply.show(cluster_status_card(reply.t, status, sites[0].name))
        return

    async def status_of(read: SiteRead) -> ClusterStatus:
        return await cluster_status_of(reply.t, read, actor)

    statuses = await part_of_each(await read_sites(sites), status_of)
    await reply.show(cluster_statuses_card(reply.t, statuses, ALL_SITES))


async def cluster_status_of(t: Text, read: SiteRead, actor: Actor) -> ClusterStatus:
    """Return the person's view of a site as it was read."""
    site, authorizer = read.site, read.site.authorizer
    health = await visible_status(site, actor, read.cluster)
    return ClusterStatus(
        name=site.name,
        cluster=authorizer.visible_cluster(actor, read.cluster) if read.cluster else None,
        narrowed=authorizer.has_hidden_guests(actor),
        read_at=read.read_at,
        incidents=_visible_incidents(site, actor, read.cluster),
        note="" if health.read_error else read_note(t, read),
        faults=fault_lines(t, health, site.services.clock.now()),
    )


def _visible_incidents(site: Site, actor: Actor, cluster: Cluster | None) -> tuple[Incident, ...]:
    """Return the open incidents without the guests that are hidden from the person."""
    found = site.watch.state.open.values()
    if not site.authorizer.has_hidden_guests(actor):
        return tuple(found)
    is_visible = partial(is_visible_to, site, actor, cluster=cluster)
    return tuple(visible_part(each, is_visible, cluster) for each in found if concerns(each, is_visible))
