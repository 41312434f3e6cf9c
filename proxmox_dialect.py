"""What Proxmox says, in both directions of trouble: its rows made into dataclasses, its refusals into our errors.

Pure functions on plain data; sources are named beside what they decide.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.errors import (
    BotError,
    ChangedMeanwhile,
    GuestLocked,
    GuestMoved,
    GuestProtected,
    LinkedCloneUnsupported,
    LockTimeout,
    MissingPrivilege,
    NodeUnreachable,
    NoQuorum,
    Rejected,
    StorageFull,
    TargetNotShared,
    TimedOut,
    TokenRefused,
    VmidTaken,
)
from core.guest import Cluster, Disk, Guest, GuestConfig, Kind, Node, Snapshot, State, TaskSummary
from core.proxmox import Pending

ADDRESSES_MOST = 6
_QEMU_DISK = re.compile(r"(?:ide|sata|scsi|virtio|efidisk|tpmstate|unused)\d+")
_LXC_DISK = re.compile(r"rootfs|(?:mp|unused)\d+")
_DEFAULT_MEMORY_MB = 512
"""QEMU's and LXC's default where the configuration names none (QemuServer/Memory.pm, LXC/Config.pm)."""


# -- rows


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
    return Cluster(tuple(sorted(guests, key=lambda guest: guest.vmid)), nodes, read_at)


def _node(row: Mapping[str, Any]) -> Node:
    return Node(
        name=str(row.get("node", "")),
        online=row.get("status") != "offline",
        cpu=_number(row.get("cpu")),
        cpus=_number(row.get("maxcpu")),
        memory=_whole(row.get("mem")),
        memory_total=_whole(row.get("maxmem")),
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
        tags=_tags(row.get("tags")) or guest.tags,
        ha_managed=isinstance(ha, dict) and _flag(ha.get("managed")),
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
            description=str(row.get("description") or "").strip(),
            memory=_flag(row.get("vmstate")),
            parent=_text(row.get("parent")),
            incomplete=bool(row.get("snapstate")),
        )
        for row in rows
        if isinstance(row, dict) and row.get("name") != "current"
    ]
    return tuple(sorted(snapshots, key=lambda snapshot: (snapshot.taken or float("inf"), snapshot.name)))


def parse_tasks(rows: Iterable[Any]) -> tuple[TaskSummary, ...]:
    tasks = []
    for row in rows:
        if not isinstance(row, dict):
            continue
        ended, status = _whole(row.get("endtime")), _text(row.get("status"))
        if status == "RUNNING":
            ended = status = None
        task = TaskSummary(
            upid=str(row.get("upid", "")),
            type=str(row.get("type", "")),
            user=_task_user(row),
            started=_whole(row.get("starttime")) or 0,
            ended=ended,
            status=status,
        )
        tasks.append(task)
    return tuple(sorted(tasks, key=lambda task: task.started, reverse=True))


def _task_user(row: Mapping[str, Any]) -> str:
    """`user@realm!token`: the list gives the token apart (Tasks.pm: tokenid)."""
    user, token = str(row.get("user", "")), _text(row.get("tokenid"))
    return f"{user}!{token}" if token and "!" not in user else user


def parse_addresses(interfaces: Iterable[Any]) -> tuple[str, ...] | None:
    """IPv4 first, without loopback and link-local ones. QEMU's agent and both forms of LXC's list are read."""
    found: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
    for interface in interfaces:
        if not isinstance(interface, dict):
            continue
        texts = [str(interface[key]).split("/")[0] for key in ("inet", "inet6") if interface.get(key)]
        for row in interface["ip-addresses"] if isinstance(interface.get("ip-addresses"), list) else ():
            if isinstance(row, dict):
                texts.append(str(row.get("ip-address", "")))
        for text in texts:
            try:
                address = ipaddress.ip_address(text.split("%")[0])
            except ValueError:
                continue
            if not (address.is_loopback or address.is_link_local) and address not in found:
                found.append(address)
    found.sort(key=lambda address: address.version)
    return tuple(str(address) for address in found[:ADDRESSES_MOST]) or None


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
    return str(value) if value not in (None, "") else None


def _flag(value: object) -> bool:
    return value in (1, "1", True)


def _tags(value: object) -> tuple[str, ...]:
    return tuple(tag for tag in re.split(r"[;, ]", str(value or "")) if tag)


# -- errors


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a call was about, so that its refusal can name it. `not_found` is the error for an unknown object."""

    guest: Guest | None = None
    not_found: BotError | None = None


