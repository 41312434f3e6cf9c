"""Make the reads of `core.proxmox.Proxmox`, except that of the cluster's list."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from adapters.proxmox.guest_agent import parse_addresses, parse_agent_addresses, parse_file_systems
from adapters.proxmox.history import SAMPLES_MOST, parse_history
from adapters.proxmox.infrastructure import parse_ha_status, parse_node_status, parse_storage_history
from adapters.proxmox.parse import (
    parse_backup_storages,
    parse_backups,
    parse_config,
    parse_config_with_pending,
    parse_log,
    parse_pending,
    parse_snapshots,
    parse_status,
    parse_tasks,
)
from adapters.proxmox.paths import guest_path, node_path, storage_path, task_path
from adapters.proxmox.transport.errors import CallContext
from adapters.proxmox.transport.exchange import UnexpectedData
from adapters.proxmox.transport.http import Calls
from core.cluster.backups import ask_all
from core.guest import Backup, Backups, Guest, GuestConfig, Kind, Snapshot, Storage, TaskSummary
from core.proxmox import FileSystem, HaStatus, NodeStatus, Pending, Period, Sample, StorageUse, TaskStatus
from core.proxmox_errors import ProxmoxError, TaskUnknown
from core.validation import checked_snapshot_name, checked_vmid
from core.wanted_errors import BadVmid

T = TypeVar("T")

BACKUPS_SECONDS = 5.0
"""Seconds that all storages together may take to list their backups."""
BACKUP_STORAGES_MOST = 20
"""Maximum number of storages asked for the backups of one guest: each costs a request."""
ROWS_MOST = 10_000
"""Maximum number of rows read from most lists."""
EXIT_MOST = 900
"""Characters kept of a task's exit text."""
FAILED_MOST, TASKS_MOST = 100, 500
"""Maximum number of failed backups, and of tasks, read from a node at once."""


