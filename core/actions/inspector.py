"""Read one guest for the info panel: its state first, and the rest as it arrives.

The reads begin almost together, because the last read of the cluster tells where the guest is. Only the addresses may
have to wait for the state and the configuration. People who ask for the same guest share the reads. Parts that are
unavailable are left out.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ParamSpec, TypeVar

from core.access.authorizer import Check
from core.actions.guest_finder import ensure_allowed
from core.actions.planner import Planner
from core.clock import Clock
from core.guest import Guest, GuestConfig, Kind, State, TaskSummary
from core.proxmox import Pending, Proxmox
from core.proxmox_errors import GuestMoved, ProxmoxError

T = TypeVar("T")
P = ParamSpec("P")

SHARED_SECONDS = 2.0
"""Seconds for which a guest that was read is shown to other people, too."""
SETTLE_SHARE, SETTLE_LEAST, SETTLE_MOST = 0.05, 0.002, 0.1
"""The wait for parts that arrive soon after the state: a share of the time that the state took, and its limits.

The limits are in seconds.
"""
SETTLE_EACH = 0.002
"""Additional seconds for each further person who waits: about the time of one more edit of their message."""
BUSY_SECONDS, BUSY_MOST = 0.1, 1.0
"""Proxmox counts as busy if reading the state takes more than BUSY_SECONDS.

Then the wait for the last part is twice as long as that read, and BUSY_MOST seconds at most. Each edit of a message
takes time that the answers to other people need.
"""
LAST_TASK_AFTER = 0.005
"""Seconds by which the request for the last task follows the other reads, unless the state arrives earlier.

An answer that arrives together with the state and the configuration delays both, and the configuration tells
whether there is an agent to ask.
"""
AGENTS_MOST = 2000
"""Maximum number of VMs whose agent is remembered."""


class Part(StrEnum):
    """A part that is read besides the guest's state."""

    CONFIG = "config"
    LAST_TASK = "last task"
    ADDRESSES = "addresses"


@dataclass(frozen=True, slots=True)
class GuestDetails:
    """A guest and its details. A part is None if it could not be read, or Proxmox does not report it."""

    guest: Guest
    config: GuestConfig | None
    addresses: tuple[str, ...] | None
    last_task: TaskSummary | None
    pending: tuple[Pending, ...] | None = None
    """Changes that wait for a restart. None also for a stopped guest."""
    protected: bool = False
    """Whether the bot's configuration, a tag or Proxmox' flag protects it. The flag comes with `config`."""
    unread: frozenset[Part] = frozenset()
    """The parts that are still being read: their None says nothing about the guest."""
    read_at: float = 0.0
    """Unix seconds at which the state was read."""


_Key = tuple[int, Kind, str]


