"""Find the node that a person typed, as `pve1` or `home/pve1`."""

from typing import NamedTuple

from core.guest import Cluster, Node
from core.validation import is_node
from core.wanted_errors import UnknownNode
from ui.interaction.context import Interaction, actor_of, choose_site
from ui.interaction.services import Site
from ui.sites.option import asked_sites, several_targets
from ui.sites.reads import read_one, read_sites


class FoundNode(NamedTuple):
    """A node, with its site and the part of its cluster that the person may see."""

    site: Site
    cluster: Cluster
    node: Node


async def find_node(interaction: Interaction, typed: str) -> FoundNode:
    """Find a node among those that the person may see, and choose its site.

    Raises: UnknownNode; SeveralTargets if several sites have it; ProxmoxError if only one site can have it, and
    nothing of that site has ever been read.
    """
    actor = actor_of(interaction)
    named, slash, name = (part.strip() for part in typed.rpartition("/"))
    sites = [site for site in asked_sites(interaction) if not slash or site.name == named.lower()]
    # a site that does not answer must not hold up a node of another site
    reads = [await read_one(sites[0])] if len(sites) == 1 else await read_sites(sites)
    found = []
    for read in reads:
        cluster = read.site.authorizer.visible_cluster(actor, read.cluster) if read.cluster else None
        if cluster and (node := cluster.node(name)):
            found.append(FoundNode(read.site, cluster, node))
    if not found or not is_node(name):  # Proxmox itself would refuse such a name
        raise UnknownNode(typed)
    if len(found) > 1:
        raise several_targets(interaction, typed, [f"{each.site.name}/{name}" for each in found])
    choose_site(interaction, found[0].site)
    return found[0]
