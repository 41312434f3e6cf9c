"""Check the input of people and Proxmox: ids and names by Proxmox' own patterns, amounts, and durations.

A bad value is refused before anything is sent.
Sources: pve-common JSONSchema.pm (pve-vmid, pve-node, pve-storage-id, dns-name, pve-configid), PVE::UPID, and
qemu-server/pve-container Snapshot.pm for the reserved snapshot names.
"""

import re
import unicodedata
from dataclasses import dataclass

from core.guest import Kind
from core.wanted_errors import BadAmount, BadDuration, BadGuestName, BadSnapshotName, BadVmid

VMID_LEAST, VMID_MOST = 100, 999_999_999
CORES_LEAST, CORES_MOST = 1, 8192
MEMORY_LEAST_MB, MEMORY_MOST_MB = 16, 4_178_944
DESCRIPTION_MOST = 1000  # characters
THRESHOLD_LEAST, THRESHOLD_MOST = 10, 100  # percent
LEAST_SECONDS, MOST_SECONDS = 60, 30 * 86_400
"""The shortest duration, and the longest unless the caller of `parse_duration` names another."""

_NODE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
_STORAGE = re.compile(r"[a-zA-Z][a-zA-Z0-9._-]{0,98}[a-zA-Z0-9]")  # our limit of length: Proxmox has none
_SNAPSHOT = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{1,39}")
_DNS_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS_NAME = re.compile(rf"(?:{_DNS_LABEL}\.)*{_DNS_LABEL}")
_UPID = re.compile(
    r"UPID:(?P<node>[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?):(?P<pid>[0-9A-Fa-f]{8}):"
    r"(?P<pstart>[0-9A-Fa-f]{8,9}):(?P<starttime>[0-9A-Fa-f]{8}):(?P<type>[^:\s/?#%]+):(?P<id>[^:\s/?#%]*):"
    # as in pve-access-control, a user may contain `#`, `?` and `%`. Only `%` before two hex digits is refused here: a
    # proxy might unescape it
    r"(?P<user>(?:[^:\s/%\x00-\x1f\x7f]|%(?![0-9A-Fa-f]{2}))+):"
)

_DURATION = re.compile(
    r"(?:([0-9]{1,6})(?:d|days?|日間?))?"
    r"(?:([0-9]{1,6})(?:h|hrs?|hours?|時間))?"
    r"(?:([0-9]{1,6})(?:m|mins?|minutes?|分間?))?"
)
_RESERVED = {Kind.QEMU: {"current", "pending"}, Kind.LXC: {"current", "pending", "vzdump"}}


@dataclass(frozen=True, slots=True)
class Upid:
    """A parsed task id. `node`: the node to ask, wherever the guest is now. `started`: Unix seconds."""

    text: str
    node: str
    type: str
    id: str
    user: str
    started: int

    @classmethod
    def parse(cls, text: str) -> "Upid | None":
        """Parse a UPID; None if the text is invalid."""
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


def is_vmid(value: int) -> bool:
    return VMID_LEAST <= value <= VMID_MOST


def checked_vmid(value: int) -> int:
    """Return the VMID if it is within 100..999999999.

    Raises: BadVmid.
    """
    if not is_vmid(value):
        raise BadVmid(str(value))
    return value


def checked_snapshot_name(text: str, kind: Kind | None = None) -> str:
    """Return the name if it is valid and not reserved.

    It has 2 to 40 letters, digits, `-` and `_`, and begins with a letter. `kind` None: the names that are reserved
    for VMs are refused.
    Raises: BadSnapshotName.
    """
    reserved = _RESERVED[kind] if kind else _RESERVED[Kind.QEMU]
    if _SNAPSHOT.fullmatch(text) is None or text.lower() in reserved:
        raise BadSnapshotName(text)
    return text


def checked_guest_name(text: str) -> str:
    """Return the name if it is a DNS name of at most 253 characters (no spaces, no underscore).

    Raises: BadGuestName.
    """
    if len(text) > 253 or _DNS_NAME.fullmatch(text) is None:
        raise BadGuestName(text)
    return text


def checked_cores(value: int) -> int:
    """Return the number of cores if it is within the limits.

    Raises: BadAmount.
    """
    return _within("cores", value, CORES_LEAST, CORES_MOST)


def checked_memory(value: int) -> int:
    """Return the memory in MiB if it is within the limits.

    Raises: BadAmount.
    """
    return _within("memory_mb", value, MEMORY_LEAST_MB, MEMORY_MOST_MB)


def _within(option: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise BadAmount(option, value, least, most)
    return value


def checked_threshold(option: str, value: int) -> int | None:
    """Return a threshold in percent if it is within the limits; None for 0.

    Raises: BadAmount.
    """
    return None if value == 0 else _within(option, value, THRESHOLD_LEAST, THRESHOLD_MOST)


def parse_duration(text: str, most: int = MOST_SECONDS) -> int:
    """Return the duration in seconds, from one minute to `most` seconds.

    People write `30m`, `8h`, `2d`, `1h30m`, `8 hours`, `30分` or `８時間`.

    Raises: BadDuration.
    """
    written = "".join(unicodedata.normalize("NFKC", text).casefold().split())
    match = _DURATION.fullmatch(written)
    if match is None:
        raise BadDuration(text)
    days, hours, minutes = (int(part or 0) for part in match.groups())
    seconds = (days * 24 + hours) * 3600 + minutes * 60
    if not LEAST_SECONDS <= seconds <= most:
        raise BadDuration(text)
    return seconds
