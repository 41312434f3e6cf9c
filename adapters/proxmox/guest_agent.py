"""Find a guest's IP addresses and file systems in the report of its agent or kernel.

The work is bounded for any report.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from adapters.proxmox.values import parse_text, parse_whole
from core.proxmox import FileSystem

ADDRESSES_MOST = 6
MOUNT_MOST = 200
"""Characters kept of the place where a file system is mounted."""
ROWS_MOST = 1000
"""Maximum number of rows with an address that are read in all."""
ROWS_EACH = 100
"""Maximum number of rows read per interface: no interface may hide the others."""
TEXT_MOST = 64
"""Characters kept of an address with its zone and prefix length; an IPv6 address has at most 45."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PHYSICAL = ("en", "eth", "wl", "ww", "ib", "bond", "team", "venet", "ethernet", "wi-fi", "local area")
_VIRTUAL = (
    *("lo", "docker", "br-", "veth", "virbr", "vnet", "tap", "tun", "tailscale", "wg", "zt", "podman"),
    *("cni", "flannel", "cali", "cilium", "lxc", "lxd", "kube", "weave", "dummy", "ifb", "vxlan", "fwbr"),
    *("vethernet", "vmnet", "vboxnet", "isatap", "teredo", "utun", "sit", "gre", "ip6tnl", "nerdctl"),
)


def parse_agent_addresses(answer: dict[str, Any]) -> tuple[str, ...] | None:
    """Parse the answer of QEMU's agent (network-get-interfaces) as `parse_addresses` does."""
    interfaces = answer.get("result")
    return parse_addresses(interfaces) if isinstance(interfaces, list) else None


def parse_addresses(interfaces: Iterable[Any]) -> tuple[str, ...] | None:
    """Return at most six addresses, None if there are none.

    Loopback, link-local, multicast and unspecified addresses are left out.
    Both forms of LXC's list and the form of QEMU's agent are read.
    Physical-looking interfaces come first, then unknown ones, then bridges and tunnels. Within each group IPv4
    comes before IPv6. If there are many rows, those of the last interfaces are not read.
    """
    found: dict[tuple[int, int], dict[_Address, None]] = {}
    ordered = sorted(((_rank(each), each) for each in interfaces if isinstance(each, dict)), key=_first)
    rows = ((rank, text) for rank, each in ordered for text in _texts(each))
    for rank, text in islice(rows, ROWS_MOST):
        address = _address(text)
        if address is not None:
            kept = found.setdefault((rank, address.version), {})
            if len(kept) < ADDRESSES_MOST:
                kept[address] = None
    shown = dict.fromkeys(address for place in sorted(found) for address in found[place])
    return tuple(str(address) for address in shown)[:ADDRESSES_MOST] or None


def _first(ranked: tuple[int, dict[str, Any]]) -> int:
    return ranked[0]


def _rank(interface: dict[str, Any]) -> int:
    """Return 0 for a physical-looking interface, 2 for a software bridge or tunnel, 1 for any other."""
    name = interface.get("name")
    start = name[:12].casefold() if isinstance(name, str) else ""
    if start.startswith(_PHYSICAL):
        return 0
    return 2 if start.startswith(_VIRTUAL) else 1


def _texts(interface: dict[str, Any]) -> Iterator[str]:
    for key in ("inet", "inet6"):
        text = interface.get(key)
        if isinstance(text, str) and text:
            yield text[:TEXT_MOST].split("/")[0]
    rows = interface.get("ip-addresses")
    for row in rows[:ROWS_EACH] if isinstance(rows, list) else ():
        text = row.get("ip-address") if isinstance(row, dict) else None
        if isinstance(text, str):
            yield text[:TEXT_MOST]


def _address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.split("%", maxsplit=1)[0])
    except ValueError:
        return None
    nobodys = address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
    return None if nobodys else address


_UNREAL = frozenset(
    {
        *("tmpfs", "devtmpfs", "ramfs", "squashfs", "overlay", "overlayfs", "aufs", "iso9660", "udf", "cdfs"),
        *("autofs", "efivarfs", "proc", "sysfs", "cgroup", "cgroup2", "erofs", "fuse.snapfuse"),
    }
)
"""File systems without space of their own: in memory, read-only images, CDs, layers of containers."""
MOUNTS_MOST = 500
"""Maximum number of file systems that are read."""


def parse_file_systems(answer: dict[str, Any]) -> tuple[FileSystem, ...]:
    """Parse QEMU's agent (get-fsinfo): each real file system once, the fullest first.

    A file system that is mounted at several places has the shortest of their paths. One without sizes is left out:
    old agents report none.
    """
    rows = answer.get("result")
    found: dict[tuple[str, int, int], FileSystem] = {}
    for row in rows[:MOUNTS_MOST] if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        kind, mount = parse_text(row.get("type")) or "", parse_text(row.get("mountpoint")) or ""
        used, total = parse_whole(row.get("used-bytes")), parse_whole(row.get("total-bytes"))
        if kind.casefold() in _UNREAL or not mount or used is None or not total or not 0 <= used <= total:
            continue
        key = (parse_text(row.get("name")) or mount, used, total)
        if key not in found or len(mount) < len(found[key].mountpoint):
            found[key] = FileSystem(mount[:MOUNT_MOST], kind[:20], used, total)
    return tuple(sorted(found.values(), key=lambda each: (-each.fill, each.mountpoint)))
