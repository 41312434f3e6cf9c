"""Proxmox' rows made into the dataclasses of core/: pure functions on plain data.

No row that it, or anything else, may send raises. Sources are named beside what they decide.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from core.fallback import Backup
from core.guest import (
    Cluster,
    Disk,
    Guest,
    GuestConfig,
    Kind,
    Node,
    Snapshot,
    State,
    Storage,
    TaskSummary,
)
from core.names import is_storage
from core.proxmox import Pending

LINE_MOST = 1000
"""Characters that are kept of a line of a log."""
TEXT_MOST = 10_000
"""The same of any other text: more than Proxmox takes for a guest's notes (8,192 bytes)."""
_QEMU_DISK = re.compile(r"(?:ide|sata|scsi|virtio|efidisk|tpmstate|unused)\d+")
_LXC_DISK = re.compile(r"rootfs|(?:mp|unused)\d+")
_DEFAULT_MEMORY_MB = 512
"""QEMU's and LXC's default where the configuration names none (QemuServer/Memory.pm, LXC/Config.pm)."""


def parse_cluster(rows: Iterable[Any], read_at: float) -> Cluster:
    """`/cluster/resources`. A guest on an offline node is UNKNOWN, whatever the list still says of it:
    pmxcfs goes on broadcasting its last state for five minutes (status.c)."""
    known = [row for row in rows if isinstance(row, dict)]
    nodes = tuple(
        sorted((_node(row) for row in known if row.get("type") == "node"), key=lambda node: node.name)
    )
    offline = {node.name for node in nodes if not node.online}
    guests = []
    for row in known:
        if row.get("type") in ("qemu", "lxc") and type(row.get("vmid")) is int:  # not a bool
            guest = _listed(row)
            guests.append(replace(guest, state=State.UNKNOWN) if guest.node in offline else guest)
    stores = [
        _storage(row, offline)
        for row in known
        if row.get("type") == "storage" and _text(row.get("storage")) and _text(row.get("node"))
    ]
    return Cluster(
        tuple(sorted(guests, key=lambda guest: guest.vmid)),
        nodes,
        read_at,
        tuple(sorted(stores, key=lambda storage: (storage.name, storage.node))),
    )


def _node(row: Mapping[str, Any]) -> Node:
    return Node(
        name=str(row.get("node", "")),
        online=row.get("status") != "offline",
        cpu=_number(row.get("cpu")),
        cpus=_number(row.get("maxcpu")),
        memory=_whole(row.get("mem")),
        memory_total=_whole(row.get("maxmem")),
        known=row.get("status") != "unknown",
    )


def _storage(row: Mapping[str, Any], offline: Collection[str]) -> Storage:
    """Without a broadcast its status is `unknown` and it has no figures (API2Tools.pm extract_storage_stats)."""
    node, used, total = str(row["node"]), _whole(row.get("disk")), _whole(row.get("maxdisk")) or None
    known = row.get("status") == "available" and used is not None and total is not None
    return Storage(
        name=str(row["storage"]),
        node=node,
        shared=_flag(row.get("shared")),
        available=known and node not in offline,
        used=used,
        total=total,
    )


def _listed(row: Mapping[str, Any]) -> Guest:
    return Guest(
        vmid=row["vmid"],
        kind=Kind(row["type"]),
        node=str(row.get("node", "")),
        state=State.of(row.get("status")),
        name=_text(row.get("name")),
        cpu=_number(row.get("cpu")),
        cpus=_number(row.get("maxcpu")),
        memory=_whole(row.get("mem")),
        memory_total=_whole(row.get("maxmem")),
        disk=_whole(row.get("disk")) or None,
        disk_total=_whole(row.get("maxdisk")),
        uptime=_whole(row.get("uptime")),
        template=_flag(row.get("template")),
        lock=_text(row.get("lock")),
        tags=_tags(row.get("tags")),
        ha_managed=_text(row.get("hastate")) not in (None, "ignored"),
        pool=_text(row.get("pool")),
    )


def parse_status(guest: Guest, row: Mapping[str, Any]) -> Guest:
    """`status/current`: the truth of this moment. QEMU says paused and the like in `qmpstatus` only."""
    word = row.get("status")
    if word == "running":
        word = row.get("qmpstatus") or word
    ha = row.get("ha")
    return Guest(
        vmid=guest.vmid,
        kind=guest.kind,
        node=guest.node,
        state=State.of(word),
        name=_text(row.get("name")) or guest.name,
        cpu=_number(row.get("cpu")),
        cpus=_number(row.get("cpus")) or guest.cpus,
        memory=_whole(row.get("mem")),
        memory_total=_whole(row.get("maxmem")) or guest.memory_total,
        disk=_whole(row.get("disk")) or None,
        disk_total=_whole(row.get("maxdisk")) or guest.disk_total,
        uptime=_whole(row.get("uptime")),
        template=_flag(row.get("template")) or guest.template,
        lock=_text(row.get("lock")),
        tags=_tags(row.get("tags")),
        ha_managed=isinstance(ha, dict) and _flag(ha.get("managed")),
        pool=guest.pool,  # which the cluster's list alone tells
    )


def parse_config(kind: Kind, row: Mapping[str, Any]) -> GuestConfig:
    pattern = _QEMU_DISK if kind is Kind.QEMU else _LXC_DISK
    disks = (_disk(key, str(row[key])) for key in sorted(row) if pattern.fullmatch(key))
    return GuestConfig(
        cores=_whole(row.get("cores")) or (1 if kind is Kind.QEMU else None),
        sockets=(_whole(row.get("sockets")) or 1) if kind is Kind.QEMU else 1,
        memory_mb=_memory(row.get("memory")),
        balloon_mb=_whole(row.get("balloon")) if kind is Kind.QEMU else None,
        protection=_flag(row.get("protection")),
        disks=tuple(disk for disk in disks if disk is not None),
        digest=_text(row.get("digest")),
        description=_text(row.get("description")),
    )


