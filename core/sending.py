"""The one request that starts an action. Everything was decided before; what Proxmox says is final."""

from dataclasses import replace

from core.actions import ACTIONS, Verb
from core.clock import Clock
from core.errors import (
    GuestNotFound,
    LinkedCloneUnsupported,
    NodeUnreachable,
    ProxmoxError,
    TargetNotShared,
    TimedOut,
    VmidTaken,
)
from core.order import Plan
from core.proxmox import Proxmox

CLOCK_SKEW = 60
"""Seconds the node's clock may differ from ours when a task is looked for after a time-out."""
ID_TRIES = 5


async def send(proxmox: Proxmox, clock: Clock, plan: Plan) -> tuple[Plan, str | None]:
    """Start the plan; the plan as it was really started, and its UPID (None: it holds already, no task).

    A request that timed out is never repeated: the node's task list tells whether it was carried out.
    Raises ProxmoxError.
    """
    if plan.order.verb is Verb.CREATE:
        return await _send_clone(proxmox, clock, plan)
    return plan, await _once(proxmox, clock, plan)


async def _send_clone(proxmox: Proxmox, clock: Clock, plan: Plan) -> tuple[Plan, str | None]:
    """The next free VMID is nobody's until the clone exists: take another when somebody was faster.

    Without shared storage the copy stays on the template's node; without linked clones it is a full one.
    """
    tries = 0
    while True:
        if plan.order.new_vmid is None:
            plan = replace(plan, new_vmid=await proxmox.next_id())
        try:
            return plan, await _once(proxmox, clock, plan)
        except TargetNotShared:
            if plan.target is None:
                raise
            plan = replace(plan, target=None)
        except LinkedCloneUnsupported:
            if plan.full:
                raise
            plan = replace(plan, full=True)
        except VmidTaken:
            tries += 1
            if plan.order.new_vmid is not None or tries == ID_TRIES:
                raise


async def _once(proxmox: Proxmox, clock: Clock, plan: Plan) -> str | None:
    sent_at = clock.now()
    try:
        return await _request(proxmox, plan)
    except (TimedOut, NodeUnreachable) as error:
        upid = await _started_anyway(proxmox, plan, sent_at) if error.changing else None
        if upid is None:
            raise
        return upid


async def _request(proxmox: Proxmox, plan: Plan) -> str | None:
    order, guest = plan.order, plan.guest
    match order.verb:
        case Verb.START | Verb.REBOOT | Verb.SHUTDOWN | Verb.STOP:
            return await proxmox.power(guest, order.verb)
        case Verb.CREATE:
            if plan.new_vmid is None or order.name is None:
                raise GuestNotFound(order.vmid)
            return await proxmox.clone(guest, plan.new_vmid, order.name, target=plan.target, full=plan.full)
        case Verb.RESIZE:
            digest = plan.config.digest if plan.config else None
            return await proxmox.resize(guest, order.cores, order.memory_mb, digest)
        case Verb.DELETE:
            return await proxmox.delete(guest)
        case Verb.SNAPSHOT_CREATE:
            return await proxmox.snapshot_create(
                guest, order.snapshot or "", order.description, order.with_memory
            )
        case Verb.SNAPSHOT_ROLLBACK:
            return await proxmox.snapshot_rollback(guest, order.snapshot or "")
        case Verb.SNAPSHOT_DELETE:
            return await proxmox.snapshot_delete(guest, order.snapshot or "")


async def _started_anyway(proxmox: Proxmox, plan: Plan, sent_at: float) -> str | None:
    """The task that the timed-out request started, by type, guest, time and the bot's own token."""
    types = ACTIONS[plan.order.verb].tasks[plan.guest.kind]
    try:
        tasks = await proxmox.recent_tasks(plan.guest, 10)
    except ProxmoxError:
        return None
    for task in tasks:
        if task.type in types and task.user == proxmox.identity and task.started >= sent_at - CLOCK_SKEW:
            return task.upid
    return None
