"""Parse Proxmox' answers about guests, their backups, and tasks. Pure functions on plain data.

Parsers never raise on unexpected data. A row without its identity (key, name, volume, UPID) is left out. The comments
name files of Proxmox as sources.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from adapters.proxmox.resources import is_seen_by_host
from adapters.proxmox.values import (
    parse_flag,
    parse_number,
    parse_tags,
    parse_text,
    parse_time,
    parse_whole,
)
from core.actions.resizing import DEFAULT_MEMORY_MB
from core.guest import (
    Backup,
    Disk,
    Guest,
    GuestConfig,
    Kind,
    Snapshot,
    State,
    TaskSummary,
)
from core.proxmox import Pending
from core.validation import is_storage

LINE_MOST = 1000
"""Characters kept of a log line."""
_QEMU_DISK = re.compile(r"(?:ide|sata|scsi|virtio|efidisk|tpmstate|unused)\d+")
_LXC_DISK = re.compile(r"rootfs|(?:mp|unused)\d+")
_AGENT = re.compile(r"(?:^|,)(?:enabled=)?(?:1|on|yes|true)(?:,|$)", re.IGNORECASE)
"""An enabled guest agent: `1` or `enabled=1`, also among other options.

Proxmox takes other words for 1 (JSONSchema.pm parse_boolean).
"""


def _seen_by_host(kind: Kind, row: Mapping[str, Any]) -> bool:
    return is_seen_by_host(kind, *(parse_whole(row.get(key)) for key in ("mem", "memhost", "maxmem")))


def parse_status(guest: Guest, row: Mapping[str, Any]) -> Guest:
    """Parse `status/current`, the state of this moment.

    QEMU reports paused and similar states in `qmpstatus` only.
    """
    word = row.get("status")
    if word == "running":
        word = row.get("qmpstatus") or word
    ha = row.get("ha")
    return Guest(
        vmid=guest.vmid,
        kind=guest.kind,
        node=guest.node,
        state=State.of(word),
        name=parse_text(row.get("name")) or guest.name,
        cpu=parse_number(row.get("cpu")),
        cpus=parse_number(row.get("cpus")) or guest.cpus,
        memory=parse_whole(row.get("mem")),
        memory_total=parse_whole(row.get("maxmem")) or guest.memory_total,
        disk=parse_whole(row.get("disk")) or None,
        disk_total=parse_whole(row.get("maxdisk")) or guest.disk_total,
        uptime=parse_whole(row.get("uptime")),
        template=parse_flag(row.get("template")) or guest.template,
        lock=parse_text(row.get("lock")),
        tags=parse_tags(row.get("tags")),
        ha_managed=isinstance(ha, dict) and parse_flag(ha.get("managed")),
        pool=guest.pool,  # only the cluster's list has it
        memory_seen_by_host=_seen_by_host(guest.kind, row),
    )


def parse_config(kind: Kind, row: Mapping[str, Any]) -> GuestConfig:
    pattern = _QEMU_DISK if kind is Kind.QEMU else _LXC_DISK
    disks = (
        _disk(key, text)
        for key in sorted(row, key=str)
        if pattern.fullmatch(str(key)) and (text := parse_text(row[key]))
    )
    return GuestConfig(
        cores=parse_whole(row.get("cores")) or (1 if kind is Kind.QEMU else None),
        sockets=(parse_whole(row.get("sockets")) or 1) if kind is Kind.QEMU else 1,
        memory_mb=_memory(row.get("memory")),
        balloon_mb=parse_whole(row.get("balloon")) if kind is Kind.QEMU else None,
        protection=parse_flag(row.get("protection")),
        disks=tuple(disk for disk in disks if disk is not None),
        digest=parse_text(row.get("digest")),
        description=parse_text(row.get("description")),
        tags=parse_tags(row.get("tags")),
        parent=parse_text(row.get("parent")),
        agent=_AGENT.search(parse_text(row.get("agent")) or "") is not None,
    )


def _memory(value: object) -> int:
    """Return the memory in MiB. Newer QEMU configurations write `current=2048`."""
    match = re.search(r"\d+", parse_text(value) or "")
    return (parse_whole(match.group()) if match else None) or DEFAULT_MEMORY_MB


def _disk(key: str, value: str) -> Disk | None:
    """Parse a disk.

    Return None for CD drives and cloud-init media, which hold no data of the guest. Also return None for directories
    and devices of the host, which stay when the guest is deleted.
    """
    volume, *options = value.split(",")
    if volume == "none" or volume.startswith("/") or "media=cdrom" in options:
        return None
    size = next((option[5:] for option in options if option.startswith("size=")), None)
    return Disk(key, volume, size)


def parse_pending(rows: Iterable[Any]) -> tuple[Pending, ...]:
    """Parse `/pending`. A value to be removed has `delete` (1, or 2 with force) instead of `pending`."""
    return tuple(
        Pending(
            key,
            parse_text(row.get("value")),
            parse_text(row.get("pending")),
            bool(parse_whole(row.get("delete"))),
        )
        for row in rows
        if isinstance(row, dict) and (key := parse_text(row.get("key")))
    )


def parse_config_with_pending(kind: Kind, rows: Iterable[Any]) -> tuple[GuestConfig, tuple[Pending, ...]]:
    """Parse `/pending` as the configuration in effect and the changes that wait for a restart.

    It has a row for each key of the configuration, with the current `value` (GuestHelpers.pm
    config_with_pending_array).
    """
    known = [row for row in rows if isinstance(row, dict)]
    values = {str(row.get("key")): row["value"] for row in known if "value" in row}
    pending = parse_pending(known)
    return parse_config(kind, values), tuple(item for item in pending if item.is_waiting)


def parse_snapshots(rows: Iterable[Any]) -> tuple[Snapshot, ...]:
    """Parse snapshots, sorted by time, those without a time last.

    The API's own order is random (a Perl hash). `current` is left out: it is the present state, not a snapshot.
    """
    snapshots = [
        Snapshot(
            name=name,
            taken=parse_time(row.get("snaptime")),
            description=(parse_text(row.get("description")) or "").strip(),
            memory=parse_flag(row.get("vmstate")),
            parent=parse_text(row.get("parent")),
            incomplete=bool(row.get("snapstate")),
        )
        for row in rows
        if isinstance(row, dict) and (name := parse_text(row.get("name"))) and name != "current"
    ]
    return tuple(sorted(snapshots, key=lambda snapshot: (snapshot.taken or float("inf"), snapshot.name)))


def parse_backup_storages(rows: Iterable[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Parse `/nodes/{node}/storage?content=backup`. Return the active storages, and the inactive ones."""
    states = {
        name: parse_flag(row.get("active"))
        for row in rows
        if isinstance(row, dict) and (name := parse_text(row.get("storage"))) and is_storage(name)
    }
    return tuple(name for name in states if states[name]), tuple(name for name in states if not states[name])


