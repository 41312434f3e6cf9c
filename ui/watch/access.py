"""Decide what a person may know of the watch and of dashboards, and which mutes and alerts they may act on."""

from collections.abc import Iterable

from core.access.policy import Actor, level_on, listed_or_unknown
from core.dashboard.live import DashboardFault
from core.dashboard.model import Dashboard
from core.errors import OnlySomeGuests
from core.guest import Cluster
from core.levels import Level
from core.operations import OPERATIONS, Operation
from core.watch.incidents.model import ALL, SOURCE, Incident, Topic, node_subject
from ui.interaction.attempt import Attempt
from ui.interaction.services import Site
from ui.messages.subjects import vmid_of
from ui.options.completions import cluster_for_completion


async def cluster_for_decision(attempt: Attempt, vmids: Iterable[int]) -> Cluster | None:
    """Return the list by which access to these guests is decided.

    A recent read is enough, unless the operation has an effect and the person's access may depend on pools, tags or
    nodes. An operation that changes guests or the watch list then needs a new read. Otherwise the last read is used
    (None: there is none) if Proxmox fails or is too slow.
    Raises: ProxmoxError, if the new read that is needed fails.
    """
    site, operation = attempt.site, Operation(attempt.word)
    if any(site.authorizer.needs_fresh_list(attempt.actor, operation, vmid) for vmid in vmids):
        if OPERATIONS[operation].changes:
            return await site.cluster_cache.read(max_age=0)
        return await cluster_for_completion(site, max_age=0)
    return await cluster_for_completion(site)


def is_visible_to(site: Site, actor: Actor, vmid: int, cluster: Cluster | None) -> bool:
    """Return whether the person may know of this guest.

    A guest that the list does not have is known to people who may see every guest, or whose scope has its VMID.
    """
    return level_on(site.authorizer.rules, actor, listed_or_unknown(cluster, vmid)) > Level.NONE


def is_subject_visible_to(site: Site, actor: Actor, subject: str, cluster: Cluster | None) -> bool:
    """Return whether the person may know of this subject.

    Everybody may know of the subjects ALL (everything) and SOURCE (the connection to Proxmox).
    Scoped users see the nodes that host their guests, and no storages.
    """
    vmid, authorizer = vmid_of(subject), site.authorizer
    if vmid is not None:
        return is_visible_to(site, actor, vmid, cluster)
    if subject in (ALL, SOURCE) or not authorizer.has_hidden_guests(actor):
        return True
    nodes = authorizer.visible_cluster(actor, cluster).nodes if cluster else ()
    return subject in {node_subject(node.name) for node in nodes}


def authorize_subject(attempt: Attempt, subject: str, cluster: Cluster | None) -> None:
    """Check access to a mute: to the guest if it is about one, otherwise to the whole cluster.

    Raises: Refused.
    """
    vmid = vmid_of(subject)
    if vmid is None:
        attempt.authorize(whole=True)
    else:
        attempt.authorize(listed_or_unknown(cluster, vmid))


async def authorize_incident(attempt: Attempt, incident: Incident) -> None:
    """Check access to the attempt's operation on everything that the incident is about.

    Raises: Refused.
    """
    vmids: list[int | None] = [fact.vmid for fact in incident.guests or incident.backups]
    if incident.topic in (Topic.NODE, Topic.STALE, Topic.SOURCE, Topic.STORAGE) or not vmids or None in vmids:
        attempt.authorize(whole=True)
        return
    cluster = await cluster_for_decision(attempt, (vmid or 0 for vmid in vmids))
    if len(vmids) > 1 and not all(
        is_visible_to(attempt.site, attempt.actor, vmid or 0, cluster) for vmid in vmids
    ):
        raise OnlySomeGuests
    for vmid in vmids:
        attempt.authorize(listed_or_unknown(cluster, vmid or 0))


def dashboards_of(site: Site, actor: Actor) -> list[tuple[Dashboard, DashboardFault | None]]:
    """Return the dashboards of a site that the person may know of, each with its fault, None if it has none.

    A person who may not see every guest knows of a dashboard only if it has roles, and the person has all of them.
    """
    if site.authorizer.refusal(actor, Operation.DASHBOARD_LIST) is not None:
        return []
    limited = site.authorizer.has_hidden_guests(actor)
    return [
        (dashboard, fault)
        for dashboard, fault in site.dashboards.dashboards()
        if not limited or (dashboard.extent.roles and actor.roles.issuperset(dashboard.extent.roles))
    ]
