"""Read the result of an action: the guest afterwards, and whether it reached the expected state."""

from dataclasses import replace

from core.access.authorizer import allow_anyone
from core.actions.guest_finder import GuestFinder
from core.actions.order import Change, Plan, Report
from core.clock import Clock
from core.cluster.cache import ClusterCache
from core.errors import BotError
from core.guest import Guest, Kind, State
from core.operations import OPERATIONS, Operation
from core.proxmox import Proxmox
from core.proxmox_errors import ProxmoxError
from core.tasks import OnProgress, Progress, TaskResult

SETTLE_SECONDS = 60.0
SETTLE_SECONDS_HA = 300.0
"""Seconds to wait for the expected state after a successful task. HA's manager acts every 10 s."""


class ResultReader:
    """Read the results of actions, and show them in the cluster list until Proxmox does."""

    def __init__(
        self, proxmox: Proxmox, cluster_cache: ClusterCache, clock: Clock, finder: GuestFinder
    ) -> None:
        self._proxmox, self._cluster_cache, self._clock, self._finder = proxmox, cluster_cache, clock, finder

    async def conclude(
        self, plan: Plan, task: TaskResult | None, began: float, on_progress: OnProgress
    ) -> Report:
        """Return the report of an action whose task has ended. `task`: None if Proxmox started none.

        `began`: monotonic time at which the action started.
        """
        report = Report(plan, task, None, 0.0)
        if not report.good:
            report = replace(report, after=await self._read_guest(plan.guest.vmid))
        elif plan.order.operation is Operation.DELETE:
            self._cluster_cache.overlay(plan.guest.vmid, None)
        elif plan.order.operation is Operation.CREATE:
            report = replace(report, after=await self._read_clone(plan))
        elif becomes := OPERATIONS[plan.order.operation].becomes:
            after, settled = await self._settle(plan.guest, becomes, began, on_progress)
            report = replace(report, after=after, settled=settled)
        else:
            report = replace(report, after=await self._read_guest(plan.guest.vmid))
        if report.after is not None:
            self._cluster_cache.overlay(report.after.vmid, report.after)
        if plan.order.operation is Operation.RESIZE and report.good:
            report = replace(report, change=await self._applied_change(plan))
        return replace(report, seconds=self._clock.monotonic() - began)

    async def _settle(
        self, guest: Guest, becomes: State, began: float, on_progress: OnProgress
    ) -> tuple[Guest | None, bool]:
        """Read the guest until its state is as expected: HA acts later, and a QEMU reboot passes through stopped."""
        patience = SETTLE_SECONDS_HA if guest.ha_managed else SETTLE_SECONDS
        since, delay = self._clock.monotonic(), 0.5
        while True:
            now = await self._read_guest(guest.vmid)
            if now is not None and now.state is becomes:
                return now, True
            if self._clock.monotonic() - since >= patience:
                return now, False
            await on_progress(Progress(self._clock.monotonic() - began))
            await self._clock.sleep(delay)
            delay = min(delay * 2, 4.0)

    async def _read_guest(self, vmid: int) -> Guest | None:
        """Return the guest as it is now, on any node; None if it cannot be read."""
        try:
            return await self._finder.locate(vmid, allow_anyone)
        except BotError:
            return None

    async def _read_clone(self, plan: Plan) -> Guest:
        """Return the new guest as it is, or as ordered if it cannot be read yet."""
        ordered = Guest(
            vmid=plan.new_vmid or 0,
            kind=plan.guest.kind,
            node=plan.target or plan.guest.node,
            state=State.STOPPED,
            name=plan.order.name,
        )
        try:
            return await self._proxmox.status(ordered)
        except ProxmoxError:
            return ordered

    async def _applied_change(self, plan: Plan) -> Change | None:
        """Return the change, and note whether it waits for a restart. If Proxmox does not answer, guess.

        None if the order only took back a change that waited for a restart.
        """
        change = plan.change
        if change is None or plan.withdraws_pending:
            return None
        try:
            waiting = {item.key for item in await self._proxmox.pending(plan.guest) if item.is_waiting}
        except ProxmoxError:
            live = plan.guest.kind is Kind.LXC or plan.guest.state is State.STOPPED
            return replace(change, waits_for_restart=not live)
        changed = {key for key, value in (("cores", change.cores), ("memory", change.memory_mb)) if value}
        return replace(change, waits_for_restart=bool(waiting & changed))
