"""Send the one request that starts an action. All decisions were made before."""

from collections import deque
from dataclasses import replace

from core.actions.order import Plan
from core.clock import Clock
from core.guest_errors import GuestNotFound, VmidTaken
from core.operations import OPERATIONS, Operation
from core.proxmox import Proxmox
from core.proxmox_errors import (
    BadAnswer,
    LinkedCloneUnsupported,
    NodeUnreachable,
    ProxmoxError,
    TargetNotShared,
    TimedOut,
)

CLOCK_SKEW = 60
"""Seconds that the node's clock may differ from the bot's when the task of an attempt is searched for."""
ID_TRIES = 5
"""Maximum number of free VMIDs that are tried for a clone."""
UPIDS_REMEMBERED = 1000
"""Number of remembered UPIDs: none of them is taken for the answer to a later request."""


class Sender:
    """Start plans. A request whose answer was lost is never repeated: its task is looked up in the node's list."""

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._known_upids: deque[str] = deque(maxlen=UPIDS_REMEMBERED)

    async def start(self, plan: Plan) -> tuple[Plan, str | None]:
        """Return the plan as it was really started, and its UPID.

        The UPID is None if the change took effect at once, without a task.
        Raises: the errors of the request (core/proxmox.py).
        """
        if plan.order.operation is Operation.CREATE:
            return await self._clone(plan)
        return plan, await self._send_once(plan)

    async def _clone(self, plan: Plan) -> tuple[Plan, str | None]:
        """Clone, and take another VMID if somebody else used the free one first.

        Without shared storage the copy stays on the template's node. Without linked clones it is a full one.
        """
        tries = 0
        while True:
            if plan.order.new_vmid is None:
                plan = replace(plan, new_vmid=await self._proxmox.next_id())
            try:
                return plan, await self._send_once(plan)
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

    async def _send_once(self, plan: Plan) -> str | None:
        sent_at = self._clock.now()
        try:
            upid = await _request(self._proxmox, plan)
        except (TimedOut, NodeUnreachable, BadAnswer) as error:
            upid = await self._find_started_task(plan, sent_at) if error.changing else None
            if upid is None:
                raise
        if upid is not None:
            self._known_upids.append(upid)
        return upid

    async def _find_started_task(self, plan: Plan, sent_at: float) -> str | None:
        """Return the UPID of the task that the unanswered request started, None if there is none.

        The task is found by type, guest, time and the bot's own token. A task that answers an earlier request does
        not count. For CREATE the copy must exist. Return None if Proxmox does not answer.
        """
        types = OPERATIONS[plan.order.operation].tasks[plan.guest.kind]
        try:
            tasks = await self._proxmox.recent_tasks(plan.guest, 10)
            if (
                plan.order.operation is Operation.CREATE
                and (await self._proxmox.cluster()).find(plan.new_vmid or 0) is None
            ):
                return None
        except ProxmoxError:
            return None
        for task in tasks:
            ours = task.user == self._proxmox.identity and task.upid not in self._known_upids
            if ours and task.type in types and task.started >= sent_at - CLOCK_SKEW:
                return task.upid
        return None


async def _request(proxmox: Proxmox, plan: Plan) -> str | None:
    order, guest = plan.order, plan.guest
    if OPERATIONS[order.operation].power:
        return await proxmox.power(guest, order.operation)
    match order.operation:
        case Operation.CREATE:
            if plan.new_vmid is None or order.name is None:
                raise GuestNotFound(order.vmid)
            return await proxmox.clone(guest, plan.new_vmid, order.name, target=plan.target, full=plan.full)
        case Operation.RESIZE:
            digest = plan.config.digest if plan.config else None
            return await proxmox.resize(guest, order.cores, order.memory_mb, digest)
        case Operation.DELETE:
            return await proxmox.delete(guest)
        case Operation.SNAPSHOT_CREATE:
            return await proxmox.snapshot_create(
                guest, order.snapshot or "", order.description, order.with_memory
            )
        case Operation.SNAPSHOT_ROLLBACK:
            return await proxmox.snapshot_rollback(guest, order.snapshot or "")
        case Operation.SNAPSHOT_DELETE:
            return await proxmox.snapshot_delete(guest, order.snapshot or "")
    raise ValueError(f"no request is known for {order.operation}")
