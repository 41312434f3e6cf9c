"""Share reads of the cluster and of snapshot lists: one request serves all who ask within a few seconds."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from core.clock import Clock
from core.guest import Cluster, Guest, Snapshot
from core.proxmox import Proxmox

T = TypeVar("T")

FRESH_SECONDS = 10.0
"""Seconds for which a read is used if no newer one is needed. Proxmox updates its figures every 10 s (pvestatd)."""
OVERLAY_SECONDS = 12.0
"""Seconds for which an action's view of a guest is newer than the list: pvestatd's 10 s and 2 s of pmxcfs caching."""


class ClusterCache:
    """Read the cluster once at a time for all callers (single flight), and keep the last read.

    `last`: the last read, None before the first.
    """

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._flight: asyncio.Task[Cluster] | None = None
        self._next: asyncio.Task[Cluster] | None = None
        self._overlays: dict[int, tuple[float, Guest | None]] = {}
        self._on_read: list[Callable[[], None]] = []
        self.last: Cluster | None = None

    def subscribe(self, on_read: Callable[[], None]) -> None:
        """Add a function to call after each successful read."""
        self._on_read.append(on_read)

    def find(self, vmid: int) -> Guest | None:
        """Return the guest from the last read, without asking Proxmox. None if it is not listed there."""
        return self.last.find(vmid) if self.last else None

    def overlay(self, vmid: int, guest: Guest | None) -> None:
        """Overlay the list with a guest as an action has just seen it (None: it is gone).

        Only the state and figures of a listed guest are replaced. Access is decided by the pool, tags and node in the
        newest list.
        """
        self._overlays[vmid] = (self._clock.monotonic() + OVERLAY_SECONDS, guest)
        if self.last is not None:
            self.last = self._with_overlays(self.last)

    def drop_overlay(self, vmid: int) -> None:
        """Drop the overlay of a guest that may have moved: the next read shows the guest as Proxmox lists it."""
        self._overlays.pop(vmid, None)

    async def read(self, max_age: float = FRESH_SECONDS) -> Cluster:
        """Return a read at most `max_age` seconds old (0: started after this call).

        Raises: ProxmoxError.
        """
        if self.last is not None and self._clock.monotonic() - self.last.read_at < max_age:
            return self.last
        # `_flight` is None while the next read is about to start
        if self._next is not None and (max_age == 0 or self._flight is None):
            return await asyncio.shield(self._next)
        if self._flight is None:
            self._flight = _start_shared(self._fetch())
        elif max_age == 0:
            self._next = _start_shared(self._after(self._flight))
            return await asyncio.shield(self._next)
        return await asyncio.shield(self._flight)

    async def _after(self, flight: asyncio.Task[Cluster]) -> Cluster:
        """Read the cluster after `flight` has ended."""
        await asyncio.wait({flight})
        self._flight, self._next = self._next, None
        return await self._fetch()

    async def _fetch(self) -> Cluster:
        try:
            self.last = self._with_overlays(await self._proxmox.cluster())
            for on_read in self._on_read:
                on_read()
            return self.last
        finally:
            if self._flight is asyncio.current_task():
                self._flight = None

    def _with_overlays(self, cluster: Cluster) -> Cluster:
        now = self._clock.monotonic()
        self._overlays = {vmid: kept for vmid, kept in self._overlays.items() if now < kept[0]}
        if not self._overlays:
            return cluster
        return cluster.with_guests(
            {vmid: seen and _overlaid(cluster.find(vmid), seen) for vmid, (_, seen) in self._overlays.items()}
        )


class SnapshotCache:
    """Read snapshot lists for completions, one request for all who ask about a guest within FRESH_SECONDS seconds."""

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._kept: dict[int, tuple[float, asyncio.Task[tuple[Snapshot, ...]]]] = {}

    async def read(self, guest: Guest) -> tuple[Snapshot, ...]:
        """Return the guest's snapshots, at most FRESH_SECONDS seconds old.

        Raises: ProxmoxError.
        """
        now = self._clock.monotonic()
        self._kept = {vmid: kept for vmid, kept in self._kept.items() if now - kept[0] < FRESH_SECONDS}
        kept = self._kept.get(guest.vmid)
        if kept is None or _failed(kept[1]):
            self._kept[guest.vmid] = (now, _start_shared(self._proxmox.snapshots(guest)))
        flight = self._kept[guest.vmid][1]
        try:
            return await asyncio.shield(flight)
        except Exception:
            self._kept.pop(guest.vmid, None)
            raise


def _overlaid(listed: Guest | None, seen: Guest) -> Guest:
    """Return the listed guest with the state and figures of the seen one.

    If another kind of guest has got the VMID, return the listed guest unchanged.
    A guest that is not listed yet gets no tags and no pool: access must not depend on what only the bot remembers.
    """
    if listed is None or listed.kind is not seen.kind:
        return listed or replace(seen, tags=(), pool=None)
    return replace(
        listed,
        state=seen.state,
        uptime=seen.uptime,
        lock=seen.lock,
        cpu=seen.cpu,
        cpus=seen.cpus,
        memory=seen.memory,
        memory_total=seen.memory_total,
    )


def _failed(flight: asyncio.Task[T]) -> bool:
    return flight.done() and (flight.cancelled() or flight.exception() is not None)


def _start_shared(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task that several callers await. Its error is not logged by asyncio if all of them have gone."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task
