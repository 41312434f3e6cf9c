"""Send the changes, and the read of the cluster's list, to Proxmox.

Each path is checked against Proxmox' own patterns. adapters/proxmox/client_reads.py has the other reads, and
adapters/proxmox/transport/http.py makes the calls.
"""

import copy
from typing import Self

from adapters.proxmox.client_reads import ProxmoxReads
from adapters.proxmox.paths import guest_path, node_path
from adapters.proxmox.resources import FormerRead, Listed, decode_resources, parse_cluster
from adapters.proxmox.transport.connections import Endpoint
from adapters.proxmox.transport.exchange import UnexpectedData
from adapters.proxmox.transport.http import LIST_MOST, Calls, OnCall, threads
from core.clock import Clock
from core.guest import Cluster, Guest, Kind
from core.operations import OPERATIONS, Operation
from core.proxmox import Lane
from core.validation import checked_snapshot_name, checked_vmid

__all__ = ["Endpoint", "ProxmoxClient", "threads"]


class ProxmoxClient(ProxmoxReads):
    """Implement `core.proxmox.Proxmox`."""

    def __init__(self, endpoint: Endpoint, clock: Clock, on_call: OnCall | None = None) -> None:
        self._clock = clock
        self._calls = Calls(endpoint, on_call)
        self._former = FormerRead()
        self.identity = f"{endpoint.user}!{endpoint.token_name}"

    def in_lane(self, lane: Lane) -> Self:
        """Return a copy for another lane. Both share the connections and the slots of all lanes."""
        other = copy.copy(self)
        other._calls = self._calls.in_lane(lane)  # noqa: SLF001  # a copy of its own class
        return other

    def close(self) -> None:
        """End the running calls as failed, and send no more."""
        self._calls.close()

    # -- reading

    async def cluster(self) -> Cluster:
        found: Cluster = await self._calls.get(
            ("cluster", "resources"),
            (list, Listed),
            read=lambda rows: parse_cluster(rows, self._clock.monotonic(), self._former),
            most=LIST_MOST,
            decode=lambda body: decode_resources(body, self._former),
        )
        return found

    # -- changing

    async def power(self, guest: Guest, operation: Operation) -> str:
        word = OPERATIONS[operation].power
        if not word:
            raise ValueError(f"{operation} has no status command")
        return await self._calls.start_task("post", (*guest_path(guest), "status", word), guest)

    async def clone(self, template: Guest, newid: int, name: str, *, target: str | None, full: bool) -> str:
        return await self._calls.start_task(
            "post",
            (*guest_path(template), "clone"),
            template,
            newid=checked_vmid(newid),
            target=node_path(target) if target else None,
            full=1 if full else None,
            **{"name" if template.kind is Kind.QEMU else "hostname": name},
        )

    async def resize(
        self, guest: Guest, cores: int | None, memory_mb: int | None, digest: str | None
    ) -> str | None:
        """Change cores and memory.

        For QEMU, POST starts a task whose errors can be followed. For LXC there is only PUT: the change is done
        when Proxmox answers.
        """
        parameters: dict[str, object] = {"cores": cores, "memory": memory_mb, "digest": digest}
        if guest.kind is Kind.QEMU:
            return await self._calls.start_task("post", (*guest_path(guest), "config"), guest, **parameters)
        await self._calls.change(
            "put", (*guest_path(guest), "config"), guest, read=_read_nothing, **parameters
        )
        return None

    async def delete(self, guest: Guest) -> str:
        """Delete a guest together with its entries in backup jobs, replication and HA.

        Otherwise the next guest with this VMID would inherit them. Disks that are not in the configuration stay
        (destroy-unreferenced-disks=0).
        """
        parameters: dict[str, object] = {"purge": 1, "destroy-unreferenced-disks": 0}
        return await self._calls.start_task("delete", guest_path(guest), guest, **parameters)

    async def snapshot_create(self, guest: Guest, name: str, description: str, memory: bool) -> str:
        return await self._calls.start_task(
            "post",
            (*guest_path(guest), "snapshot"),
            guest,
            snapname=checked_snapshot_name(name, guest.kind),
            description=description or None,
            vmstate=1 if memory else None,
        )

    async def snapshot_rollback(self, guest: Guest, name: str) -> str:
        path = (*guest_path(guest), "snapshot", checked_snapshot_name(name), "rollback")
        return await self._calls.start_task("post", path, guest)

    async def snapshot_delete(self, guest: Guest, name: str) -> str:
        return await self._calls.start_task(
            "delete", (*guest_path(guest), "snapshot", checked_snapshot_name(name)), guest
        )


def _read_nothing(data: object) -> None:
    if data is not None:
        raise UnexpectedData