class _SharedRead:
    """The reads of one guest, and the number of callers that use them."""

    def __init__(self, listed: Guest, inspector: "Inspector") -> None:
        self.key = _key_of(listed)
        self.waiting = 0
        self.read_at = self._read_monotonic = 0.0
        self._status_took = 0.0
        self._listed, self._inspector = listed, inspector
        # the first read gets the first slot
        self.status = asyncio.create_task(self._read_status())
        self.parts: dict[Part, asyncio.Task[Any]] = {
            Part.CONFIG: asyncio.create_task(self._read_config()),
            Part.LAST_TASK: asyncio.create_task(self._read_last_task()),
            Part.ADDRESSES: asyncio.create_task(self._read_addresses()),
        }
        for task in self._tasks:
            task.add_done_callback(_retrieve)

    @property
    def _tasks(self) -> tuple[asyncio.Task[Any], ...]:
        return (self.status, *self.parts.values())

    @property
    def unread(self) -> frozenset[Part]:
        return frozenset(part for part, task in self.parts.items() if not task.done())

    @property
    def is_done(self) -> bool:
        return all(task.done() for task in self._tasks)

    @property
    def is_fresh(self) -> bool:
        """Whether another caller may join."""
        if not self.status.done():
            return True
        failed = self.status.cancelled() or self.status.exception() is not None
        return not failed and self._inspector.clock.monotonic() - self._read_monotonic < SHARED_SECONDS

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _read_status(self) -> Guest:
        loop, clock = asyncio.get_running_loop(), self._inspector.clock
        began = loop.time()
        try:
            guest = await self._inspector.planner.finder.status(self._listed)
        except BaseException:
            for part in self.parts.values():
                part.cancel()
            raise
        self._read_monotonic, self.read_at = clock.monotonic(), clock.now()
        self._status_took = loop.time() - began
        return guest

    async def _read_config(self) -> tuple[GuestConfig, tuple[Pending, ...]] | None:
        read = await _or_none(self._inspector.proxmox.config_with_pending, self._listed)
        if read is not None:
            self._inspector.note_agent(self.key, has_agent=read[0].agent)
        return read

    async def _read_last_task(self) -> tuple[TaskSummary, ...] | None:
        await asyncio.wait({self.status}, timeout=LAST_TASK_AFTER)
        return await _or_none(self._inspector.proxmox.recent_tasks, self._listed, 1)

    async def _read_addresses(self) -> tuple[str, ...] | None:
        """Ask for addresses if somebody can answer: a running container, or the agent of a running VM.

        Do so at once if the guest was running in the last list. A VM must also have had an agent when last shown.
        """
        listed = self._listed
        can_answer = listed.kind is Kind.LXC or self._inspector.has_agent(self.key)
        if not can_answer or listed.state is not State.RUNNING:
            await asyncio.wait({self.status, self.parts[Part.CONFIG]})
            read = self.parts[Part.CONFIG].result()
            no_agent = listed.kind is Kind.QEMU and read is not None and not read[0].agent
            if self.status.result().state is not State.RUNNING or no_agent:
                return None
        return await _or_none(self._inspector.proxmox.addresses, listed)

    def details(self) -> GuestDetails:
        """Return the parts that have arrived. Call it after the state has arrived. Raises: ProxmoxError."""
        guest, unread = self.status.result(), self.unread
        config, tasks, addresses = (None if part in unread else self.parts[part].result() for part in Part)
        pending = None
        if config is not None:
            config, waiting = config
            guest = replace(guest, protected=config.protection)
            pending = waiting if guest.state is not State.STOPPED else None
        if guest.state is not State.RUNNING:
            addresses = None
        protected = self._inspector.planner.protects(guest)
        last = tasks[0] if tasks else None
        return GuestDetails(guest, config, addresses, last, pending, protected, unread, self.read_at)

    async def wait_for_more(self) -> None:
        """Wait until at most one part is missing, and a moment for the last one. If Proxmox is busy, wait longer."""
        while len(self.unread) > 1:
            await asyncio.wait(self._running(), return_when=asyncio.FIRST_COMPLETED)
        if self.unread and self._status_took > BUSY_SECONDS:
            await asyncio.wait(self._running(), timeout=min(2 * self._status_took, BUSY_MOST))
        else:
            await self.wait_a_moment()

    async def wait_for_all(self) -> None:
        await asyncio.wait(self.parts.values())

    async def wait_a_moment(self) -> None:
        """Wait for parts that arrive at about the same time, so that they are shown together."""
        least = max(self._status_took * SETTLE_SHARE, SETTLE_LEAST)
        if running := self._running():
            seconds = min(least + (self.waiting - 1) * SETTLE_EACH, SETTLE_MOST)
            await asyncio.wait(running, timeout=seconds)

    def _running(self) -> Iterable[asyncio.Task[Any]]:
        return [self.parts[part] for part in self.unread]


def _key_of(guest: Guest) -> _Key:
    return guest.vmid, guest.kind, guest.node


