"""Link to Proxmox' web interface, if PROXMOX_WEB_URL gives its address.

The pages are those of Proxmox itself: `#v1:0:=qemu%2F101` selects an entry of its resource tree (pve-manager,
StateProvider.js).
"""

from typing import Any
from urllib.parse import quote

from discord import ui

from core.guest import Guest, Kind
from core.watch.incidents.model import Incident, Topic
from ui.i18n import Text


def web_links(t: Text, web_url: str | None, page: str) -> list[ui.Button[Any]]:
    """Return the button that opens a page, none without an address or page. `page`: as of the functions below."""
    if not web_url or not page:
        return []
    return [ui.Button(label=t("Open in Proxmox"), url=f"{web_url}/#v1:0:={quote(page, safe='')}")]


def guest_page(guest: Guest) -> str:
    return _guest_page(guest.kind, guest.vmid)


def incident_page(incident: Incident) -> str:
    """Return the page of the incident's only guest, else that of its only node, "" if it has neither."""
    of_node = incident.topic in (Topic.NODE, Topic.STALE, Topic.BLIND)
    if len(incident.guests) == 1 and not of_node:
        return _guest_page(incident.guests[0].kind, incident.guests[0].vmid)
    nodes = {incident.node}
    if not of_node:
        nodes |= {fact.node for fact in incident.guests} | {fact.node for fact in incident.backups}
    nodes.discard("")
    return f"node/{nodes.pop()}" if len(nodes) == 1 else ""


def _guest_page(kind: Kind, vmid: int) -> str:
    return f"{kind.value}/{vmid}"
