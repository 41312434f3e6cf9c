"""Define the demo's nodes, storages, guests and templates: the homelab of a small game-server team."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from playground.cluster.agent_reports import agent_file_systems, agent_interfaces, mac_of
from playground.pve.metrics import GIB
from playground.pve.server import Pve

DAY = 86400.0  # seconds

GuestRow = tuple[int, str, str, float | None, int, int, int, str, dict[str, Any]]
"""VMID, name, node, days running (None: stopped), cores, MiB, GiB of disk, tags, more config."""

VMS: tuple[GuestRow, ...] = (
    (101, "web01", "pve1", 23.4, 2, 4096, 32, "prod;web", {"agent": "1", "onboot": 1}),
    (102, "db01", "pve1", 23.4, 4, 16384, 128, "db;prod", {"agent": "1", "onboot": 1, "protection": 1}),
    (103, "minecraft", "pve2", 3.2, 6, 12288, 64, "game", {"agent": "1", "onboot": 1}),
    (104, "palworld", "pve2", None, 8, 24576, 96, "game", {}),
    (
        105,
        "valheim",
        "pve3",
        8.7,
        4,
        8192,
        48,
        "game",
        {"description": "週末のみ"},
    ),
    (106, "win11-dev", "pve3", 1.1, 4, 16384, 128, "dev;windows", {"ostype": "win11"}),
    (107, "nas", "pve3", 61.0, 2, 8192, 64, "prod;storage", {"onboot": 1}),
    (108, "router", "pve1", 61.0, 2, 2048, 16, "net;prod", {"onboot": 1, "startup": "order=1"}),
    (109, "test-vm", "pve2", 0.2, 1, 2048, 16, "dev", {}),
)
CTS: tuple[GuestRow, ...] = (
    (201, "dns", "pve1", 61.0, 1, 512, 8, "net;prod", {"onboot": 1}),
    (202, "proxy", "pve2", 40.5, 2, 1024, 8, "net;prod", {"onboot": 1}),
    (203, "discord-bot", "pve1", 5.5, 1, 1024, 8, "prod", {"onboot": 1}),
    (204, "wiki", "pve3", 12.0, 2, 2048, 16, "web", {}),
    (205, "grafana", "pve3", None, 2, 2048, 16, "monitoring", {}),
)


def _snapshot(
    guest: Any,
    name: str,
    days_ago: float,
    *,
    description: str = "",
    parent: str | None = None,
    ram: bool = False,
    **config: Any,
) -> None:
    """Add a snapshot taken some days ago. The last one added becomes the guest's parent."""
    left_out = ("description", "lock", "parent", "snaptime")
    taken = {key: value for key, value in guest.config.items() if key not in left_out}
    taken |= {"snaptime": int(time.time() - days_ago * DAY), **config}
    if description:
        taken["description"] = description
    if parent:
        taken["parent"] = parent
    if ram:
        taken["vmstate"] = f"local-lvm:vm-{guest.vmid}-state-{name}"
    guest.snapshots[name] = taken
    guest.config["parent"] = name


_ENGLISH = {
    "週末のみ": "Weekends only",
    "インストール直後": "Right after the installation",
    "1.21 に更新した後": "After the update to 1.21",
    "MOD の検証 (失敗)": "Trying mods (failed)",
    "建築イベントの前": "Before the building event",
    "毎週の控え": "Weekly copy",
}
"""The notes and descriptions in English, by the Japanese ones."""


def build_demo(pve: Pve, language: str = "ja") -> None:
    """Put the demo's nodes, storages, guests and templates into a cluster, which may be running already.

    `language`: of the notes, "ja" or "en". Task durations count only if `time_scale` is not 0. Tests use the same
    cluster with instant tasks.
    """
    now = time.time()
    pve.cluster_name = "homelab"
    sizes = {"pve1": (16, 64), "pve2": (24, 96), "pve3": (12, 64)}
    nodes: dict[str, dict[str, Any]] = {
        name: {
            "online": True,
            "maxcpu": cores,
            "maxmem": gib * GIB,
            "maxdisk": 120 * GIB,
            "booted": now - 61 * DAY,
        }
        for name, (cores, gib) in sizes.items()
    }
    pve.nodes = nodes
    storages: dict[str, dict[str, Any]] = {
        "local": {
            "type": "dir",
            "active": 1,
            "content": "iso,vztmpl,backup",
            "files": set(),
            "path": "/var/lib/vz",
            "avail": 80 * GIB,
            "total": 120 * GIB,
        },
        "local-lvm": {
            "type": "lvmthin",
            "active": 1,
            "content": "images,rootdir",
            "files": set(),
            "vgname": "pve",
            "thinpool": "data",
            "avail": 900 * GIB,
            "total": 1600 * GIB,
        },
        "nfs-backup": {
            "type": "nfs",
            "active": 1,
            "content": "backup,iso,vztmpl",
            "files": set(),
            "shared": 1,
            "path": "/mnt/pve/nfs-backup",
            "server": "192.168.10.17",
            "export": "/tank/pve",
            "avail": 3 * 1024 * GIB,
            "total": 8 * 1024 * GIB,
        },
        "ceph-vm": {
            "type": "rbd",
            "active": 1,
            "content": "images,rootdir",
            "files": set(),
            "shared": 1,
            "pool": "vm",
            "avail": 1400 * GIB,
            "total": 2000 * GIB,
        },
    }
    pve.storages = storages
    pve.storage_paces |= {"nfs-backup": 0.021, "local-lvm": 0.0005}
    add_guests(pve, VMS, CTS)
    _templates(pve)
    _peculiarities(pve)
    for name in sizes:
        pve.past_task(name, "aptupdate", "", 0.4)
    set_pace(pve)
    if language == "en":
        for guest in (*pve.vms, *pve.cts):
            for config in (guest.config, *guest.snapshots.values()):
                if note := _ENGLISH.get(str(config.get("description"))):
                    config["description"] = note


