"""Carry out one action: check access, find the guest, send the request once, follow the task, read the result."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from core.access.rate_limit import ChangeLimit
from core.actions.claims import Claims
from core.actions.expected_stops import ExpectedStop, ExpectedStops
from core.actions.order import Order, Plan, Report
from core.actions.planner import Planner
from core.actions.result import ResultReader
from core.actions.sender import Sender
from core.audit.record import (
    NOT_SETTLED,
    PRIVATE_MESSAGE,
    UNKNOWN,
    AuditRecord,
    AuditStep,
    failure_step,
    outcome_of,
)
from core.audit.store import Ticket
from core.audit.trail import AuditLog
from core.clock import Clock
from core.cluster.cache import ClusterCache
from core.errors import AnswerTooLate, BotError, NotAllowed, NotHere, OnlySomeGuests, Unconfirmed
from core.guest import Guest, State
from core.guest_errors import GuestNotFound
from core.operations import OPERATIONS
from core.proxmox import Proxmox
from core.proxmox_errors import BadAnswer, GuestMoved, NodeUnreachable, TimedOut
from core.tasks import OnProgress, Progress, TaskEnd, follow, ignore_progress

ACCESS_ERRORS = (NotAllowed, NotHere, OnlySomeGuests, GuestNotFound)
"""Errors for people who lack access or guess VMIDs."""

OnStart = Callable[[], Awaitable[int | None]]
"""Called just before the request. Returns Discord's id of the public progress message, None if there is none."""

RecordStep = Callable[..., None]
"""Records the progress of an attempt: the step, the plan as sent, and the UPID once it is known."""


async def _start_silently() -> None:
    """Return at once, for callers that show no progress message."""


