"""Make the plan of an order: decide access, find the guest, and check that it can be done. Changes nothing."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import replace
from typing import TypeVar

from core.access.authorizer import Authorizer, Check
from core.access.policy import Actor, is_protected, unknown_guest
from core.access.tag_authority import authority_of
from core.actions.guest_finder import GuestFinder, ensure_allowed
from core.actions.order import Order, Plan
from core.actions.preconditions import failed_precondition
from core.actions.resizing import find_excess, with_pending
from core.clock import Clock
from core.cluster.cache import FRESH_SECONDS, ClusterCache
from core.errors import BotError, ChangedMeanwhile
from core.guest import Fallback, Guest, Kind, Snapshot, State
from core.guest_errors import (
    BalloonTooLarge,
    MemoryNotSaved,
    NothingGiven,
    NothingToChange,
    SnapshotExists,
    SnapshotNotFound,
    SnapshotUnsupported,
    VmidTaken,
)
from core.operations import OPERATIONS, Operation
from core.proxmox import Pending, Proxmox
from core.proxmox_errors import GuestMoved, ProxmoxError
from core.validation import (
    checked_cores,
    checked_guest_name,
    checked_memory,
    checked_snapshot_name,
    checked_vmid,
)

T = TypeVar("T")

FALLBACK_SECONDS = 10.0
"""Time limit in seconds: a storage that hangs must not keep a person from seeing the plan."""


class Planner:
    """Plan every action. `home_node`: the node for new guests, if the storage allows it."""

    def __init__(
        self,
        proxmox: Proxmox,
        cluster_cache: ClusterCache,
        clock: Clock,
        authorizer: Authorizer,
        home_node: str,
    ) -> None:
        self._proxmox, self._cluster_cache = proxmox, cluster_cache
        self._authorizer, self._home_node = authorizer, home_node
        self.finder = GuestFinder(proxmox, cluster_cache, clock)

    def authorize(self, order: Order, guest: Guest) -> None:
        """Check access to the guest. Raises: Refused."""
        self._authorizer.authorize(order.actor, order.operation, guest)

    def list_age(self, actor: Actor, operation: Operation, vmid: int) -> float:
        """Return the maximum age in seconds of the list on which this decision is based."""
        return 0.0 if self._authorizer.needs_fresh_list(actor, operation, vmid) else FRESH_SECONDS

    async def check_access(self, order: Order) -> None:
        """Check access to the guest of the order.

        Raises: Refused, GuestNotFound; ProxmoxError if the list is needed and cannot be read.
        """
        operation = order.operation
        check = self._authorizer.check_for(order.actor, operation)
        age = self.list_age(order.actor, operation, order.vmid)
        known = self._cluster_cache.find(order.vmid) or unknown_guest(order.vmid)
        if age == 0 or check(known) is not None:  # an outdated list may be why it is refused
            await self.finder.find(order.vmid, check, max_age=age)

    async def plan(self, order: Order) -> Plan:
        """Return the plan of the order. Access is decided twice: on the guest as listed, and on the guest as read.

        Raises: Refused or ProxmoxError if the order cannot be carried out.
        """
        _validate(order)
        operation = order.operation
        check = self._authorizer.check_for(order.actor, operation)
        age = self.list_age(order.actor, operation, order.vmid)
        return await self.finder.run_unchecked(
            order.vmid, lambda guest: self._plan(order, guest, check), check, age
        )

    async def _plan(self, order: Order, guest: Guest, check: Check) -> Plan:
        guarded = OPERATIONS[order.operation].guarded
        try:
            plan = await self._checked(order, guest)
            if guarded:
                plan = await self._read_protection(plan)  # last: the protection flag must be up to date
        except BotError:
            # an access refusal comes first, because it reveals nothing about the guest
            ensure_allowed(check, guest)
            raise
        ensure_allowed(check, plan.guest)
        if guarded and (refusal := failed_precondition(order.operation, plan.guest)):
            raise refusal
        return await self._resize(plan) if order.operation is Operation.RESIZE else plan

    async def _checked(self, order: Order, guest: Guest) -> Plan:
        """Check the order, and return the plan without the guest's configuration and protection.

        Raises: Refused, ProxmoxError.
        """
        if order.fingerprint is not None and not guest.has_fingerprint(order.fingerprint):
            raise ChangedMeanwhile(guest.vmid)
        plan, refusal = Plan(order, guest), failed_precondition(order.operation, guest)
        # if Proxmox' protection flag can prevent the action, `_plan` checks again once the flag is read: a person
        # should hear of the flag before the state (see failed_precondition)
        if refusal and not OPERATIONS[order.operation].needs_unprotected:
            raise refusal
        match order.operation:
            case Operation.DELETE:
                plan = replace(plan, snapshots=await self._proxmox.snapshots(guest))
            case Operation.CREATE:
                plan = await self._create(plan)
            case Operation.SNAPSHOT_CREATE | Operation.SNAPSHOT_ROLLBACK | Operation.SNAPSHOT_DELETE:
                plan = await self._snapshot(plan)
        return plan

    async def _read_protection(self, plan: Plan) -> Plan:
        """Add the configuration, from it Proxmox' protection flag, and whether the guest is protected.

        For a rollback also add the access that the guest's tags and protection give now.
        """
        config = await self._proxmox.config(plan.guest)
        guest = replace(plan.guest, protected=config.protection)
        before = None
        if plan.order.operation is Operation.SNAPSHOT_ROLLBACK:
            before = authority_of(
                self._authorizer.rules, guest.tags, protection=guest.protected, vmid=guest.vmid
            )
        return replace(plan, guest=guest, config=config, guarded=self.protects(guest), before=before)

    def protects(self, guest: Guest) -> bool:
        """Return whether the bot's configuration, a tag, or Proxmox' flag (if it was read) protects the guest."""
        return is_protected(self._authorizer.rules, guest)

    async def fallback(self, plan: Plan) -> Fallback:
        """Return the backups and snapshots from which the guest can be restored afterwards.

        Each of the two is None if it could not be read.
        """
        guest = plan.guest
        if plan.order.operation is Operation.DELETE:  # the snapshots are deleted too
            return Fallback(await _read_in_time(self._proxmox.backups(guest)), ())
        backups, snapshots = await asyncio.gather(
            _read_in_time(self._proxmox.backups(guest)), _read_in_time(self._proxmox.snapshots(guest))
        )
        return Fallback(
            backups, None if snapshots is None else tuple(_remaining_snapshots(plan.order, snapshots))
        )

    async def with_protection(self, guest: Guest) -> Guest:
        """Return the guest as `configured` does, or unchanged if its configuration cannot be read."""
        try:
            return await self.configured(guest)
        except ProxmoxError:
            return guest

    async def configured(self, guest: Guest) -> Guest:
        """Return the guest with its current tags and Proxmox' protection flag, unchanged if it is not in the list.

        Raises: ProxmoxError.
        """
        if not guest.node:
            return guest
        config = await self._proxmox.config(guest)
        return replace(guest, protected=config.protection, tags=config.tags)

    async def _resize(self, plan: Plan) -> Plan:
        order, guest = plan.order, plan.guest
        error = None
        if plan.config is not None:
            pending, error = await self._pending(guest)
            plan = replace(plan, stored=with_pending(plan.config, guest.kind, pending))
        if plan.change is None:
            if error:
                raise error
            cores, memory = plan.not_in_effect
            raise NothingToChange(guest.vmid, guest.label, cores, memory)
        node = self._cluster_cache.last.node(guest.node) if self._cluster_cache.last else None
        plan = replace(plan, excess=find_excess(plan.stored, node, order.cores, order.memory_mb))
        balloon = plan.config.balloon_mb if plan.config else None
        if order.memory_mb and balloon and balloon > order.memory_mb:
            raise BalloonTooLarge(guest.vmid, guest.label, order.memory_mb, balloon)
        return plan

    async def _pending(self, guest: Guest) -> tuple[tuple[Pending, ...], ProxmoxError | None]:
        """Return `Proxmox.pending`, or nothing and the error of reading it. Raises: GuestMoved only."""
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
        config = await self._proxmox.config(guest)  # a clone inherits the tags and Proxmox' flag
        after = authority_of(
            self._authorizer.rules, guest.tags, protection=config.protection, vmid=order.new_vmid
        )
        return replace(plan, new_vmid=order.new_vmid, target=elsewhere, after=after)

    async def _snapshot(self, plan: Plan) -> Plan:
        order, guest, name = plan.order, plan.guest, plan.order.snapshot or ""
        snapshots = await self._proxmox.snapshots(guest)
        known = next((snapshot for snapshot in snapshots if snapshot.name == name), None)
        if order.operation is not Operation.SNAPSHOT_CREATE:
            if known is None:
                raise SnapshotNotFound(guest.vmid, guest.label, name)
            plan = replace(plan, snapshots=snapshots, snapshot=known)
            return (
                await self._with_snapshot_tags(plan, name)
                if order.operation is Operation.SNAPSHOT_ROLLBACK
                else plan
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
        """Add the access that tags and protection in the snapshot would give, unless they cannot be read.

        Raises: GuestMoved only.
        """
        try:
            kept = await self._proxmox.snapshot_config(plan.guest, name)
        except GuestMoved:
            raise
        except ProxmoxError:
            return plan
        vmid, rules = plan.guest.vmid, self._authorizer.rules
        return replace(plan, after=authority_of(rules, kept.tags, protection=kept.protection, vmid=vmid))


def _remaining_snapshots(order: Order, snapshots: Iterable[Snapshot]) -> Iterable[Snapshot]:
    """Return the snapshots that can still be rolled back to afterwards."""
    gone = order.snapshot if order.operation is Operation.SNAPSHOT_DELETE else None
    return (each for each in snapshots if each.name != gone and not each.incomplete)


async def _read_in_time(reading: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(FALLBACK_SECONDS):
            return await reading
    except (ProxmoxError, TimeoutError):
        return None


def _validate(order: Order) -> None:
    """Check the options that can be refused without asking Proxmox. Raises: Refused."""
    if order.operation is Operation.RESIZE and order.cores is None and order.memory_mb is None:
        raise NothingGiven
    checked_vmid(order.vmid)
    if order.operation is Operation.CREATE:
        checked_guest_name(order.name or "")
    if order.new_vmid is not None:
        checked_vmid(order.new_vmid)
    if order.cores is not None:
        checked_cores(order.cores)
    if order.memory_mb is not None:
        checked_memory(order.memory_mb)
    if order.snapshot is not None:
        checked_snapshot_name(order.snapshot)
