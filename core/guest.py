"""Define the cluster as one read of `/cluster/resources` shows it, and what other reads show, such as snapshots."""

import hashlib
import zlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum
from operator import attrgetter


class Kind(StrEnum):
    """The two kinds of guest, by the word in the API's paths."""

    QEMU = "qemu"
    LXC = "lxc"


class State(StrEnum):
    """State of a guest. Unknown words of Proxmox become UNKNOWN, never an exception."""

    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    PRELAUNCH = "prelaunch"
    IO_ERROR = "io-error"
    UNKNOWN = "unknown"
    # The rest of QEMU's RunState (qapi/run-state.json). Proxmox shows these as the status.
    INTERNAL_ERROR = "internal-error"
    PANICKED = "guest-panicked"
    WATCHDOG = "watchdog"
    POSTMIGRATE = "postmigrate"
    DEBUG = "debug"
    SHUTDOWN = "shutdown"  # powered off, but the process is still alive
    INMIGRATE = "inmigrate"
    FINISH_MIGRATE = "finish-migrate"
    SAVING = "save-vm"
    RESTORING = "restore-vm"
    COLO = "colo"

    @classmethod
    def of(cls, word: object) -> "State":
        return _STATES.get(str(word), cls.UNKNOWN)


FINGERPRINT_DIGITS = 32
"""128 bits: nobody can find a second name with the same fingerprint."""


def fingerprint_of(kind: Kind, name: str | None) -> str:
    """Return hex digits that identify a guest's kind and name."""
    return hashlib.sha256(_fingerprint_text(kind, name)).hexdigest()[:FINGERPRINT_DIGITS]


def _old_fingerprint_of(kind: Kind, name: str | None) -> str:
    """Return the fingerprint of earlier versions: eight hex digits, for which a second name can be found."""
    return f"{zlib.crc32(_fingerprint_text(kind, name)):08x}"


def _fingerprint_text(kind: Kind, name: str | None) -> bytes:
    return f"{kind.value} {name}".encode(errors="replace")  # JSON may hold half a surrogate pair


_STATES = {state.value: state for state in State}

HALTED_STATES = frozenset(
    {
        *(State.IO_ERROR, State.INTERNAL_ERROR, State.PANICKED, State.WATCHDOG),
        *(State.POSTMIGRATE, State.DEBUG),
    }
)
"""The process is alive, but the guest does not run until somebody acts."""
PASSING_STATES = frozenset(
    {
        *(State.PRELAUNCH, State.SHUTDOWN, State.INMIGRATE, State.FINISH_MIGRATE),
        *(State.SAVING, State.RESTORING, State.COLO),
    }
)
"""Transitional states. Each ends by itself, unless something is stuck."""


@dataclass(frozen=True, slots=True)
class Guest:
    """One guest. `cpu`: fraction of `cpus` (0..1). Memory and disk: bytes. `uptime`: seconds.

    `name` is None while Proxmox does not know it (a new guest, or one on a dead node).
    """

    vmid: int
    kind: Kind
    node: str
    state: State
    name: str | None = None
    cpu: float | None = None
    cpus: float | None = None
    memory: int | None = None
    memory_total: int | None = None
    disk: int | None = None
    disk_total: int | None = None
    uptime: int | None = None
    template: bool = False
    lock: str | None = None
    tags: tuple[str, ...] = ()
    ha_managed: bool = False
    pool: str | None = None
    protected: bool = False
    """Proxmox' protection flag. It is only in the configuration: False if that was not read."""
    memory_seen_by_host: bool = False
    """Whether `memory` is the host's figure, because the guest does not report its own use."""

    @property
    def fingerprint(self) -> str:
        """Hex digits that distinguish this guest from one of another kind or name that gets its VMID later."""
        return fingerprint_of(self.kind, self.name)

    def has_fingerprint(self, fingerprint: str) -> bool:
        """Return whether the fingerprint in a button belongs to this guest.

        The shorter fingerprints of earlier versions are accepted too, for the buttons of old messages.
        """
        return fingerprint in (self.fingerprint, _old_fingerprint_of(self.kind, self.name))

    @property
    def label(self) -> str:
        """The name, or the VMID if there is none."""
        return self.name or str(self.vmid)


