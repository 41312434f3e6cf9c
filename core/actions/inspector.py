"""Everything the info panel shows of one guest, read side by side; what cannot be had is left out."""

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
    """A guest with what surrounds it; None where Proxmox does not tell (or the token may not know)."""

    guest: Guest
    config: GuestConfig | None
    snapshots: tuple[Snapshot, ...] | None
    addresses: tuple[str, ...] | None
    last_task: TaskSummary | None
    pending: tuple[Pending, ...] | None = None
    """What waits for a restart."""
    protected: bool = False
    """By the bot's configuration, its tag or Proxmox' flag."""


@dataclass(eq=False, slots=True)
class _SharedRead:
    """One reading of a guest, and how many wait for it."""

    task: asyncio.Task[GuestDetails]
    waiting: int = 0


class Inspector:
    """Reads all that is shown of a guest. However many ask at once, Proxmox is asked once; each is judged by
    themselves. What nobody waits for any more is given up."""

    def __init__(self, proxmox: Proxmox, planner: Planner) -> None:
        self._proxmox, self._planner = proxmox, planner
        self._flights: dict[tuple[int, Kind, str], _SharedRead] = {}

    async def inspect(self, vmid: int, check: Check) -> GuestDetails:
        """Raises GuestNotFound, what `check` says, or a ProxmoxError when the guest itself cannot be read."""
        listed = await self._planner.find(vmid, check)
        try:
            details = await self._read_shared(listed)
        except GuestMoved:
            listed = await self._planner.find_moved(listed, check)
            details = await self._read_shared(listed)
        guest = replace(details.guest, pool=listed.pool)  # by the list that this person was judged by
        if refusal := check(guest):
            raise refusal
        return replace(details, guest=guest)

    def forget(self, vmid: int) -> None:
        """Something was done to it: who asks from now on does not join those who asked before."""
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
            task.exception()  # whoever asked may have gone

    async def _read(self, listed: Guest) -> GuestDetails:
        guest, proxmox = await self._planner.status(listed), self._proxmox
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
