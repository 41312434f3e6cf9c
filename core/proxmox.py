"""Define the access of core/ to Proxmox as a protocol. proxmox_client.py implements it."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from core.guest import Backups, Cluster, Guest, GuestConfig, Snapshot, Storage, TaskSummary
from core.operations import Operation


class Lane(StrEnum):
    """Purpose of a request. Each has slots of its own: people's reads take none from the watch or a change."""

    READS = "reads"  # people's reads, and those of the watch from guest agents
    CHANGES = "changes"  # a change, from its plan to its end
    WATCH = (
        "watch"  # the cluster's list, shared by everybody, and other reads of the watch and the dashboards
    )


asker: ContextVar[int | None] = ContextVar("asker", default=None)
"""User id of the person for whom the current asyncio task asks Proxmox, None for the bot itself.

People take turns, so that none holds up the others.
"""


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """State of a task. `exit`: None while it runs, then Proxmox' word: OK, WARNINGS: n, or the error."""

    running: bool
    exit: str | None


@dataclass(frozen=True, slots=True)
class Pending:
    """A value of the configuration. With `pending` or `delete` it changes at the next full stop and start."""

    key: str
    value: str | None
    pending: str | None
    delete: bool = False
    """Whether it will be removed. Proxmox' default applies then."""

    @property
    def is_waiting(self) -> bool:
        return self.pending is not None or self.delete


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node as it reports itself (`/nodes/{node}/status`). Sizes in bytes; `cpu`: fraction of `cpus`.

    `load`: the averages of 1, 5 and 15 minutes, empty if they were not sent. Any other missing value is None.
    `root`: its root file system. `uptime`: seconds.
    """

    cpu: float | None = None
    cpus: int | None = None
    load: tuple[float, ...] = ()
    memory: int | None = None
    memory_total: int | None = None
    swap: int | None = None
    swap_total: int | None = None
    root: int | None = None
    root_total: int | None = None
    uptime: int | None = None
    version: str | None = None
    kernel: str | None = None


@dataclass(frozen=True, slots=True)
class HaStatus:
    """The quorum, and the state of high availability.

    `armed`: Proxmox' word from 9.2 on (armed, standby, disarming, disarmed), "" in earlier versions.
    `nodes`: for each node the state of its local resource manager, in Proxmox' words. Empty if HA is not used.
    """

    quorate: bool | None = None
    armed: str = ""
    nodes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StorageUse:
    """The usage of a storage at one time (Unix seconds), in bytes."""

    time: int
    used: float
    total: float


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system inside a VM, as its guest agent reports it. Sizes in bytes; `total` is not 0."""

    mountpoint: str
    type: str
    used: int
    total: int

    @property
    def fill(self) -> float:
        """The used fraction."""
        return self.used / self.total