class Executor:
    """Plan and carry out actions. `plan` makes the plan to be shown. `execute` plans again."""

    def __init__(
        self,
        proxmox: Proxmox,
        cluster_cache: ClusterCache,
        clock: Clock,
        planner: Planner,
        audit: AuditLog,
        expected: ExpectedStops,
        limit: ChangeLimit,
    ) -> None:
        self._proxmox, self._cluster_cache, self._clock = proxmox, cluster_cache, clock
        self._planner, self._audit, self._expected, self._limit = planner, audit, expected, limit
        self._sender = Sender(proxmox, clock)
        self._results = ResultReader(proxmox, cluster_cache, clock, planner.finder)
        self._claims = Claims(clock)
        self._on_unknown: Callable[[int], None] = lambda _attempt: None
        self._running: set[asyncio.Task[object] | None] = set()
        self.ending = False  # True while the bot shuts down: no action starts any more

    def subscribe_unknown(self, on_unknown: Callable[[int], None]) -> None:
        """Set the callback for attempts whose result has to be found out. It gets the attempt's id."""
        self._on_unknown = on_unknown

    def is_busy(self, vmid: int) -> bool:
        """Return whether an action on this guest is running."""
        return vmid in self._claims.busy

    async def plan(self, order: Order) -> Plan:
        """Plan the order to show it, and change nothing.

        Raises: Refused or ProxmoxError if the order cannot be carried out.
        """
        try:
            self._limit.check(order.actor.user_id)
            await self._ensure_free(order)
            plan = await self._planner.plan(order)
            if plan.needs_name or OPERATIONS[order.operation].asks:
                plan = replace(plan, fallback=await self._planner.fallback(plan))
        except BaseException as error:
            self._charge(order, error)
            audited = _audited_error(error)
            self._audit.record(self._make_record(failure_step(audited), order, outcome=outcome_of(audited)))
            raise
        self._audit.record(self._make_record(AuditStep.PLANNED, order, plan.guest))
        return plan

    async def execute(
        self,
        order: Order,
        on_progress: OnProgress = ignore_progress,
        *,
        shown: Plan | None = None,
        on_start: OnStart = _start_silently,
        may_ask: bool = False,
        private: bool = False,
    ) -> Report:
        """Carry out the order once and follow it to its end.

        `shown`: the plan that a person agreed to; a different plan is refused (`Plan.ensure_unchanged`).
        `on_start`: awaited before the request. Access is checked again after it. An error in it cancels the action.
        `may_ask`: the caller asks the person after Unconfirmed, which is also raised for a plan that should be seen
        first. Before the record ASKED it leaves no record.
        `private`: only the person sees the answer, so that a result that is found out later is posted nowhere.
        Raises: the errors of `plan` and of the request; JournalFailed if the attempt or the expected stop cannot be
        stored (nothing is done then).
        """
        began = self._clock.monotonic()
        step = AuditStep.REFUSED
        progress_id = PRIVATE_MESSAGE if private else None
        attempt: Ticket | None = None
        plan: Plan | None = None  # the latest plan
        upid = ""
        this_task = asyncio.current_task()
        self._running.add(this_task)
        try:
            if self.ending:
                raise AnswerTooLate
            self._limit.check(order.actor.user_id)
            await self._ensure_free(order)
            ended = self._claims.count_ended(order.vmid)
            plan = await self._planner.plan(order)  # before the claim: a refused person must not block others
            if shown is not None:
                plan.ensure_unchanged(shown)
            plan.ensure_confirmed()
            if may_ask and shown is None and plan.needs_preview:
                raise Unconfirmed(plan.guest.vmid, plan.guest.label, order.operation.value)
            with self._claims.alone(plan, ended):
                self._limit.take(order.actor.user_id)
                try:
                    asked = self._make_record(AuditStep.ASKED, order, plan.guest, message_id=progress_id)
                    attempt = await self._audit.record_first(asked)
                    shown_in = await on_start()
                    progress_id = progress_id if private else shown_in
                    # access may have changed meanwhile, for example by the read-only switch
                    self._planner.authorize(order, plan.guest)
                except BaseException:
                    self._limit.give_back(order.actor.user_id)
                    raise
                step = AuditStep.ENDED

                def note(reached: AuditStep, sent: Plan, task: str = "") -> None:
                    nonlocal plan, upid
                    plan, upid = sent, task
                    record = self._make_record(reached, order, sent.guest, task, message_id=progress_id)
                    self._audit.record(record, attempt)

                report = await self._run(plan, began, on_progress, note)
        except BaseException as error:
            if may_ask and attempt is None and isinstance(error, Unconfirmed):
                raise
            if step is AuditStep.ENDED and isinstance(error, asyncio.CancelledError):
                raise  # the bot ends: its next run finds out the result (core/actions/recovery.py)
            if attempt is None:
                self._charge(order, error)
            seconds = self._clock.monotonic() - began
            outcome = outcome_of(error)
            if step is AuditStep.ENDED:
                outcome = f"{_outcome_prefix(error)}{outcome}"
            else:
                audited = _audited_error(error)
                step, outcome = failure_step(audited), outcome_of(audited)
            guest = plan.guest if plan else None
            record = self._make_record(step, order, guest, upid, outcome, seconds, progress_id)
            self._audit.record(record, attempt)
            if step is AuditStep.ENDED and outcome.startswith(UNKNOWN):
                self._recover(attempt)
            raise
        finally:
            self._running.discard(this_task)
        task = report.task
        outcome = (task.message or task.end.value) if task else "OK"
        if report.good and not report.settled:
            outcome = f"{UNKNOWN}{NOT_SETTLED}"
        record = self._make_record(
            AuditStep.ENDED, order, report.plan.guest, upid, outcome, report.seconds, progress_id
        )
        self._audit.record(record, attempt)
        if task is not None and task.end is TaskEnd.LOST:
            self._recover(attempt)
        return report

    def _recover(self, attempt: Ticket | None) -> None:
        if attempt is not None and attempt.id is not None:
            self._on_unknown(attempt.id)

    async def stop(self) -> None:
        """Cancel all running actions because the bot ends. Wait about a second at most until they have stopped.

        Requests already sent are no longer followed, and no others are sent. The guests themselves are left
        alone.
        """
        self.ending = True
        for task in filter(None, self._running):
            task.cancel()
        for pause in (0.0,) * 20 + (0.05,) * 20:  # a slower action must not delay the shutdown
            if not self._running:
                return
            await self._clock.sleep(pause)

    async def _run(self, plan: Plan, began: float, on_progress: OnProgress, note: RecordStep) -> Report:
        note(AuditStep.SENDING, plan)
        await self._audit.flush()  # after a crash the record says that the request may have been sent
        async with self._expected.expect_stop(plan) as expected:
            plan, upid = await self._send(plan, expected, note)
            task = None
            if upid is not None:
                note(AuditStep.SENT, plan, upid)
                await on_progress(Progress(self._clock.monotonic() - began, upid=upid))
                task = await follow(self._proxmox, self._clock, upid, on_progress)
            report = await self._results.conclude(plan, task, began, on_progress)
            done = report.good and report.settled  # a guest that did not obey in time may still do so
            expected.running_again = done and report.after is not None and report.after.state is State.RUNNING
        return report

    async def _send(self, plan: Plan, expected: ExpectedStop, note: RecordStep) -> tuple[Plan, str | None]:
        """Send the request once, and again only if the guest had moved: nothing was done then."""
        try:
            try:
                started = await self._sender.start(plan)
            except GuestMoved:
                again = await self._planner.plan(plan.order)
                again.ensure_unchanged(plan)
                again.ensure_confirmed()
                note(AuditStep.SENDING, again)  # to another node: a lost task is looked for there
                await self._audit.flush()
                started = await self._sender.start(again)
        except (TimedOut, NodeUnreachable, BadAnswer) as error:
            expected.sent = error.changing
            raise
        except asyncio.CancelledError:  # the request may have been sent
            expected.sent = True
            raise
        expected.sent = True
        return started

    def _charge(self, order: Order, error: BaseException) -> None:
        """Count an access refusal as a change of this person: guessing is not free."""
        if isinstance(error, ACCESS_ERRORS):
            self._limit.charge(order.actor.user_id)

    async def _ensure_free(self, order: Order) -> None:
        """Check that no action on this guest is running.

        For a busy guest the access check runs first, and may ask Proxmox: people without access are refused and do
        not learn that the guest is busy. Proxmox is not asked about a free guest.
        Raises: GuestBusy, and the errors of `Planner.check_access`.
        """
        if order.vmid in self._claims.busy:
            await self._planner.check_access(order)
            if running := self._claims.busy.get(order.vmid):  # the action may have ended meanwhile
                raise replace(running)

    def _make_record(
        self,
        step: AuditStep,
        order: Order,
        guest: Guest | None = None,
        upid: str = "",
        outcome: str = "",
        seconds: float = 0.0,
        message_id: int | None = None,
    ) -> AuditRecord:
        guest = guest or self._cluster_cache.find(order.vmid)
        return AuditRecord(
            step=step,
            actor=order.actor,
            operation=order.operation.value,
            vmid=order.vmid,
            detail=order.detail,
            guest=guest.label if guest else "",
            node=guest.node if guest else "",
            state=guest.state.value if guest else "",
            reason=order.reason,
            upid=upid,
            outcome=outcome,
            seconds=seconds,
            message_id=message_id,
        )


def _outcome_prefix(error: BaseException) -> str:
    """Return the prefix `unknown: ` if the action may have been done or may still be running, otherwise ""."""
    certain = isinstance(error, BotError) and not getattr(error, "changing", False)
    return "" if certain else UNKNOWN


def _audited_error(error: BaseException) -> BaseException:
    """Replace a cancellation that has a message by AnswerTooLate, because nobody waits for the answer."""
    called_off = isinstance(error, asyncio.CancelledError) and error.args
    return AnswerTooLate() if called_off else error
