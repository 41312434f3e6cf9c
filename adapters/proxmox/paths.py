"""Build the parts of request paths, checked against Proxmox' own patterns.

They are checked here too, whatever the caller did: proxmoxer joins text, and `..` would change the address.
"""

from urllib.parse import quote

from core.guest import Guest, Kind
from core.proxmox_errors import TaskUnknown
from core.validation import Upid, checked_vmid, is_node, is_storage


def node_path(name: str) -> str:
    """Check a node's name and return it.

    Raises: ValueError.
    """
    if not is_node(name):
        raise ValueError(f"not a node name: {name!r}")
    return name


def storage_path(name: str) -> str:
    """Check a storage's name and return it.

    Raises: ValueError.
    """
    if not is_storage(name):
        raise ValueError(f"not a storage name: {name!r}")
    return name


def guest_path(guest: Guest) -> tuple[str, ...]:
    """Return the start of the path of a guest's calls. Raises: ValueError, BadVmid."""
    return ("nodes", node_path(guest.node), Kind(guest.kind).value, str(checked_vmid(guest.vmid)))


def task_path(upid: str) -> tuple[str, ...]:
    """Return the start of the path of a task's calls.

    It names the node that ran the task, wherever the guest is now. The user in a UPID may contain `#`.
    Raises: TaskUnknown.
    """
    parsed = Upid.parse(upid)
    if parsed is None:
        raise TaskUnknown(upid)
    return ("nodes", parsed.node, "tasks", quote(upid, safe=":@!"))
