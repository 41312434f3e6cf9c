"""The last read of the cluster, shared by everything that only wants to look."""

import asyncio

from core.clock import Clock
from core.guest import Cluster, Guest, Snapshot
from core.proxmox import Proxmox

FRESH = 10.0
"""Seconds a read serves completions and lists: Proxmox itself renews its figures every 10 s (pvestatd)."""


class ClusterReader:
    """One read at a time, however many ask (single flight), kept for whoever can live with its age."""

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._flight: asyncio.Task[Cluster] | None = None
        self.last: Cluster | None = None

    async def read(self, max_age: float = FRESH) -> Cluster:
        """A read at most `max_age` seconds old (0: made after this call). Raises ProxmoxError."""
        if self.last is not None and self._clock.monotonic() - self.last.read_at < max_age:
            return self.last
        if self._flight is None or max_age == 0:
            self._flight = asyncio.create_task(self._fetch())
            self._flight.add_done_callback(_seen)
        return await asyncio.shield(self._flight)

    async def _fetch(self) -> Cluster:
        try:
            cluster = await self._proxmox.cluster()
            if self.last is None or cluster.read_at >= self.last.read_at:
                self.last = cluster
            return cluster
        finally:
            if self._flight is asyncio.current_task():
                self._flight = None


def _seen(flight: asyncio.Task[Cluster]) -> None:
    """Whoever asked may have gone: the error is theirs, not the event loop's to complain about."""
    if not flight.cancelled():
        flight.exception()


class SnapshotReader:
    """Snapshot lists for completions, kept as long as a cluster read, one guest at a time."""

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._kept: dict[int, tuple[float, tuple[Snapshot, ...]]] = {}

    async def read(self, guest: Guest) -> tuple[Snapshot, ...]:
        """At most FRESH seconds old. Raises ProxmoxError."""
        now = self._clock.monotonic()
        self._kept = {vmid: kept for vmid, kept in self._kept.items() if now - kept[0] < FRESH}
        if guest.vmid in self._kept:
            return self._kept[guest.vmid][1]
        snapshots = await self._proxmox.snapshots(guest)
        self._kept[guest.vmid] = (now, snapshots)
        return snapshots
