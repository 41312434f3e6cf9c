"""The patterns Proxmox itself holds names to, so that a bad one is refused before anything is sent.

Sources: pve-common JSONSchema.pm (pve-vmid, pve-node, pve-storage-id, dns-name, pve-configid), PVE::UPID, and
qemu-server/pve-container Snapshot.pm for the reserved snapshot names.
"""

import re
from dataclasses import dataclass

from core.errors import BadAmount, BadGuestName, BadSnapshotName, BadVmid
from core.guest import Kind

VMID_LEAST, VMID_MOST = 100, 999_999_999
CORES_LEAST, CORES_MOST = 1, 8192
MEMORY_LEAST_MB, MEMORY_MOST_MB = 16, 4_178_944
DESCRIPTION_MOST = 1000
THRESHOLD_LEAST, THRESHOLD_MOST = 10, 100

_NODE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
_STORAGE = re.compile(r"[a-zA-Z][a-zA-Z0-9._-]{0,98}[a-zA-Z0-9]")  # parse_storage_id gives no length
_SNAPSHOT = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{1,39}")
_DNS_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS_NAME = re.compile(rf"(?:{_DNS_LABEL}\.)*{_DNS_LABEL}")
_UPID = re.compile(
    r"UPID:(?P<node>[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?):(?P<pid>[0-9A-Fa-f]{8}):"
    r"(?P<pstart>[0-9A-Fa-f]{8,9}):(?P<starttime>[0-9A-Fa-f]{8}):(?P<type>[^:\s/?#%]+):(?P<id>[^:\s/?#%]*):"
    # as pve-access-control has it, so that `#`, `?` and `%` may be in it; not what a proxy could unescape twice
    r"(?P<user>(?:[^:\s/%\x00-\x1f\x7f]|%(?![0-9A-Fa-f]{2}))+):"
)
_RESERVED = {Kind.QEMU: {"current", "pending"}, Kind.LXC: {"current", "pending", "vzdump"}}


@dataclass(frozen=True, slots=True)
class Upid:
    """A task's id, taken apart. `node` is the node to ask, wherever the guest is now."""

    text: str
    node: str
    type: str
    id: str
    user: str
    started: int

    @classmethod
    def parse(cls, text: str) -> "Upid | None":
        """The parts, or None where the text is no UPID."""
        match = _UPID.fullmatch(text)
        if match is None:
            return None
        return cls(
            text, match["node"], match["type"], match["id"], match["user"], int(match["starttime"], 16)
        )


def is_node(text: str) -> bool:
    return _NODE.fullmatch(text) is not None


def is_storage(text: str) -> bool:
    return _STORAGE.fullmatch(text) is not None


def checked_vmid(value: int) -> int:
    """The VMID itself. Raises BadVmid outside 100..999999999."""
    if not VMID_LEAST <= value <= VMID_MOST:
        raise BadVmid(str(value))
    return value


def checked_snapshot_name(text: str, kind: Kind | None = None) -> str:
    """The name itself. Raises BadSnapshotName: letter first, 2 to 40 of letters, digits, `-`, `_`."""
    reserved = _RESERVED[kind] if kind else _RESERVED[Kind.QEMU]
    if _SNAPSHOT.fullmatch(text) is None or text.lower() in reserved:
        raise BadSnapshotName(text)
    return text


def checked_guest_name(text: str) -> str:
    """The name itself. Raises BadGuestName unless it is a DNS name (no spaces, no underscore)."""
    if len(text) > 253 or _DNS_NAME.fullmatch(text) is None:
        raise BadGuestName(text)
    return text


def checked_cores(value: int) -> int:
    return _within("cores", value, CORES_LEAST, CORES_MOST)


def checked_memory(value: int) -> int:
    """Memory in MiB."""
    return _within("memory_mb", value, MEMORY_LEAST_MB, MEMORY_MOST_MB)


def _within(option: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise BadAmount(option, value, least, most)
    return value


def checked_threshold(option: str, value: int) -> int | None:
    """A threshold in percent; 0 is none."""
    return None if value == 0 else _within(option, value, THRESHOLD_LEAST, THRESHOLD_MOST)