class ProxmoxReads:
    """The reads of `core.proxmox.Proxmox`, except that of the cluster's own list."""

    _calls: Calls

    async def status(self, guest: Guest, *, quick: bool = False) -> Guest:
        path = (*guest_path(guest), "status", "current")
        found: Guest = await self._calls.get(
            path, dict, guest, read=lambda row: parse_status(guest, row), quick=quick
        )
        return found

    async def config(self, guest: Guest) -> GuestConfig:
        path = (*guest_path(guest), "config")
        found: GuestConfig = await self._calls.get(
            path, dict, guest, read=lambda row: parse_config(guest.kind, row), current=1
        )
        return found

    async def pending(self, guest: Guest) -> tuple[Pending, ...]:
        return await self._rows((*guest_path(guest), "pending"), parse_pending, guest)

    async def config_with_pending(self, guest: Guest) -> tuple[GuestConfig, tuple[Pending, ...]]:
        found: tuple[GuestConfig, tuple[Pending, ...]] = await self._calls.get(
            (*guest_path(guest), "pending"),
            list,
            guest,
            read=lambda rows: parse_config_with_pending(guest.kind, rows[:ROWS_MOST]),
        )
        return found

    async def snapshots(self, guest: Guest) -> tuple[Snapshot, ...]:
        return await self._rows((*guest_path(guest), "snapshot"), parse_snapshots, guest)

    async def snapshot_config(self, guest: Guest, name: str) -> GuestConfig:
        path = (*guest_path(guest), "snapshot", checked_snapshot_name(name), "config")
        found: GuestConfig = await self._calls.get(
            path, dict, guest, read=lambda row: parse_config(guest.kind, row)
        )
        return found

    async def backups(self, guest: Guest) -> Backups:
        """Return the guest's backups, and the names of the storages that were not read.

        These are inactive, could not be read in time, or exceed `BACKUP_STORAGES_MOST`.
        Raises: ProxmoxError if the storages cannot be listed.
        """
        names, away = await self._calls.get(
            self._storages_of(guest),
            list,
            read=parse_backup_storages,
            quick=True,
            content="backup",
            enabled=1,
        )
        asked, left = names[:BACKUP_STORAGES_MOST], names[BACKUP_STORAGES_MOST:]
        backups = await ask_all(asked, lambda name: self._backups_on(guest, name), BACKUPS_SECONDS)
        return replace(backups, unread=(*away, *backups.unread, *left))

    def _storages_of(self, guest: Guest) -> tuple[str, ...]:
        return ("nodes", node_path(guest.node), "storage")

    async def _backups_on(self, guest: Guest, name: str) -> tuple[Backup, ...] | None:
        """Return the backups on one storage, None if it cannot be read."""
        path = (*self._storages_of(guest), storage_path(name), "content")
        try:
            found: tuple[Backup, ...] = await self._calls.get(
                path,
                list,
                read=lambda rows: parse_backups(guest.kind, name, rows),
                quick=True,
                content="backup",
                vmid=guest.vmid,
            )
        except ProxmoxError:
            return None
        return found

    async def can_snapshot(self, guest: Guest) -> bool:
        row = await self._calls.get((*guest_path(guest), "feature"), dict, guest, feature="snapshot")
        return bool(row.get("hasFeature"))

    async def addresses(self, guest: Guest) -> tuple[str, ...] | None:
        found: tuple[str, ...] | None
        if guest.kind is Kind.LXC:
            path = (*guest_path(guest), "interfaces")
            found = await self._calls.get(path, list, guest, read=parse_addresses, quick=True)
        else:
            path = (*guest_path(guest), "agent", "network-get-interfaces")
            found = await self._calls.get(path, dict, guest, read=parse_agent_addresses, quick=True)
        return found

    async def file_systems(self, guest: Guest) -> tuple[FileSystem, ...]:
        path = (*guest_path(guest), "agent", "get-fsinfo")
        found: tuple[FileSystem, ...] = await self._calls.get(
            path, dict, guest, read=parse_file_systems, quick=True
        )
        return found

    async def recent_tasks(self, guest: Guest, limit: int) -> tuple[TaskSummary, ...]:
        path = ("nodes", node_path(guest.node), "tasks")
        return await self._rows(path, parse_tasks, vmid=guest.vmid, limit=limit, source="all")

    async def node_status(self, node: str) -> NodeStatus:
        path = ("nodes", node_path(node), "status")
        found: NodeStatus = await self._calls.get(path, dict, read=parse_node_status, quick=True)
        return found

    async def ha_status(self) -> HaStatus:
        path = ("cluster", "ha", "status", "current")
        found: HaStatus = await self._calls.get(
            path, list, read=lambda rows: parse_ha_status(rows[:ROWS_MOST])
        )
        return found

    async def storage_history(self, storage: Storage) -> tuple[StorageUse, ...]:
        path = ("nodes", node_path(storage.node), "storage", storage_path(storage.name), "rrddata")
        return await self._rows(path, parse_storage_history, quick=True, timeframe="week", cf="AVERAGE")

    async def guest_history(self, guest: Guest, period: Period) -> tuple[Sample, ...]:
        return await self._history(guest_path(guest), period, guest)

    async def node_history(self, node: str, period: Period) -> tuple[Sample, ...]:
        return await self._history(("nodes", node_path(node)), period)

    async def _history(
        self, path: tuple[str, ...], period: Period, guest: Guest | None = None
    ) -> tuple[Sample, ...]:
        found: tuple[Sample, ...] = await self._calls.get(
            (*path, "rrddata"),
            list,
            guest,
            read=lambda rows: parse_history(rows[:SAMPLES_MOST]),
            timeframe=Period(period).value,
            cf="AVERAGE",
        )
        return found

    async def cluster_tasks(self) -> tuple[TaskSummary, ...]:
        return await self._rows(("cluster", "tasks"), parse_tasks)

    async def node_tasks(self, node: str, since: int) -> tuple[TaskSummary, ...]:
        path = ("nodes", node_path(node), "tasks")
        tasks = await self._rows(path, parse_tasks, quick=True, source="all", since=since, limit=TASKS_MOST)
        return tuple(replace(task, node=task.node or node) for task in tasks[:TASKS_MOST])

    async def failed_backups(self, node: str, since: int) -> tuple[TaskSummary, ...]:
        path = ("nodes", node_path(node), "tasks")
        tasks = await self._rows(
            path, parse_tasks, quick=True, typefilter="vzdump", errors=1, since=since, limit=FAILED_MOST
        )
        return tuple(replace(task, node=task.node or node) for task in tasks)

    async def next_id(self) -> int:
        found: int = await self._calls.get(("cluster", "nextid"), (str, int), read=_read_vmid)
        return found

    async def task_status(self, upid: str) -> TaskStatus:
        row = await self._calls.get(
            (*task_path(upid), "status"), dict, context=CallContext(None, TaskUnknown(upid))
        )
        running = row.get("status") != "stopped"
        exit_text = str(row.get("exitstatus", "unexpected status"))[:EXIT_MOST]
        return TaskStatus(running, None if running else exit_text)

    async def task_log(self, upid: str, start: int, limit: int) -> tuple[str, ...]:
        return await self._rows((*task_path(upid), "log"), parse_log, start=start, limit=limit)

    async def _rows(
        self,
        path: tuple[str, ...],
        parse: Callable[[list[Any]], tuple[T, ...]],
        guest: Guest | None = None,
        **parameters: Any,
    ) -> tuple[T, ...]:
        found: tuple[T, ...] = await self._calls.get(
            path, list, guest, read=lambda rows: parse(rows[:ROWS_MOST]), **parameters
        )
        return found


def _read_vmid(data: str | int) -> int:
    try:
        return checked_vmid(int(data))
    except (ValueError, BadVmid):
        raise UnexpectedData from None
