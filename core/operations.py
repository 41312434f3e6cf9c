"""One action from order to outcome: decided again, found, checked, done once, followed, read again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from core.actions import ACTIONS, Action, Verb
from core.audit import Audit, AuditRecord
from core.clock import Clock
from core.errors import BotError, GuestBusy, GuestMoved, NodeUnreachable, ProxmoxError, TimedOut
from core.expected import ExpectedStops
from core.guest import Guest, Kind, State
from core.order import Change, Order, Plan, Report
from core.planning import Planner, change_of
from core.proxmox import Proxmox
from core.reading import ClusterReader
from core.sending import send
from core.tasks import OnProgress, Progress, TaskResult, follow, nobody

SETTLE_SECONDS = 60.0
SETTLE_SECONDS_HA = 300.0
"""How long to wait for the expected state after a good task. HA's manager acts in rounds of 10 s."""


class Operations:
    """Everything that changes a guest goes through `carry_out`; `plan` is its first half, to be shown."""

    def __init__(
        self,
        proxmox: Proxmox,
        reader: ClusterReader,
        clock: Clock,
        planner: Planner,
        audit: Audit,
        expected: ExpectedStops,
    ) -> None:
        self._proxmox, self._reader, self._clock = proxmox, reader, clock
        self._planner, self._audit, self._expected = planner, audit, expected
        self._busy: dict[int, GuestBusy] = {}

    async def plan(self, order: Order) -> Plan:
        """What would happen. Raises a Refused or ProxmoxError when it would not; changes nothing."""
        try:
            self.hold_free(order.vmid)
            return await self._planner.plan(order)
        except BotError as error:
            self._refused(order, error)
            raise

    def hold_free(self, vmid: int) -> None:
        """Raises GuestBusy while an action on this guest is under way."""
        if running := self._busy.get(vmid):
            raise running

    async def carry_out(
        self, order: Order, on_progress: OnProgress = nobody, *, shown: Plan | None = None
    ) -> Report:
        """Do it, once, and follow it to its end. Raises as `plan` does, and whatever the sending says.

        `shown` is the plan a person agreed to: another guest under the same VMID is refused.
        """
        began = self._clock.monotonic()
        try:
            with self._alone(order):
                plan = await self._planner.plan(order)
                if shown is not None:
                    plan.held_against(shown)
                report = await self._do(plan, began, on_progress)
        except BotError as error:
            self._refused(order, error, began)
            raise
        task = report.task
        self._record(
            "ended",
            report.plan,
            upid=task.upid if task else "",
            outcome=task.message or task.end.value if task else "OK",
            seconds=report.seconds,
        )
        return report

    async def _do(self, plan: Plan, began: float, on_progress: OnProgress) -> Report:
        action = ACTIONS[plan.order.verb]
        self._record("asked", plan)
        with self._expected.stop_of(plan) as expected:
            try:
                try:
                    plan, upid = await send(self._proxmox, self._clock, plan)
                except GuestMoved:  # it was not there, so nothing was done: found again, once
                    again = await self._planner.plan(plan.order)
                    again.held_against(plan)
                    plan, upid = await send(self._proxmox, self._clock, again)
            except (TimedOut, NodeUnreachable) as error:
                expected.sent = error.changing
                raise
            expected.sent = True
            task = None
            if upid is not None:
                await on_progress(Progress(self._clock.monotonic() - began, upid=upid))
                task = await follow(self._proxmox, self._clock, upid, on_progress)
            report = await self._conclude(plan, action, task, began, on_progress)
            done = report.good and report.settled  # what did not obey in time may still do so
            expected.over = done and report.after is not None and report.after.state is State.RUNNING
        return report

    @contextmanager
    def _alone(self, order: Order) -> Iterator[None]:
        """One action at a time per guest; the second is told who is doing what."""
        self.hold_free(order.vmid)
        known = self._reader.last.find(order.vmid) if self._reader.last else None
        label = known.label if known else str(order.vmid)
        self._busy[order.vmid] = GuestBusy(
            order.vmid, label, order.verb.value, order.actor.name, self._clock.now()
        )
        try:
            yield
        finally:
            del self._busy[order.vmid]

    async def _conclude(
        self, plan: Plan, action: Action, task: TaskResult | None, began: float, on_progress: OnProgress
    ) -> Report:
        report = Report(plan, task, None, 0.0)
        target = plan.guest
        if plan.order.verb is Verb.CREATE and report.good:
            target = await self._copy_of(plan)
        if plan.order.verb is Verb.DELETE and report.good:
            pass
        elif action.becomes and report.good:
            after, settled = await self._settle(target, action.becomes, began, on_progress)
            report = replace(report, after=after, settled=settled)
        else:
            report = replace(report, after=await self._look(target) or target)
        if plan.order.verb is Verb.RESIZE and report.good:
            report = replace(report, change=await self._changed(plan))
        await self._refresh()
        return replace(report, seconds=self._clock.monotonic() - began)

    async def _settle(
        self, guest: Guest, becomes: State, began: float, on_progress: OnProgress
    ) -> tuple[Guest | None, bool]:
        """Read the guest until it is as expected: HA acts later, and a QEMU reboot passes through stopped."""
        patience = SETTLE_SECONDS_HA if guest.ha_managed else SETTLE_SECONDS
        waited, delay = 0.0, 0.5
        while True:
            now = await self._look(guest)
            if now is not None and now.state is becomes:
                return now, True
            if waited >= patience:
                return now, False
            await on_progress(Progress(self._clock.monotonic() - began))
            await self._clock.sleep(delay)
            waited, delay = waited + delay, min(delay * 2, 4.0)

    async def _look(self, guest: Guest) -> Guest | None:
        """The guest now, wherever it is, or None where it cannot be seen."""
        try:
            return await self._planner.locate(guest.vmid)
        except BotError:
            return None

    async def _copy_of(self, plan: Plan) -> Guest:
        """The new guest, as the clone was ordered: the cluster's list may not show it yet."""
        node = plan.target or plan.guest.node
        return Guest(plan.new_vmid or 0, plan.guest.kind, node, State.STOPPED, plan.order.name)

    async def _changed(self, plan: Plan) -> Change | None:
        """What changed, and whether it waits for a restart (asked; guessed only if Proxmox is silent)."""
        change = change_of(plan.order, plan.config) if plan.config else None
        if change is None:
            return None
        try:
            waiting = {
                item.key for item in await self._proxmox.pending(plan.guest) if item.pending is not None
            }
        except ProxmoxError:
            live = plan.guest.kind is Kind.LXC or plan.guest.state is State.STOPPED
            return replace(change, waits_for_restart=not live)
        return replace(change, waits_for_restart=bool(waiting & {"cores", "memory"}))

    async def _refresh(self) -> None:
        """So that the next list or completion shows what was done; Proxmox itself may lag up to 10 s."""
        try:
            await self._reader.read(max_age=0)
        except ProxmoxError:
            return

    def _record(self, step: str, plan: Plan, upid: str = "", outcome: str = "", seconds: float = 0.0) -> None:
        order, guest = plan.order, plan.guest
        self._audit.record(
            AuditRecord(
                step=step,
                actor=order.actor,
                operation=order.verb.value,
                vmid=order.vmid,
                detail=order.detail,
                node=guest.node,
                state=guest.state.value,
                upid=upid,
                outcome=outcome,
                seconds=seconds,
            )
        )

    def _refused(self, order: Order, error: BotError, began: float | None = None) -> None:
        seconds = 0.0 if began is None else self._clock.monotonic() - began
        self._audit.record(
            AuditRecord(
                step="refused",
                actor=order.actor,
                operation=order.verb.value,
                vmid=order.vmid,
                detail=order.detail,
                outcome=str(error),
                seconds=seconds,
            )
        )