@dataclass(frozen=True, slots=True)
class Node:
    """One node. Units are as in `Guest`. Figures are None if they are unknown, as without the privilege Sys.Audit.

    `disk`: its root file system.
    `known=False`: it is online, but Proxmox has had no data from it for five minutes (its pvestatd hangs).
    """

    name: str
    online: bool
    cpu: float | None = None
    cpus: float | None = None
    memory: int | None = None
    memory_total: int | None = None
    known: bool = True
    disk: int | None = None
    disk_total: int | None = None
    uptime: int | None = None


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage of one node, or, if `shared`, of the cluster, listed once per node. Sizes in bytes.

    `available=False`: Proxmox has no figures for it now, or its node is offline.
    `type`: Proxmox' word, such as lvmthin. `content`: its words, separated by commas.
    """

    name: str
    node: str
    shared: bool
    available: bool
    used: int | None = None
    total: int | None = None
    type: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One read of the cluster. `guests` are sorted by VMID. `read_at` is on the monotonic clock."""

    guests: tuple[Guest, ...]
    nodes: tuple[Node, ...]
    read_at: float
    storages: tuple[Storage, ...] = ()
    pools: tuple[str, ...] = ()
    """The pools visible to the token."""
    _by_vmid: dict[int, Guest] = field(init=False, repr=False, compare=False)
    _offline: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        vmids = map(attrgetter("vmid"), self.guests)
        object.__setattr__(self, "_by_vmid", dict(zip(vmids, self.guests, strict=True)))
        offline = frozenset(node.name for node in self.nodes if not node.online)
        object.__setattr__(self, "_offline", offline)

    def find(self, vmid: int) -> Guest | None:
        return self._by_vmid.get(vmid)

    @property
    def vmids(self) -> Set[int]:
        return self._by_vmid.keys()

    def with_guests(self, changed: Mapping[int, Guest | None]) -> "Cluster":
        """Return this read with other guests, by VMID. None takes the guest off the list."""
        if not changed:
            return self
        guests: dict[int, Guest | None] = {**self._by_vmid, **changed}
        if not changed.keys() <= self._by_vmid.keys():
            guests = {vmid: guests[vmid] for vmid in sorted(guests)}
        return replace(self, guests=tuple(filter(None, guests.values())))

    def node(self, name: str) -> Node | None:
        return next((node for node in self.nodes if node.name == name), None)

    def node_online(self, name: str) -> bool:
        """Return False only for a node that the cluster lists as offline."""
        return name not in self._offline


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a guest: key (`scsi0`, `rootfs`), volume, and size as Proxmox writes it."""

    key: str
    volume: str
    size: str | None


@dataclass(frozen=True, slots=True)
class GuestConfig:
    """A guest's configuration: the current one (`current=1`), one in a snapshot, or one after the next restart.

    Cores are per socket; memory and balloon in MiB.
    `digest`: Proxmox' checksum of the configuration.
    `parent`: the snapshot on which the current state is based, None without one.
    `agent`: whether a VM's guest agent is enabled.
    """

    cores: int | None
    sockets: int
    memory_mb: int | None
    balloon_mb: int | None
    protection: bool
    disks: tuple[Disk, ...]
    digest: str | None
    description: str | None = None
    tags: tuple[str, ...] = ()
    parent: str | None = None
    agent: bool = False

    @property
    def total_cores(self) -> int | None:
        return None if self.cores is None else self.cores * self.sockets


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot. `taken`: Unix seconds, None if unknown. `memory`: whether it includes the RAM.

    `incomplete`: it is being created or deleted, or that failed halfway.
    """

    name: str
    taken: int | None
    description: str
    memory: bool
    parent: str | None
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """One line of a task list. `status` is None while it runs. Times are Unix seconds by the node's clock.

    `user`: `user@realm`, with `!token` if it was a token.
    `id`: the object of the task, mostly a VMID; "" for a job of several guests.
    """

    upid: str
    type: str
    user: str
    started: int
    ended: int | None
    status: str | None
    node: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup of a guest. `taken`: Unix seconds. `size`: bytes, None if the storage does not report it."""

    storage: str
    volume: str
    taken: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Backups:
    """The backups visible to the bot's token, newest first. `unread`: names of the storages that were not read."""

    found: tuple[Backup, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fallback:
    """The backups and snapshots that an action leaves. None if they could not be read, or not in time."""

    backups: Backups | None
    snapshots: tuple[Snapshot, ...] | None
