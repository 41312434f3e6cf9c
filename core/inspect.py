"""Everything the info panel shows of one guest, read side by side; what cannot be had is left out."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import TypeVar

from core.guest import Guest, GuestConfig, Snapshot, State, TaskSummary
from core.judge import Admit
from core.planning import Planner
from core.proxmox import Pending, Proxmox
from core.proxmox_errors import ProxmoxError

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


async def inspect(proxmox: Proxmox, planner: Planner, vmid: int, admit: Admit) -> GuestDetails:
    """Raises GuestNotFound, what `admit` says, or a ProxmoxError when the guest itself cannot be read."""
    guest = await planner.locate(vmid, admit)
    config, snapshots, addresses, tasks, pending = await asyncio.gather(
        _or_none(proxmox.config(guest)),
        _or_none(proxmox.snapshots(guest)),
        _or_none(proxmox.addresses(guest)) if guest.state is State.RUNNING else _nothing(),
        _or_none(proxmox.recent_tasks(guest, 1)),
        _or_none(proxmox.pending(guest)) if guest.state is not State.STOPPED else _nothing(),
    )
    if config is not None:
        guest = replace(guest, protected=config.protection)
    last = tasks[0] if tasks else None
    waiting = None if pending is None else tuple(item for item in pending if item.waits)
    return GuestDetails(guest, config, snapshots, addresses, last, waiting, planner.protects(guest))


async def _or_none(reading: Awaitable[T]) -> T | None:
    try:
        return await reading
    except ProxmoxError:
        return None


async def _nothing() -> None:
    return None
