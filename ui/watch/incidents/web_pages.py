"""Find the page of Proxmox' web interface that an incident is about."""

from core.watch.incidents.model import Incident, Topic
from ui.web_links import guest_page, node_page


def incident_page(incident: Incident) -> str:
    """Return the page of the incident's only guest, else the page of its only node, "" if it has neither.

    An incident about a node or about unknown states has the page of the node, even if it has only one guest.
    """
    of_node = incident.topic in (Topic.NODE, Topic.STALE, Topic.BLIND)
    if len(incident.guests) == 1 and not of_node:
        return guest_page(incident.guests[0].kind, incident.guests[0].vmid)
    nodes = {incident.node}
    if not of_node:
        nodes |= {fact.node for fact in incident.guests} | {fact.node for fact in incident.backups}
    nodes.discard("")
    return node_page(nodes.pop()) if len(nodes) == 1 else ""