_BACKUP_KIND = re.compile(r"(?:^|/)vzdump-(qemu|lxc|openvz)-|backup/(vm|ct)/")
_KINDS = dict.fromkeys(("qemu", "vm", "pbs-vm"), Kind.QEMU) | dict.fromkeys(
    ("lxc", "openvz", "ct", "pbs-ct"), Kind.LXC
)


def _kind_of_backup(row: Mapping[str, Any]) -> Kind | None:
    """Return the kind of the guest in a backup, None if the row does not show it.

    pve-storage detects it the same way (volume_is_qemu_backup, volume_is_lxc_backup).
    """
    named = _BACKUP_KIND.search(str(row["volid"]))
    words = (row.get("subtype"), row.get("format"), *(named.groups() if named else ()))
    return next((_KINDS[word] for word in words if isinstance(word, str) and word in _KINDS), None)


def parse_backups(kind: Kind, storage: str, rows: Iterable[Any]) -> tuple[Backup, ...]:
    """Parse `content?content=backup` of one storage, in its order.

    Backups of the other kind are left out, because the VMID may have belonged to another guest. Rows without a
    time are left out, because they cannot be shown.
    """
    return tuple(
        Backup(storage, volume, taken, parse_whole(row.get("size")))
        for row in rows
        if isinstance(row, dict)
        and (volume := parse_text(row.get("volid")))
        and (taken := parse_time(row.get("ctime"))) is not None
        and _kind_of_backup(row) in (kind, None)
    )


def parse_tasks(rows: Iterable[Any]) -> tuple[TaskSummary, ...]:
    """Parse tasks, newest first.

    A running task has the status RUNNING in a node's list, and none in the cluster's.
    """
    tasks = [_task(row) for row in rows if isinstance(row, dict) and parse_text(row.get("upid"))]
    return tuple(sorted(tasks, key=lambda task: task.started, reverse=True))


def _task(row: Mapping[str, Any]) -> TaskSummary:
    ended, status = parse_whole(row.get("endtime")), parse_text(row.get("status"))
    if status == "RUNNING":
        ended = status = None
    elif ended is not None:
        status = status or "unexpected status"  # as for an incomplete log (UPID.pm read_status)
    return TaskSummary(
        upid=parse_text(row.get("upid")) or "",
        type=parse_text(row.get("type")) or "",
        user=_task_user(row),
        started=parse_whole(row.get("starttime")) or 0,
        ended=ended,
        status=status,
        node=parse_text(row.get("node")) or "",
        id=parse_text(row.get("id")) or "",
    )


def _task_user(row: Mapping[str, Any]) -> str:
    """Return `user@realm!token`. The list has the token in a field of its own (Tasks.pm: tokenid)."""
    user, token = parse_text(row.get("user")) or "", parse_text(row.get("tokenid"))
    return f"{user}!{token}" if token and "!" not in user else user


def parse_log(rows: Iterable[Any]) -> tuple[str, ...]:
    """Return the lines of a task's log. Each is cut, because a program may write a whole file into one line."""
    return tuple(str(row.get("t", ""))[:LINE_MOST] for row in rows if isinstance(row, dict))
