"""Link to Proxmox' web interface, if PROXMOX_WEB_URL gives its address.

The pages are those of Proxmox itself: `#v1:0:=qemu%2F101` selects an entry of its resource tree (pve-manager,
StateProvider.js).
"""

from typing import Any
from urllib.parse import quote

from discord import ui

from core.guest import Kind
from ui.i18n import Text


def web_links(t: Text, web_url: str | None, page: str) -> list[ui.Button[Any]]:
    """Return the button that opens a page, none without an address or a page.

    `page`: the entry of the resource tree, as from the functions below, or "" for none.
    """
    if not web_url or not page:
        return []
    return [ui.Button(label=t("Open in Proxmox"), url=f"{web_url}/#v1:0:={quote(page, safe='')}")]


def guest_page(kind: Kind, vmid: int) -> str:
    return f"{kind.value}/{vmid}"


def node_page(node: str) -> str:
    return f"node/{node}"
