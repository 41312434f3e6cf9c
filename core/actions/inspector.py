"""Read everything that the info panel shows of one guest, in parallel. Unavailable parts are left out."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import TypeVar

from core.access.authorizer import Check
from core.actions.planner import Planner
from core.guest import Guest, GuestConfig, Kind, Snapshot, State, TaskSummary
from core.proxmox import Pending, Proxmox
from core.proxmox_errors import GuestMoved, ProxmoxError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GuestDetails:
    """A guest and its details. A part is None if Proxmox does not report it, or the token may not see it."""

    guest: Guest
    config: GuestConfig | None
    snapshots: tuple[Snapshot, ...] | None
    addresses: tuple[str, ...] | None
    last_task: TaskSummary | None
    pending: tuple[Pending, ...] | None = None
    """Changes that wait for a restart."""
    protected: bool = False
    """Whether the bot's configuration, a tag or Proxmox' flag protects it."""


@dataclass(eq=False, slots=True)
class _SharedRead:
    """One running read of a guest, and the number of callers that wait for it."""

    task: asyncio.Task[GuestDetails]
    waiting: int = 0


class Inspector:
    """Read all details of a guest.

    Simultaneous callers share one read, but access is checked for each. A read that nobody waits for is
    cancelled.
    """

    def __init__(self, proxmox: Proxmox, planner: Planner) -> None:
        self._proxmox, self._planner = proxmox, planner
        self._flights: dict[tuple[int, Kind, str], _SharedRead] = {}

    async def inspect(self, vmid: int, check: Check) -> GuestDetails:
        """Read the details of a guest.

        Raises: GuestNotFound, the refusal of `check`, or a ProxmoxError if the guest itself cannot be read.
        """
        listed = await self._planner.finder.find(vmid, check)
        try:
            details = await self._read_shared(listed)
        except GuestMoved:
            listed = await self._planner.finder.find_moved(listed, check)
            details = await self._read_shared(listed)
        guest = replace(details.guest, pool=listed.pool)  # from the list by which access was checked
        if refusal := check(guest):
            raise refusal
        return replace(details, guest=guest)

    def forget(self, vmid: int) -> None:
        """Do not let later callers join a read that began before an action on the guest."""
        self._flights = {key: flight for key, flight in self._flights.items() if key[0] != vmid}

    async def _read_shared(self, listed: Guest) -> GuestDetails:
        key = (listed.vmid, listed.kind, listed.node)
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _SharedRead(asyncio.create_task(self._read(listed)))
            flight.task.add_done_callback(lambda done: self._finish(key, done))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                flight.task.cancel()
                self._finish(key, flight.task)

    def _finish(self, key: tuple[int, Kind, str], task: asyncio.Task[GuestDetails]) -> None:
        flight = self._flights.get(key)
        if flight is not None and flight.task is task:
            del self._flights[key]
        if task.done() and not task.cancelled():
            task.exception()  # retrieved here, because the caller may be gone

    async def _read(self, listed: Guest) -> GuestDetails:
        guest, proxmox = await self._planner.finder.status(listed), self._proxmox
        config, snapshots, addresses, tasks, pending = await asyncio.gather(
            _or_none(proxmox.config(guest)),
            _or_none(proxmox.snapshots(guest)),
            _or_none(proxmox.addresses(guest)) if guest.state is State.RUNNING else _none(),
            _or_none(proxmox.recent_tasks(guest, 1)),
            _or_none(proxmox.pending(guest)) if guest.state is not State.STOPPED else _none(),
        )
        if config is not None:
            guest = replace(guest, protected=config.protection)
        last = tasks[0] if tasks else None
        waiting = None if pending is None else tuple(item for item in pending if item.is_waiting)
        protected = self._planner.protects(guest)
        return GuestDetails(guest, config, snapshots, addresses, last, waiting, protected)


async def _or_none(reading: Awaitable[T]) -> T | None:
    try:
        return await reading
    except ProxmoxError:
        return None


async def _none() -> None:
    return None
