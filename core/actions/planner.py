"""From an order to a plan: decided, found, and checked against what speaks against it. Changes nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from core.access.authorizer import Admit, Judge
from core.access.policy import Actor, is_protected, unknown_guest
from core.access.tag_authority import authority_of
from core.actions.order import Order, Plan
from core.actions.resizing import excess_of, stored_of
from core.clock import Clock
from core.cluster_cache import FRESH, ClusterReader
from core.errors import (
    BalloonTooLarge,
    ChangedMeanwhile,
    GuestNotFound,
    MemoryNotSaved,
    NothingGiven,
    NothingToChange,
    SnapshotExists,
    SnapshotNotFound,
    SnapshotUnsupported,
    VmidTaken,
)
from core.fallback import Fallback
from core.guest import Guest, Kind, Snapshot, State
from core.names import checked_cores, checked_guest_name, checked_memory, checked_snapshot_name, checked_vmid
from core.proxmox import Pending, Proxmox
from core.proxmox_errors import GuestMoved, NodeUnreachable, ProxmoxError
from core.rights import RIGHTS, Operation
from core.verbs import ACTIONS, Verb, objection

T = TypeVar("T")

NEWS = 3.0
"""Seconds between two lists read only to refuse something: trying in vain must not keep Proxmox at work."""
FALLBACK_SECONDS = 10.0
"""A storage that hangs must not keep a person from seeing what would be lost."""


class Planner:
    """The first half of every action. `home_node` is where new guests go when the storage allows it."""

    def __init__(
        self, proxmox: Proxmox, reader: ClusterReader, clock: Clock, judge: Judge, home_node: str
    ) -> None:
        self._proxmox, self._reader, self._clock = proxmox, reader, clock
        self._judge, self._home = judge, home_node
        self._news_read: float | None = None

    async def find(self, vmid: int, admit: Admit, *, max_age: float = FRESH) -> Guest:
        """The guest as the list has it, which is at most `max_age` seconds old where it permits something.

        Raises BadVmid, GuestNotFound, what `admit` says, ProxmoxError. Who is refused has no list read anew each
        time: what may have come to be permitted is, within NEWS seconds.
        """
        checked_vmid(vmid)
        last = self._reader.last
        if last is not None and self._clock.monotonic() - last.read_at < FRESH:
            known = last.find(vmid)
            if known is None or admit(known):
                max_age = self._age_of_news()
        guest = (await self._reader.read(max_age)).find(vmid)
        if guest is None:
            raise GuestNotFound(vmid)
        _pass(admit, guest)
        return guest

    def _age_of_news(self) -> float:
        """How old the list may be that refuses something: the guest, or its tags, may be new. Read at once, but not
        for each who tries."""
        now = self._clock.monotonic()
        if self._news_read is not None and now - self._news_read < NEWS:
            return NEWS
        self._news_read = now
        return 0.0

    async def at(
        self, vmid: int, work: Callable[[Guest], Awaitable[T]], admit: Admit, *, max_age: float = FRESH
    ) -> T:
        """Work on the guest as it is this moment, wherever it is; found again, once, if it moves meanwhile.

        Raises GuestNotFound, what `admit` says, a ProxmoxError, and what the work raises. The work must change
        nothing. Nothing but `admit` is said of a guest that it does not let pass.
        """
        guest = await self.find(vmid, admit, max_age=max_age)
        try:
            return await work(await self._status(guest, admit))
        except GuestMoved:
            return await work(await self._status(await self.find_moved(guest, admit), admit))

    async def find_moved(self, guest: Guest, admit: Admit) -> Guest:
        """A guest that is not where it was listed, where it is listed now. Raises as `find` does."""
        self._reader.forget(guest.vmid)
        moved = (await self._reader.read(max_age=0)).find(guest.vmid)
        if moved is None or moved.node == guest.node:
            raise GuestNotFound(guest.vmid) from None
        _pass(admit, moved)
        return moved

    async def locate(self, vmid: int, admit: Admit, *, max_age: float = FRESH) -> Guest:
        """The guest as it is this moment, wherever it is. Raises GuestNotFound, what `admit` says, ProxmoxError."""
        return await self.at(vmid, _itself, admit, max_age=max_age)

    async def status(self, listed: Guest) -> Guest:
        """A listed guest as it is this moment. Raises ProxmoxError, GuestMoved where it is not there."""
        if self._reader.last and not self._reader.last.node_online(listed.node):
            raise NodeUnreachable(listed.node)
        return await self._proxmox.status(listed)

    async def _status(self, listed: Guest, admit: Admit) -> Guest:
        guest = await self.status(listed)
        _pass(admit, guest)
        return guest

    def permit(self, order: Order, guest: Guest | None = None) -> None:
        """Raises the Refused that access decides on; without `guest`, as far as that can be said without it."""
        self._judge.permit(order.actor, _operation(order), guest)

    def list_age(self, actor: Actor, operation: Operation, vmid: int) -> float:
        """How old the list may be, in seconds, that this is decided by."""
        return 0.0 if self._judge.needs_news(actor, operation, vmid) else FRESH

    async def judge(self, order: Order) -> None:
        """Raises what access says to it, GuestNotFound, or a ProxmoxError where the list is needed and not there."""
        self.permit(order)
        operation = _operation(order)
        admit = self._judge.admits(order.actor, operation)
        age = self.list_age(order.actor, operation, order.vmid)
        known = self._reader.known(order.vmid) or unknown_guest(order.vmid)
        if age == 0 or admit(known):
            await self.find(order.vmid, admit, max_age=age)

    async def plan(self, order: Order) -> Plan:
        """What would happen. Raises a Refused or ProxmoxError when it would not."""
        self.permit(order)
        _check_words(order)
        operation = _operation(order)
        admit = self._judge.admits(order.actor, operation)
        age = self.list_age(order.actor, operation, order.vmid)
        return await self.at(order.vmid, lambda guest: self._plan(order, guest), admit, max_age=age)

    async def _plan(self, order: Order, guest: Guest) -> Plan:
        if order.mark is not None and not guest.bears(order.mark):
            raise ChangedMeanwhile(guest.vmid)
        action, plan = ACTIONS[order.verb], Plan(order, guest)
        refusal = objection(action, guest)
        if refusal and not action.needs_unprotected:  # those are judged with their configuration
            raise refusal
        match order.verb:
            case Verb.DELETE:
                plan = replace(plan, snapshots=await self._proxmox.snapshots(guest))
            case Verb.CREATE:
                plan = await self._create(plan)
            case Verb.SNAPSHOT_CREATE | Verb.SNAPSHOT_ROLLBACK | Verb.SNAPSHOT_DELETE:
                plan = await self._snapshot(plan)
        if not RIGHTS[_operation(order)].guarded:
            return plan
        plan = await self._guarded(plan)  # last of all: whether it is protected should be news
        refusal = objection(action, plan.guest)
        if refusal:
            raise refusal
        return await self._resize(plan) if order.verb is Verb.RESIZE else plan

    async def _guarded(self, plan: Plan) -> Plan:
        """With the configuration, where Proxmox' flag stands. Raises what access says to it."""
        config = await self._proxmox.config(plan.guest)
        guest = replace(plan.guest, protected=config.protection)
        self.permit(plan.order, guest)
        before = None
        if plan.order.verb is Verb.SNAPSHOT_ROLLBACK:
            before = authority_of(self._judge.rules, guest.tags, protection=guest.protected, vmid=guest.vmid)
        return replace(plan, guest=guest, config=config, guarded=self.protects(guest), before=before)

    def protects(self, guest: Guest) -> bool:
        """By the bot's configuration, its tag, or Proxmox' flag as far as that was read."""
        return is_protected(self._judge.rules, guest)

    async def fallback(self, plan: Plan) -> Fallback:
        """What the guest could be brought back from afterwards. What cannot be read is said to be unknown."""
        guest = plan.guest
        if plan.order.verb is Verb.DELETE:  # the snapshots are lost with it
            return Fallback(await _in_time(self._proxmox.backups(guest)), ())
        backups, snapshots = await asyncio.gather(
            _in_time(self._proxmox.backups(guest)), _in_time(self._proxmox.snapshots(guest))
        )
        return Fallback(backups, None if snapshots is None else tuple(_left(plan.order, snapshots)))

    async def with_protection(self, guest: Guest) -> Guest:
        """The guest as `configured` says, or as it is where that cannot be read."""
        try:
            return await self.configured(guest)
        except ProxmoxError:
            return guest

    async def configured(self, guest: Guest) -> Guest:
        """The guest with its tags and Proxmox' flag of now. Raises ProxmoxError."""
        if not guest.node:  # it is not listed
            return guest
        config = await self._proxmox.config(guest)
        return replace(guest, protected=config.protection, tags=config.tags)

    async def _resize(self, plan: Plan) -> Plan:
        order, guest = plan.order, plan.guest
        unread = None
        if plan.config is not None:
            waiting, unread = await self._waiting(guest)
            plan = replace(plan, stored=stored_of(plan.config, guest.kind, waiting))
        if plan.change is None:
            if unread:
                raise unread
            cores, memory = plan.not_yet
            raise NothingToChange(guest.vmid, guest.label, cores, memory)
        node = self._reader.last.node(guest.node) if self._reader.last else None
        plan = replace(plan, excess=excess_of(plan.stored, node, order.cores, order.memory_mb))
        balloon = plan.config.balloon_mb if plan.config else None
        if order.memory_mb and balloon and balloon > order.memory_mb:
            raise BalloonTooLarge(guest.vmid, guest.label, order.memory_mb, balloon)
        return plan

    async def _waiting(self, guest: Guest) -> tuple[tuple[Pending, ...], ProxmoxError | None]:
        """What waits for a restart, or why that cannot be read. Raises GuestMoved alone."""
        try:
            return await self._proxmox.pending(guest), None
        except GuestMoved:
            raise
        except ProxmoxError as error:
            return (), error

    async def _create(self, plan: Plan) -> Plan:
        order, guest = plan.order, plan.guest
        if order.new_vmid is not None and (await self._reader.read(max_age=0)).find(order.new_vmid):
            raise VmidTaken(order.new_vmid)
        elsewhere = self._home if self._home != guest.node else None
        config = await self._proxmox.config(guest)  # a clone gets the tags, and Proxmox' flag
        after = authority_of(self._judge.rules, guest.tags, protection=config.protection, vmid=order.new_vmid)
        return replace(plan, new_vmid=order.new_vmid, target=elsewhere, after=after)

    async def _snapshot(self, plan: Plan) -> Plan:
        order, guest, name = plan.order, plan.guest, plan.order.snapshot or ""
        snapshots = await self._proxmox.snapshots(guest)
        known = next((snapshot for snapshot in snapshots if snapshot.name == name), None)
        if order.verb is not Verb.SNAPSHOT_CREATE:
            if known is None:
                raise SnapshotNotFound(guest.vmid, guest.label, name)
            plan = replace(plan, snapshots=snapshots, snapshot=known)
            return await self._handed_back(plan, name) if order.verb is Verb.SNAPSHOT_ROLLBACK else plan
        checked_snapshot_name(name, guest.kind)
        if known:
            raise SnapshotExists(guest.vmid, guest.label, name)
        if order.with_memory and (guest.kind is not Kind.QEMU or guest.state is not State.RUNNING):
            raise MemoryNotSaved(guest.vmid, guest.label, guest.kind)
        if not await self._proxmox.can_snapshot(guest):
            raise SnapshotUnsupported(guest.vmid, guest.label)
        return replace(plan, snapshots=snapshots)

    async def _handed_back(self, plan: Plan, name: str) -> Plan:
        """What the tags in the snapshot would decide. Raises GuestMoved alone."""
        try:
            kept = await self._proxmox.snapshot_config(plan.guest, name)
        except GuestMoved:
            raise
        except ProxmoxError:
            return plan
        vmid, rules = plan.guest.vmid, self._judge.rules
        return replace(plan, after=authority_of(rules, kept.tags, protection=kept.protection, vmid=vmid))