class Period(StrEnum):
    """A period that ends now, by Proxmox' word for it. Proxmox 9 has a decade too, but for nodes only."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    @property
    def seconds(self) -> float:
        return _SECONDS[self]


_SECONDS = {
    Period.HOUR: 3600.0,
    Period.DAY: 86400.0,
    Period.WEEK: 7 * 86400.0,
    Period.MONTH: 30 * 86400.0,
    Period.YEAR: 365 * 86400.0,
}


class Measure(StrEnum):
    """The values of a sample. CPU and IO_WAIT are fractions, pressures percentages, the others bytes.

    NET_… and DISK_READ, DISK_WRITE are bytes per second.
    """

    CPU = "cpu"
    IO_WAIT = "io wait"
    MEMORY = "memory"
    MEMORY_TOTAL = "memory total"
    MEMORY_HOST = "memory host"  # memory of its node that the VM uses (Proxmox 9)
    NET_IN = "net in"
    NET_OUT = "net out"
    DISK_READ = "disk read"
    DISK_WRITE = "disk write"
    DISK_USED = "disk used"
    DISK_TOTAL = "disk total"
    CPU_SOME = "cpu some"  # pressure (PSI, Proxmox 9)
    CPU_FULL = "cpu full"
    IO_SOME = "io some"
    IO_FULL = "io full"
    MEMORY_SOME = "memory some"
    MEMORY_FULL = "memory full"


@dataclass(frozen=True, slots=True)
class Sample:
    """The averages of a guest's or node's values over one step of the past. `time`: Unix seconds.

    Unknown values are left out, such as those of a stopped guest. The time from one sample to the next depends on the
    period and on the version of Proxmox, so take it from the samples.
    """

    time: float
    values: Mapping[Measure, float]


class Proxmox(Protocol):
    """The requests to Proxmox.

    Every method may raise a ProxmoxError (core/proxmox_errors.py), and one about a guest also GuestLocked,
    GuestProtected or ChangedMeanwhile. `clone` may raise VmidTaken. VMIDs and names of nodes, storages and snapshots
    that Proxmox would not accept raise BadVmid, ValueError or BadSnapshotName. A malformed UPID raises TaskUnknown.
    """

    identity: str
    """The bot's own `user@realm!token`, as task lists show it."""

    def close(self) -> None:
        """End the running calls. Later ones fail as Unreachable."""

    async def cluster(self) -> Cluster:
        """Return the guests, nodes, storages and pools that the token may see, with one request."""

    async def status(self, guest: Guest, *, quick: bool = False) -> Guest:
        """Return the guest as it is now (`status/current`).

        `quick`: the guest's node may hang. The call must not block others.
        """

    async def config(self, guest: Guest) -> GuestConfig:
        """Return the configuration in effect now, without pending changes."""

    async def pending(self, guest: Guest) -> tuple[Pending, ...]:
        """Return the configuration values, including changes that wait for a restart."""

    async def config_with_pending(self, guest: Guest) -> tuple[GuestConfig, tuple[Pending, ...]]:
        """Return the result of `config`, and the changes that wait for a restart, with one request."""

    async def snapshots(self, guest: Guest) -> tuple[Snapshot, ...]:
        """Return the snapshots, oldest first, without the pseudo-snapshot `current`."""

    async def snapshot_config(self, guest: Guest, name: str) -> GuestConfig:
        """Return the configuration in a snapshot, including tags and protection."""

    async def backups(self, guest: Guest) -> Backups:
        """Return the guest's backups on the storages of its node. Those on other storages are left out."""

    async def can_snapshot(self, guest: Guest) -> bool:
        """Return whether the guest's storages support snapshots."""

    async def addresses(self, guest: Guest) -> tuple[str, ...] | None:
        """Return at most six IP addresses, None if there are none. Loopback and link-local ones are left out.

        The agent of a VM or the kernel of a container reports them. The call may hang.
        """

    async def file_systems(self, guest: Guest) -> tuple[FileSystem, ...]:
        """Return the real file systems that a VM's guest agent reports, the fullest first. The call may hang."""

    async def recent_tasks(self, guest: Guest, limit: int) -> tuple[TaskSummary, ...]:
        """Return at most `limit` of the guest's tasks on its node, newest first, including running ones."""

    async def node_status(self, node: str) -> NodeStatus:
        """Return a node's own status. The call may hang and must not block others."""

    async def ha_status(self) -> HaStatus:
        """Return the quorum and the state of high availability."""

    async def storage_history(self, storage: Storage) -> tuple[StorageUse, ...]:
        """Return the usage of a storage in the past week, oldest first. Gaps are left out. Proxmox 8 sends more."""

    async def guest_history(self, guest: Guest, period: Period) -> tuple[Sample, ...]:
        """Return averages of the guest's past usage, oldest first. Proxmox 8 sends more than the period."""

    async def node_history(self, node: str, period: Period) -> tuple[Sample, ...]:
        """Return the node's past usage, as `guest_history` does.

        Raises: MissingPrivilege without Sys.Audit on the node.
        """

    async def cluster_tasks(self) -> tuple[TaskSummary, ...]:
        """Return the tasks of all nodes, newest first (`/cluster/tasks`).

        Each node lists its running tasks, filled up to 25 with the finished ones that started last.
        A token without Sys.Audit on `/` sees none (Cluster.pm compares it with the bare user).
        """

    async def node_tasks(self, node: str, since: int) -> tuple[TaskSummary, ...]:
        """Return a node's tasks that started at or after `since` (Unix seconds), newest first, a limited number.

        Running ones are included. A token without Sys.Audit on the node sees only its own tasks.
        """

    async def failed_backups(self, node: str, since: int) -> tuple[TaskSummary, ...]:
        """Return a node's failed vzdump tasks that started at or after `since` (Unix seconds), newest first.

        Their number is limited. A token without Sys.Audit on the node sees only its own tasks.
        """

    async def power(self, guest: Guest, operation: Operation) -> str:
        """Do an action that has a `power` in `OPERATIONS`, and return the UPID."""

    async def clone(self, template: Guest, newid: int, name: str, *, target: str | None, full: bool) -> str:
        """Clone a template and return the UPID.

        `target`: node of the clone, None for the template's. `full`: copy the disks instead of linking them.
        """

    async def resize(
        self, guest: Guest, cores: int | None, memory_mb: int | None, digest: str | None
    ) -> str | None:
        """Change cores and memory. Return the UPID for QEMU, None for LXC, where it takes effect at once.

        `cores`: per socket. None leaves a value as it is.
        `digest`: of the configuration as it was read. If that has changed, Proxmox refuses: ChangedMeanwhile.
        """

    async def delete(self, guest: Guest) -> str:
        """Delete a guest and return the UPID."""

    async def snapshot_create(self, guest: Guest, name: str, description: str, memory: bool) -> str:
        """Create a snapshot and return the UPID. `memory`: include the RAM."""

    async def snapshot_rollback(self, guest: Guest, name: str) -> str:
        """Roll a guest back to a snapshot and return the UPID."""

    async def snapshot_delete(self, guest: Guest, name: str) -> str:
        """Delete a snapshot and return the UPID."""

    async def next_id(self) -> int:
        """Return a free VMID. It is not reserved."""

    async def task_status(self, upid: str) -> TaskStatus:
        """Return the state of a task.

        Raises: TaskUnknown if Proxmox no longer knows it.
        """

    async def task_log(self, upid: str, start: int, limit: int) -> tuple[str, ...]:
        """Return at most `limit` lines of the log, starting at number `start` (0-based)."""
