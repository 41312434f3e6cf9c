"""What stands in a request's path, checked against Proxmox' own patterns.

Checked here too, whatever the caller did: proxmoxer joins text, and `..` would change the address.
"""

from urllib.parse import quote

from core.guest import Guest, Kind
from core.names import Upid, checked_vmid, is_node, is_storage
from core.proxmox_errors import TaskUnknown


def node_path(name: str) -> str:
    """A node's name."""
    if not is_node(name):
        raise ValueError(f"not a node name: {name!r}")
    return name


def storage_path(name: str) -> str:
    """A storage's name."""
    if not is_storage(name):
        raise ValueError(f"not a storage name: {name!r}")
    return name


def guest_path(guest: Guest) -> tuple[str, ...]:
    """Where a guest's calls begin."""
    return ("nodes", node_path(guest.node), Kind(guest.kind).value, str(checked_vmid(guest.vmid)))


def task_path(upid: str) -> tuple[str, ...]:
    """Where a task's calls begin: the node that it runs on, wherever its guest is by now. Its user may hold `#`."""
    parsed = Upid.parse(upid)
    if parsed is None:
        raise TaskUnknown(upid)
    return ("nodes", parsed.node, "tasks", quote(upid, safe=":@!"))