def add_guests(pve: Pve, vms: Iterable[GuestRow], cts: Iterable[GuestRow], net: str = "192.168.10") -> None:
    """Add guests. `net`: the first three numbers of their addresses."""
    now = time.time()
    for vmid, name, node, days, cores, memory, disk, tags, more in vms:
        pool = "ceph-vm" if vmid in (107, 108) else "local-lvm"
        vm = pve.add_vm(
            vmid,
            name,
            node=node,
            status="stopped" if days is None else "running",
            config={
                "cores": cores,
                "memory": str(memory),
                "scsi0": f"{pool}:vm-{vmid}-disk-0,iothread=1,size={disk}G",
                "net0": f"virtio={mac_of(vmid)},bridge=vmbr0,firewall=1",
                "tags": tags,
                **more,
            },
        )
        vm.start_secs, vm.shutdown_secs, vm.stop_secs = 2, 4, 1
        if more.get("agent"):
            vm.agent = {"interfaces": agent_interfaces(vmid, net), "get-fsinfo": agent_file_systems(disk)}
        if days is not None:
            vm.started_at = now - days * DAY
    for vmid, name, node, days, cores, memory, disk, tags, more in cts:
        ct = pve.add_ct(
            vmid,
            name,
            node=node,
            status="stopped" if days is None else "running",
            config={
                "cores": cores,
                "memory": memory,
                "rootfs": f"local-lvm:vm-{vmid}-disk-0,size={disk}G",
                "tags": tags,
                "net0": f"name=eth0,bridge=vmbr0,gw={net}.1,hwaddr={mac_of(vmid)},ip={net}.{vmid}/24,type=veth",
                **more,
            },
        )
        ct.start_secs, ct.shutdown_secs, ct.stop_secs = 2, 3, 1
        if days is not None:
            ct.started_at = now - days * DAY


def set_pace(pve: Pve) -> None:
    """Set the seconds that tasks and the HA manager take, and the delay of a refused login.

    Only this delay (3 s) counts if `time_scale` is 0.
    """
    pve.task_secs = {
        "qmclone": 8,
        "vzclone": 6,
        "qmsnapshot": 2,
        "vzsnapshot": 2,
        "qmdelsnapshot": 2,
        "vzdelsnapshot": 2,
        "qmrollback": 3,
        "vzrollback": 3,
        "qmdestroy": 3,
        "vzdestroy": 3,
    }
    pve.reboot_gap, pve.ha_delay, pve.shutdown_cap, pve.auth_delay = 2, 5, 15, 3


def _templates(pve: Pve) -> None:
    for vmid, name, node, pool, disk in (
        (9000, "debian13-cloud", "pve1", "local-lvm", 8),
        (9001, "ubuntu2404", "pve2", "ceph-vm", 12),
    ):
        template = pve.add_vm(
            vmid,
            name,
            node=node,
            template=True,
            config={
                "cores": 2,
                "memory": "2048",
                "agent": "1",
                "scsi0": f"{pool}:vm-{vmid}-disk-0,iothread=1,size={disk}G",
                "net0": f"virtio={mac_of(vmid)},bridge=vmbr0",
            },
        )
        template.agent = {}
        template.start_secs, template.shutdown_secs, template.stop_secs = 2, 4, 1
    alpine = pve.add_ct(
        9100,
        "alpine-ct",
        node="pve1",
        template=True,
        ostemplate="alpine-3.22-default_amd64.tar.xz",
        config={
            "cores": 1,
            "memory": 256,
            "rootfs": "local-lvm:vm-9100-disk-0,size=2G",
            "net0": f"name=eth0,bridge=vmbr0,hwaddr={mac_of(9100)},ip=dhcp,type=veth",
        },
    )
    alpine.start_secs, alpine.shutdown_secs, alpine.stop_secs = 1, 2, 1


def _peculiarities(pve: Pve) -> None:
    """Add features worth trying: snapshot trees, backups, pools, a lock, a paused VM, HA, protection.

    One guest ignores ACPI.
    """
    minecraft, web, wiki = pve.vm(103), pve.vm(101), pve.ct(204)
    _snapshot(minecraft, "clean-install", 90, description="インストール直後")
    _snapshot(minecraft, "v1-21", 40, description="1.21 に更新した後", parent="clean-install")
    _snapshot(minecraft, "mods-test", 12, description="MOD の検証 (失敗)", parent="v1-21", ram=True)
    _snapshot(minecraft, "before-event", 6, description="建築イベントの前", parent="v1-21")
    _snapshot(web, "before-upgrade", 30, description="Debian 12 → 13")
    _snapshot(web, "nginx-ok", 10, parent="before-upgrade", ram=True)
    _snapshot(wiki, "weekly", 3, description="毎週の控え")
    for vmid, days, gib in (
        (101, 1, 4.2),
        (101, 8, 4.1),
        (102, 1, 31),
        (103, 2, 18),
        (201, 1, 0.4),
        (204, 1, 1.1),
    ):
        pve.keep_backup(vmid, days, gib)
    for pool, vmids in (("games", {103, 104, 105}), ("home/web", {101, 204}), ("home", {106, 109})):
        pve.pools[pool] = vmids
        for vmid in vmids:
            pve.guest(vmid).pool = pool
    pve.snapshot_lock(105, "backup")  # an interrupted backup
    pve.pause_vm(109)
    pve.vm(106).acpi = False  # ignores the shutdown signal
    pve.vm(107).ha_state = "started"
    pve.ct(202).config["protection"] = 1
