"""What the rules need of Proxmox, as a protocol; proxmox_client.py keeps it."""

from dataclasses import dataclass
from typing import Protocol

from core.fallback import Backups
from core.guest import Cluster, Guest, GuestConfig, Snapshot, TaskSummary
from core.verbs import Verb


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """`exit` is None while the task runs; afterwards Proxmox' word: OK, WARNINGS: n, or the error."""

    running: bool
    exit: str | None


@dataclass(frozen=True, slots=True)
class Pending:
    """A value of the configuration. It changes only with the next full stop and start, where there is `pending` or
    `delete`."""

    key: str
    value: str | None
    pending: str | None
    delete: bool = False
    """It is to be taken away, so that Proxmox' default holds."""

    @property
    def is_waiting(self) -> bool:
        return self.pending is not None or self.delete


class Proxmox(Protocol):
    """Every method raises a ProxmoxError of core/errors.py (clone also VmidTaken) and nothing else."""

    identity: str
    """The bot's own `user@realm!token`, as task lists show it."""

    def close(self) -> None:
        """End the calls under way; further ones fail as Unreachable."""

    async def cluster(self) -> Cluster:
        """All guests and nodes, in one request."""

    async def status(self, guest: Guest, *, quick: bool = False) -> Guest:
        """The guest as it is this moment (`status/current`). `quick`: its node may hang, and must not hold others."""

    async def config(self, guest: Guest) -> GuestConfig:
        """The configuration as it holds now, without pending changes."""

    async def pending(self, guest: Guest) -> tuple[Pending, ...]:
        """The changes that wait for a restart."""

    async def snapshots(self, guest: Guest) -> tuple[Snapshot, ...]:
        """Oldest first, without the pseudo-snapshot `current`."""

    async def snapshot_config(self, guest: Guest, name: str) -> GuestConfig:
        """The configuration that a snapshot keeps, tags and protection included."""

    async def backups(self, guest: Guest) -> Backups:
        """On the storages of its node: what stands in others is not seen from there."""

    async def can_snapshot(self, guest: Guest) -> bool:
        """Whether the guest's storages can take a snapshot."""

    async def addresses(self, guest: Guest) -> tuple[str, ...] | None:
        """IP addresses, loopback and link-local left out; None where neither agent nor LXC gives them."""

    async def recent_tasks(self, guest: Guest, limit: int) -> tuple[TaskSummary, ...]:
        """The guest's tasks on its node, newest first, running ones included."""

    async def cluster_tasks(self) -> tuple[TaskSummary, ...]:
        """The latest 25 tasks of every node and all running ones, newest first (`/cluster/tasks`).

        Without Sys.Audit on `/` a token sees none (Cluster.pm compares it with the bare user).
        """

    async def node_tasks(self, node: str, since: int) -> tuple[TaskSummary, ...]:
        """All tasks of a node that began at `since` (Unix seconds) or later, newest first, running ones included.

        Without Sys.Audit on the node a token sees its own alone.
        """

    async def failed_backups(self, node: str, since: int) -> tuple[TaskSummary, ...]:
        """The vzdump tasks of a node, begun at `since` (Unix seconds) or later, that did not end well, newest first.

        Without Sys.Audit on the node a token sees its own alone.
        """

    async def power(self, guest: Guest, verb: Verb) -> str:
        """start, reboot, shutdown or stop; the UPID."""

    async def clone(self, template: Guest, newid: int, name: str, *, target: str | None, full: bool) -> str:
        """The UPID."""

    async def resize(
        self, guest: Guest, cores: int | None, memory_mb: int | None, digest: str | None
    ) -> str | None:
        """The UPID for QEMU; None for LXC, where it holds at once."""

    async def delete(self, guest: Guest) -> str:
        """The UPID."""

    async def snapshot_create(self, guest: Guest, name: str, description: str, memory: bool) -> str:
        """The UPID."""

    async def snapshot_rollback(self, guest: Guest, name: str) -> str:
        """The UPID."""

    async def snapshot_delete(self, guest: Guest, name: str) -> str:
        """The UPID."""

    async def next_id(self) -> int:
        """The lowest free VMID; nothing is reserved."""

    async def task_status(self, upid: str) -> TaskStatus:
        """Raises TaskUnknown where Proxmox no longer knows it."""

    async def task_log(self, upid: str, start: int, limit: int) -> tuple[str, ...]:
        """Lines of the log from number `start` (0-based) on."""