def _memory(value: object) -> int:
    """MiB. Newer QEMU configurations write `current=2048`."""
    match = re.search(r"\d+", str(value or ""))
    return (_whole(match.group()) if match else None) or _DEFAULT_MEMORY_MB


def _disk(key: str, value: str) -> Disk | None:
    """None for CD drives, cloud-init media and the host's own directories: they are not lost with the guest."""
    volume, *options = value.split(",")
    if volume == "none" or volume.startswith("/") or "media=cdrom" in options:
        return None
    size = next((option[5:] for option in options if option.startswith("size=")), None)
    return Disk(key, volume, size)


def parse_pending(rows: Iterable[Any]) -> tuple[Pending, ...]:
    return tuple(
        Pending(str(row.get("key", "")), _text(row.get("value")), _text(row.get("pending")))
        for row in rows
        if isinstance(row, dict)
    )


def parse_snapshots(rows: Iterable[Any]) -> tuple[Snapshot, ...]:
    """Sorted by time: the API's order is that of a Perl hash. `current` is the present state, not a snapshot."""
    snapshots = [
        Snapshot(
            name=str(row.get("name", "")),
            taken=_whole(row.get("snaptime")),
            description=(_text(row.get("description")) or "").strip(),
            memory=_flag(row.get("vmstate")),
            parent=_text(row.get("parent")),
            incomplete=bool(row.get("snapstate")),
        )
        for row in rows
        if isinstance(row, dict) and row.get("name") != "current"
    ]
    return tuple(sorted(snapshots, key=lambda snapshot: (snapshot.taken or float("inf"), snapshot.name)))


def parse_backup_storages(rows: Iterable[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`/nodes/{node}/storage?content=backup`: those that can be asked, and those that are not active just now."""
    states = {
        str(row["storage"]): _flag(row.get("active"))
        for row in rows
        if isinstance(row, dict) and is_storage(str(row.get("storage", "")))
    }
    return tuple(name for name in states if states[name]), tuple(name for name in states if not states[name])


_BACKUP_KIND = re.compile(r"(?:^|/)vzdump-(qemu|lxc|openvz)-|backup/(vm|ct)/")
_KINDS = dict.fromkeys(("qemu", "vm", "pbs-vm"), Kind.QEMU) | dict.fromkeys(
    ("lxc", "openvz", "ct", "pbs-ct"), Kind.LXC
)


def _kind_of_backup(row: Mapping[str, Any]) -> Kind | None:
    """As pve-storage tells them apart (volume_is_qemu_backup, volume_is_lxc_backup); None: by nothing it says."""
    named = _BACKUP_KIND.search(str(row["volid"]))
    words = (row.get("subtype"), row.get("format"), *(named.groups() if named else ()))
    return next((_KINDS[word] for word in words if isinstance(word, str) and word in _KINDS), None)


def parse_backups(kind: Kind, storage: str, rows: Iterable[Any]) -> tuple[Backup, ...]:
    """`content?content=backup` of one storage, in its order: the backups of a guest of this kind. A VMID may have
    been another guest's before. Rows without a time are none that could be shown."""
    return tuple(
        Backup(storage, str(row["volid"]), taken, _whole(row.get("size")))
        for row in rows
        if isinstance(row, dict)
        and _text(row.get("volid"))
        and (taken := _whole(row.get("ctime"))) is not None
        and _kind_of_backup(row) in (kind, None)
    )


def parse_tasks(rows: Iterable[Any]) -> tuple[TaskSummary, ...]:
    """Newest first. A running task has the status RUNNING in a node's list, and none in the cluster's."""
    tasks = [_task(row) for row in rows if isinstance(row, dict)]
    return tuple(sorted(tasks, key=lambda task: task.started, reverse=True))


def _task(row: Mapping[str, Any]) -> TaskSummary:
    ended, status = _whole(row.get("endtime")), _text(row.get("status"))
    if status == "RUNNING":
        ended = status = None
    elif ended is not None:
        status = status or "unexpected status"  # UPID.pm read_status: its log breaks off
    return TaskSummary(
        upid=str(row.get("upid", "")),
        type=str(row.get("type", "")),
        user=_task_user(row),
        started=_whole(row.get("starttime")) or 0,
        ended=ended,
        status=status,
        node=_text(row.get("node")) or "",
        id=_text(row.get("id")) or "",
    )


def _task_user(row: Mapping[str, Any]) -> str:
    """`user@realm!token`: the list gives the token apart (Tasks.pm: tokenid)."""
    user, token = str(row.get("user", "")), _text(row.get("tokenid"))
    return f"{user}!{token}" if token and "!" not in user else user


def parse_log(rows: Iterable[Any]) -> tuple[str, ...]:
    """Lines of a task's log, each cut: a program may have written a whole file into one."""
    return tuple(str(row.get("t", ""))[:LINE_MOST] for row in rows if isinstance(row, dict))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < 1e300 else None  # neither NaN nor beyond a float's range


def _whole(value: object) -> int | None:
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]  # anything else raises, and is None
    except (TypeError, ValueError, OverflowError):
        return None


def _text(value: object) -> str | None:
    return str(value)[:TEXT_MOST] if value not in (None, "") else None


def _flag(value: object) -> bool:
    return value in (1, "1", True)


def _tags(value: object) -> tuple[str, ...]:
    return tuple(tag for tag in re.split(r"[;, ]", str(value or "")) if tag)