def _left(order: Order, snapshots: Iterable[Snapshot]) -> Iterable[Snapshot]:
    """Those that can be gone back to afterwards."""
    gone = order.snapshot if order.verb is Verb.SNAPSHOT_DELETE else None
    return (each for each in snapshots if each.name != gone and not each.incomplete)


async def _in_time(reading: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(FALLBACK_SECONDS):
            return await reading
    except (ProxmoxError, TimeoutError):
        return None


async def _itself(guest: Guest) -> Guest:
    return guest


def _pass(admit: Admit, guest: Guest) -> None:
    if refusal := admit(guest):
        raise refusal


def _operation(order: Order) -> Operation:
    return Operation(order.verb.value)


def _check_words(order: Order) -> None:
    """What can be refused without asking Proxmox anything."""
    if order.verb is Verb.RESIZE and order.cores is None and order.memory_mb is None:
        raise NothingGiven
    checked_vmid(order.vmid)
    if order.verb is Verb.CREATE:
        checked_guest_name(order.name or "")
    if order.new_vmid is not None:
        checked_vmid(order.new_vmid)
    if order.cores is not None:
        checked_cores(order.cores)
    if order.memory_mb is not None:
        checked_memory(order.memory_mb)
    if order.snapshot is not None:
        checked_snapshot_name(order.snapshot)
