"""From an order to a plan: decided, found, and checked against what speaks against it. Changes nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from core.access.authorizer import Authorizer, Check
from core.access.policy import Actor, is_protected, unknown_guest
from core.access.tag_authority import authority_of
from core.actions.order import Order, Plan
from core.actions.resizing import find_excess, with_pending
from core.clock import Clock
from core.cluster_cache import FRESH_SECONDS, ClusterCache
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
from core.verbs import ACTIONS, Verb, failed_precondition

T = TypeVar("T")

REFUSAL_SECONDS = 3.0
"""Seconds between two lists read only to refuse something: trying in vain must not keep Proxmox at work."""
FALLBACK_SECONDS = 10.0
"""A storage that hangs must not keep a person from seeing what would be lost."""


class Planner:
    """The first half of every action. `home_node` is where new guests go when the storage allows it."""

    def __init__(
        self,
        proxmox: Proxmox,
        cluster_cache: ClusterCache,
        clock: Clock,
        authorizer: Authorizer,
        home_node: str,
    ) -> None:
        self._proxmox, self._cluster_cache, self._clock = proxmox, cluster_cache, clock
        self._authorizer, self._home_node = authorizer, home_node
        self._refusal_read: float | None = None

    async def find(self, vmid: int, check: Check, *, max_age: float = FRESH_SECONDS) -> Guest:
        """The guest as the list has it, which is at most `max_age` seconds old where it permits something.

        Raises BadVmid, GuestNotFound, what `check` says, ProxmoxError. Who is refused has no list read anew each
        time: what may have come to be permitted is, within REFUSAL_SECONDS seconds.
        """
        checked_vmid(vmid)
        last = self._cluster_cache.last
        if last is not None and self._clock.monotonic() - last.read_at < FRESH_SECONDS:
            known = last.find(vmid)
            if known is None or check(known):
                max_age = self._refusal_age()
        guest = (await self._cluster_cache.read(max_age)).find(vmid)
        if guest is None:
            raise GuestNotFound(vmid)
        _ensure_allowed(check, guest)
        return guest

    def _refusal_age(self) -> float:
        """How old the list may be that refuses something: the guest, or its tags, may be new. Read at once, but not
        for each who tries."""
        now = self._clock.monotonic()
        if self._refusal_read is not None and now - self._refusal_read < REFUSAL_SECONDS:
            return REFUSAL_SECONDS
        self._refusal_read = now
        return 0.0

    async def run_on(
        self,
        vmid: int,
        work: Callable[[Guest], Awaitable[T]],
        check: Check,
        *,
        max_age: float = FRESH_SECONDS,
    ) -> T:
        """Work on the guest as it is this moment, wherever it is; found again, once, if it moves meanwhile.

        Raises GuestNotFound, what `check` says, a ProxmoxError, and what the work raises. The work must change
        nothing. Nothing but `check` is said of a guest that it does not let pass.
        """
        guest = await self.find(vmid, check, max_age=max_age)
        try:
            return await work(await self._status(guest, check))
        except GuestMoved:
            return await work(await self._status(await self.find_moved(guest, check), check))

    async def find_moved(self, guest: Guest, check: Check) -> Guest:
        """A guest that is not where it was listed, where it is listed now. Raises as `find` does."""
        self._cluster_cache.drop_overlay(guest.vmid)
        moved = (await self._cluster_cache.read(max_age=0)).find(guest.vmid)
        if moved is None or moved.node == guest.node:
            raise GuestNotFound(guest.vmid) from None
        _ensure_allowed(check, moved)
        return moved

    async def locate(self, vmid: int, check: Check, *, max_age: float = FRESH_SECONDS) -> Guest:
        """The guest as it is this moment, wherever it is. Raises GuestNotFound, what `check` says, ProxmoxError."""
        return await self.run_on(vmid, _return_guest, check, max_age=max_age)

    async def status(self, listed: Guest) -> Guest:
        """A listed guest as it is this moment. Raises ProxmoxError, GuestMoved where it is not there."""
        if self._cluster_cache.last and not self._cluster_cache.last.node_online(listed.node):
            raise NodeUnreachable(listed.node)
        return await self._proxmox.status(listed)

    async def _status(self, listed: Guest, check: Check) -> Guest:
        guest = await self.status(listed)
        _ensure_allowed(check, guest)
        return guest

    def authorize(self, order: Order, guest: Guest | None = None) -> None:
        """Raises the Refused that access decides on; without `guest`, as far as that can be said without it."""
        self._authorizer.authorize(order.actor, _operation(order), guest)

    def list_age(self, actor: Actor, operation: Operation, vmid: int) -> float:
        """How old the list may be, in seconds, that this is decided by."""
        return 0.0 if self._authorizer.needs_fresh_list(actor, operation, vmid) else FRESH_SECONDS

    async def check_access(self, order: Order) -> None:
        """Raises what access says to it, GuestNotFound, or a ProxmoxError where the list is needed and not there."""
        self.authorize(order)
        operation = _operation(order)
        check = self._authorizer.check_for(order.actor, operation)
        age = self.list_age(order.actor, operation, order.vmid)
        known = self._cluster_cache.find(order.vmid) or unknown_guest(order.vmid)
        if age == 0 or check(known):
            await self.find(order.vmid, check, max_age=age)

    async def plan(self, order: Order) -> Plan:
        """What would happen. Raises a Refused or ProxmoxError when it would not."""
        self.authorize(order)
        _validate(order)
        operation = _operation(order)
        check = self._authorizer.check_for(order.actor, operation)
        age = self.list_age(order.actor, operation, order.vmid)
        return await self.run_on(order.vmid, lambda guest: self._plan(order, guest), check, max_age=age)

    async def _plan(self, order: Order, guest: Guest) -> Plan:
        if order.fingerprint is not None and not guest.has_fingerprint(order.fingerprint):
            raise ChangedMeanwhile(guest.vmid)
        action, plan = ACTIONS[order.verb], Plan(order, guest)
        refusal = failed_precondition(action, guest)
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
        plan = await self._with_protection(plan)  # last of all: whether it is protected should be news
        refusal = failed_precondition(action, plan.guest)
        if refusal:
            raise refusal
        return await self._resize(plan) if order.verb is Verb.RESIZE else plan

    async def _with_protection(self, plan: Plan) -> Plan:
        """With the configuration, where Proxmox' flag stands. Raises what access says to it."""
        config = await self._proxmox.config(plan.guest)
        guest = replace(plan.guest, protected=config.protection)
        self.authorize(plan.order, guest)
        before = None
        if plan.order.verb is Verb.SNAPSHOT_ROLLBACK:
            before = authority_of(
                self._authorizer.rules, guest.tags, protection=guest.protected, vmid=guest.vmid
            )
        return replace(plan, guest=guest, config=config, guarded=self.protects(guest), before=before)

    def protects(self, guest: Guest) -> bool:
        """By the bot's configuration, its tag, or Proxmox' flag as far as that was read."""
        return is_protected(self._authorizer.rules, guest)

    async def fallback(self, plan: Plan) -> Fallback:
        """What the guest could be brought back from afterwards. What cannot be read is said to be unknown."""
        guest = plan.guest
        if plan.order.verb is Verb.DELETE:  # the snapshots are lost with it
            return Fallback(await _read_in_time(self._proxmox.backups(guest)), ())
        backups, snapshots = await asyncio.gather(
            _read_in_time(self._proxmox.backups(guest)), _read_in_time(self._proxmox.snapshots(guest))
        )
        return Fallback(
            backups, None if snapshots is None else tuple(_remaining_snapshots(plan.order, snapshots))
        )

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
            plan = replace(plan, stored=with_pending(plan.config, guest.kind, waiting))
        if plan.change is None:
            if unread:
                raise unread
            cores, memory = plan.unmet
            raise NothingToChange(guest.vmid, guest.label, cores, memory)
        node = self._cluster_cache.last.node(guest.node) if self._cluster_cache.last else None
        plan = replace(plan, excess=find_excess(plan.stored, node, order.cores, order.memory_mb))
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
        if order.new_vmid is not None and (await self._cluster_cache.read(max_age=0)).find(order.new_vmid):
            raise VmidTaken(order.new_vmid)
        elsewhere = self._home_node if self._home_node != guest.node else None
        config = await self._proxmox.config(guest)  # a clone gets the tags, and Proxmox' flag
        after = authority_of(
            self._authorizer.rules, guest.tags, protection=config.protection, vmid=order.new_vmid
        )
        return replace(plan, new_vmid=order.new_vmid, target=elsewhere, after=after)

    async def _snapshot(self, plan: Plan) -> Plan:
        order, guest, name = plan.order, plan.guest, plan.order.snapshot or ""
        snapshots = await self._proxmox.snapshots(guest)
        known = next((snapshot for snapshot in snapshots if snapshot.name == name), None)
        if order.verb is not Verb.SNAPSHOT_CREATE:
            if known is None:
                raise SnapshotNotFound(guest.vmid, guest.label, name)
            plan = replace(plan, snapshots=snapshots, snapshot=known)
            return (
                await self._with_snapshot_tags(plan, name) if order.verb is Verb.SNAPSHOT_ROLLBACK else plan
            )
        checked_snapshot_name(name, guest.kind)
        if known:
            raise SnapshotExists(guest.vmid, guest.label, name)
        if order.with_memory and (guest.kind is not Kind.QEMU or guest.state is not State.RUNNING):
            raise MemoryNotSaved(guest.vmid, guest.label, guest.kind)
        if not await self._proxmox.can_snapshot(guest):
            raise SnapshotUnsupported(guest.vmid, guest.label)
        return replace(plan, snapshots=snapshots)

    async def _with_snapshot_tags(self, plan: Plan, name: str) -> Plan:
        """What the tags in the snapshot would decide. Raises GuestMoved alone."""
        try:
            kept = await self._proxmox.snapshot_config(plan.guest, name)
        except GuestMoved:
            raise
        except ProxmoxError:
            return plan
        vmid, rules = plan.guest.vmid, self._authorizer.rules
        return replace(plan, after=authority_of(rules, kept.tags, protection=kept.protection, vmid=vmid))


def _remaining_snapshots(order: Order, snapshots: Iterable[Snapshot]) -> Iterable[Snapshot]:
    """Those that can be gone back to afterwards."""
    gone = order.snapshot if order.verb is Verb.SNAPSHOT_DELETE else None
    return (each for each in snapshots if each.name != gone and not each.incomplete)


async def _read_in_time(reading: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(FALLBACK_SECONDS):
            return await reading
    except (ProxmoxError, TimeoutError):
        return None


async def _return_guest(guest: Guest) -> Guest:
    return guest


def _ensure_allowed(check: Check, guest: Guest) -> None:
    if refusal := check(guest):
        raise refusal


def _operation(order: Order) -> Operation:
    return Operation(order.verb.value)


def _validate(order: Order) -> None:
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
