"""Make the reports of the demo's guest agents about network cards and file systems."""

from __future__ import annotations

from typing import Any

from playground.pve.metrics import GIB


def mac_of(vmid: int) -> str:
    return f"BC:24:11:00:{vmid >> 8 & 255:02X}:{vmid & 255:02X}"


def agent_interfaces(vmid: int, net: str) -> list[dict[str, Any]]:
    """Return the agent's report of network cards: loopback, and a card with an IPv4 and a link-local IPv6 address.

    `net`: the first three numbers of the IPv4 address.
    """
    mac = mac_of(vmid).lower()
    return [
        {
            "name": "lo",
            "hardware-address": "00:00:00:00:00:00",
            "ip-addresses": [{"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}],
        },
        {
            "name": "eth0",
            "hardware-address": mac,
            "ip-addresses": [
                {"ip-address": f"{net}.{vmid - 90}", "ip-address-type": "ipv4", "prefix": 24},
                {"ip-address": f"fe80::be24:11ff:fe00:{vmid:x}", "ip-address-type": "ipv6", "prefix": 64},
            ],
        },
    ]


def agent_file_systems(gib: int) -> list[dict[str, Any]]:
    """Return the agent's report of file systems, for a guest with `gib` GiB of disk.

    Three rows are its own file systems. The others are a second mount of the last one, an image, memory, an overlay,
    a CD and a row without figures.
    """

    def row(name: str, mount: str, kind: str, used: float, total: float) -> dict[str, Any]:
        sizes = {"used-bytes": int(used * GIB), "total-bytes": int(total * GIB)}
        return {"name": name, "mountpoint": mount, "type": kind, "disk": [], **sizes}

    return [
        row("sda1", "/", "ext4", gib * 0.6 * 0.71, gib * 0.6),
        row("sda15", "/boot/efi", "vfat", 0.01, 0.12),
        row("sdb1", "/srv", "xfs", gib * 0.4 * 0.93, gib * 0.4),
        row("sdb1", "/var/lib/containers/bind", "xfs", gib * 0.4 * 0.93, gib * 0.4),
        row("loop3", "/snap/core22/1621", "squashfs", 0.07, 0.07),
        row("tmpfs", "/run", "tmpfs", 0.2, 0.8),
        row("overlay", "/var/lib/docker/overlay2/8a/merged", "overlay", gib * 0.4, gib * 0.6),
        row("sr0", "/media/cdrom", "iso9660", 0.6, 0.6),
        {"name": "dm-9", "mountpoint": "/mnt/odd", "type": "ext4", "disk": []},
    ]