_Rule = tuple[re.Pattern[str], Callable[[re.Match[str], Refusal, str], BotError | None]]


def _of_guest(make: Callable[[Guest], BotError]) -> Callable[[re.Match[str], Refusal, str], BotError | None]:
    return lambda match, refusal, text: make(refusal.guest) if refusal.guest else None


_RULES: tuple[_Rule, ...] = (
    # AbstractConfig.pm load_config; HTTPServer.pm when the guest lives on another node
    (
        re.compile(r"[Cc]onfiguration file '.*' does not exist|unable to find configuration file"),
        _of_guest(lambda guest: GuestMoved(guest.vmid, guest.node)),
    ),
    # AbstractConfig.pm check_lock
    (
        re.compile(r"(?:VM|CT) is locked \((?P<lock>[^)]*)\)"),
        lambda match, refusal, text: (
            GuestLocked(refusal.guest.vmid, refusal.guest.label, match["lock"]) if refusal.guest else None
        ),
    ),
    (
        re.compile(r"can't lock file .* got timeout"),
        lambda match, refusal, text: LockTimeout(refusal.guest.vmid if refusal.guest else None),
    ),
    (re.compile(r"no quorum"), lambda match, refusal, text: NoQuorum()),
    # AbstractConfig.pm check_protection
    (
        re.compile(r"protection mode enabled"),
        _of_guest(lambda guest: GuestProtected(guest.vmid, guest.label)),
    ),
    # AbstractConfig.pm create_and_lock_config; Cluster.pm check_vmid_unused
    (
        re.compile(r"(?:VM|CT) (?P<vmid>\d+)\b.*already exists|create (?:VM|CT) (?P<id>\d+).*already exists"),
        lambda match, refusal, text: VmidTaken(int(match["vmid"] or match["id"])),
    ),
    # Qemu.pm and LXC.pm clone_vm
    (
        re.compile(r"can't clone (?:VM|CT) to node|can't clone to non-shared storage"),
        lambda match, refusal, text: TargetNotShared(text),
    ),
    (
        re.compile(r"[Ll]inked clone.* not (?:supported|available)"),
        lambda match, refusal, text: LinkedCloneUnsupported(text),
    ),
    (
        re.compile(
            r"[Nn]o space left|not enough (?:free )?(?:disk )?space|out of space|insufficient free space"
            r"|free space in thin pool|is full|over ?quota|disk quota exceeded"
        ),
        lambda match, refusal, text: StorageFull(text),
    ),
    # The digest sent is no longer the file's: Qemu.pm update_vm_api (once "missmatch"), Tools.pm assert_if_modified
    (
        re.compile(r"checksum miss?match|detected modified configuration"),
        _of_guest(lambda guest: ChangedMeanwhile(guest.vmid)),
    ),
)
_PERMISSION = re.compile(r"\((?P<path>/[^,)]*)(?:,\s*(?P<privileges>[^)]+))?\)")


def said_no(
    status: int, reason: str, fields: object, refusal: Refusal, host: str, changing: bool
) -> BotError:
    """An HTTP refusal of Proxmox as one of our errors.

    `reason` is Proxmox' message (it travels as the HTTP reason phrase), `fields` the errors of single parameters.
    """
    text = _words(reason, fields)
    if status == 401:
        return TokenRefused()
    if status == 403:
        match = _PERMISSION.search(text)
        return (
            MissingPrivilege(match["privileges"] or "", match["path"]) if match else MissingPrivilege("", "")
        )
    if status in (502, 504):  # a reverse proxy in front of pveproxy: what was sent may be under way
        return TimedOut(host, changing)
    if 595 <= status <= 599:
        node = refusal.guest.node if refusal.guest else host
        return NodeUnreachable(node, changing=changing and status != 595)
    if refusal.not_found and status in (400, 404, 500) and "no such task" in text:
        return refusal.not_found
    for pattern, make in _RULES:
        match = pattern.search(text)
        found = make(match, refusal, text) if match else None
        if found:
            return found
    return Rejected(status, text)


def _words(reason: str, fields: object) -> str:
    """On one line."""
    parts = [reason]
    if isinstance(fields, dict):
        parts += [f"{key}: {value}" for key, value in fields.items() if isinstance(value, str)]
    return " ".join(" ".join(parts).split())