class Inspector:
    """Read all details of a guest.

    Callers within SHARED_SECONDS seconds share one read, but access is checked for each. A read that nobody waits
    for is cancelled.
    """

    def __init__(self, proxmox: Proxmox, planner: Planner, clock: Clock) -> None:
        self.proxmox, self.planner, self.clock = proxmox, planner, clock
        self._reads: dict[_Key, _SharedRead] = {}
        self._agents: dict[_Key, None] = {}
        """The VMs that had an agent when they were last shown, the latest last."""

    async def inspect(self, vmid: int, check: Check) -> AsyncGenerator[GuestDetails]:
        """Yield the details of a guest: with its state, with all but one part, and with all. At most three times.

        Parts that arrive at about the same time are yielded together. Only the first step raises.
        Raises: BadVmid, GuestNotFound, the refusal of `check`; ProxmoxError if the list or the state cannot be read.
        """
        finder = self.planner.finder
        held = list[_SharedRead]()
        try:
            if known := finder.known(vmid, check):  # do not wait for a newer list, which only decides access
                self._join(known, held)
            listed = await finder.find(vmid, check)
            read = self._join(listed, held)
            await asyncio.wait({read.status})
            if isinstance(read.status.exception(), GuestMoved):
                listed = await finder.find_moved(listed, check)
                read = self._join(listed, held)
                await asyncio.wait({read.status})
            read.status.result()
            await read.wait_a_moment()
            details = _listed_as(listed, read.details())
            ensure_allowed(check, details.guest)
            yield details
            if len(details.unread) > 1:
                await read.wait_for_more()
                details = _listed_as(listed, read.details())
                yield details
            if details.unread:
                await read.wait_for_all()
                yield _listed_as(listed, read.details())
        finally:
            for each in held:
                self._leave(each)

    def forget(self, vmid: int) -> None:
        """Do not let later callers join a read that began before an action on the guest."""
        self._reads = {key: read for key, read in self._reads.items() if key[0] != vmid}

    def has_agent(self, key: _Key) -> bool:
        return key in self._agents

    def note_agent(self, key: _Key, *, has_agent: bool) -> None:
        """Remember whether a guest has an agent in its configuration."""
        self._agents.pop(key, None)
        if has_agent:
            self._agents[key] = None
            if len(self._agents) > AGENTS_MOST:
                del self._agents[next(iter(self._agents))]

    def _join(self, listed: Guest, held: list[_SharedRead]) -> _SharedRead:
        key = _key_of(listed)
        read = self._reads.get(key)
        if read is None or not read.is_fresh:
            read = self._reads[key] = _SharedRead(listed, self)
            read.status.add_done_callback(lambda done: self._keep_a_while(read, done))
        if read not in held:
            held.append(read)
            read.waiting += 1
        return read

    def _keep_a_while(self, read: _SharedRead, status: asyncio.Task[Guest]) -> None:
        if status.cancelled() or status.exception() is not None:
            self._drop(read)
        else:
            asyncio.get_running_loop().call_later(SHARED_SECONDS, self._drop, read)

    def _leave(self, read: _SharedRead) -> None:
        read.waiting -= 1
        if not read.waiting and not read.is_done:
            read.cancel()
            self._drop(read)

    def _drop(self, read: _SharedRead) -> None:
        if self._reads.get(read.key) is read:
            del self._reads[read.key]


def _listed_as(listed: Guest, details: GuestDetails) -> GuestDetails:
    """Return the details with the guest's pool as listed, because access was decided with that pool."""
    return replace(details, guest=replace(details.guest, pool=listed.pool))


async def _or_none(read: Callable[P, Awaitable[T]], *given: P.args, **named: P.kwargs) -> T | None:
    """Return the result of `read`, None if it raises a ProxmoxError."""
    try:
        return await read(*given, **named)
    except ProxmoxError:
        return None


def _retrieve(done: asyncio.Task[Any]) -> None:
    """Take the error of a read that nobody waits for any more, so that asyncio does not log it."""
    if not done.cancelled():
        done.exception()
