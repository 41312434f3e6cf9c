"""Find out the results of attempts that were left open when the bot ended, or whose result is unknown.

If Proxmox accepted the request, the task is known by its UPID. If the answer was lost, the task is searched
for. The person is informed, and the trail gets the real result. Until then the attempt stays open or
unknown in the trail: if the bot ends again, nothing is lost. An ordered stop stays expected.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from core.actions.expected_stops import ExpectedStops
from core.actions.sender import CLOCK_SKEW
from core.audit.record import CUT_OFF, NOTHING_STARTED, AuditRecord, AuditStep, Ending, ending_of
from core.audit.store import AuditEntry, AuditFilter, AuditStore
from core.audit.trail import AuditLog
from core.clock import Clock
from core.errors import JournalFailed
from core.guest import Guest, Kind, State
from core.operations import OPERATIONS, Operation
from core.proxmox import Proxmox
from core.proxmox_errors import ProxmoxError, TaskUnknown
from core.tasks import TaskEnd

_log = logging.getLogger(__name__)

CONCURRENT_MOST = 2
"""Maximum number of attempts checked at once."""
MAY_START_SECONDS = 45.0
"""Seconds after an attempt was taken up in which its request may still create a task.

pveproxy takes up to 30 s.
"""
PAUSES = (1.0, 2.0, 4.0)
LONG_PAUSE = 30.0
"""Seconds between two checks: up to 4 while a task runs, up to 30 while Proxmox does not answer."""
GIVE_UP = 24 * 3600.0
"""Seconds without an answer about an attempt after which it ends as unknown."""
NOTIFY_SECONDS = 60.0
"""Maximum seconds to wait until the person has been informed. Then the result is stored anyway.

If the bot ends in between, the person is informed twice rather than never.
"""
FIRST_ANSWER_SECONDS = 5.0
"""Seconds to wait before the first check in the same run.

First the person is told that the result is unknown. That message must not overwrite the real result.
"""
TASKS_READ = 50
"""Number of latest tasks of a guest that are searched for the attempt's own."""
IDS_BACK = 500
"""The search for known tasks of a guest begins this many record ids before the attempt."""


class OutcomeNotifier(Protocol):
    """Inform the person who asked for the action."""

    async def notify(self, entry: AuditEntry) -> None:
        """Show the result in the original message, or else in its channel. Do nothing if that was private.

        Does not raise.
        """


@dataclass(slots=True)
class _OpenAttempt:
    """An open attempt, and its task if known."""

    entry: AuditEntry
    upid: str
    since: float
    """Monotonic time at which it was taken up."""
    answered: float
    """Monotonic time of the last answer about it, at first `since`."""
    failures: int = 0

    @property
    def sent_at(self) -> float:
        """Earliest Unix second at which the request may have been sent."""
        return self.entry.began if self.entry.record.step is AuditStep.ENDED else self.entry.at


class ActionRecovery:
    """Find out the results of attempts that an earlier run left open, or that ended unknown.

    `is_busy`: returns whether an action of this run is running on a guest.
    """

    def __init__(
        self,
        proxmox: Proxmox,
        clock: Clock,
        store: AuditStore,
        audit: AuditLog,
        expected: ExpectedStops,
        notifier: OutcomeNotifier,
        is_busy: Callable[[int], bool] = lambda _vmid: False,
    ) -> None:
        self._on_deleted: Callable[[int], Awaitable[None]] = _ignore
        self._proxmox, self._clock, self._store, self._audit = proxmox, clock, store, audit
        self._expected, self._notifier, self._is_busy = expected, notifier, is_busy
        self._slots = asyncio.Semaphore(CONCURRENT_MOST)
        self._recovering: set[asyncio.Task[None]] = set()
        self._notifying: set[asyncio.Task[None]] = set()

    def subscribe_deleted(self, on_deleted: Callable[[int], Awaitable[None]]) -> None:
        """Set the callback for a guest whose deletion turns out to be done."""
        self._on_deleted = on_deleted

    async def run(self) -> None:
        """Settle the attempts of earlier runs without a certain result. Log unexpected errors. Does not raise."""
        cases = [self._open_attempt(each) for each in self._audit.cut_off]
        if cases:
            _log.info(
                "%d actions of earlier runs have no certain result; asking Proxmox about them", len(cases)
            )
        await asyncio.gather(*(self._settle(attempt) for attempt in cases))
        if self._notifying:
            await asyncio.wait(self._notifying)

    def recover(self, attempt: int) -> None:
        """Find out the result of an attempt of this run that ended unknown. Does not raise."""
        task = asyncio.create_task(self._recover(attempt), name="unknown end")
        self._recovering.add(task)
        task.add_done_callback(self._recovering.discard)

    async def _recover(self, attempt: int) -> None:
        await self._audit.flush()
        try:
            (found, *_), _ = await self._store.audit_page(AuditFilter(until=attempt), 0, 1)
        except (JournalFailed, ValueError):
            return  # the next start finds it out
        if found.attempt == attempt:
            await self._settle(self._open_attempt(found), FIRST_ANSWER_SECONDS)

    def stop(self) -> None:
        """End the work that `recover` began, and the notifications. The next start continues with the open attempts.

        Whoever runs `run` cancels it.
        """
        for task in (*self._recovering, *self._notifying):
            task.cancel()

    def _open_attempt(self, entry: AuditEntry) -> _OpenAttempt:
        now = self._clock.monotonic()
        return _OpenAttempt(entry, entry.record.upid, now, now)

    async def _settle(self, attempt: _OpenAttempt, wait: float = 0.0) -> None:
        """Check an attempt until its result is known, then store it. `wait`: seconds before the first check."""
        try:
            outcome, tries = None, 0
            if wait:
                await self._clock.sleep(wait)
            while outcome is None:
                self._expected.renew(attempt.entry.record.vmid or 0)
                async with self._slots:
                    outcome = await self._find_outcome(attempt)
                if outcome is None:
                    await self._clock.sleep(_pause(attempt, tries))
                    tries += 1
            await self._close(attempt, outcome)
        except Exception:  # noqa: BLE001 - a bug in one case must not keep the others open
            _log.exception("the result of attempt %d could not be found out", attempt.entry.attempt)

    async def _find_outcome(self, attempt: _OpenAttempt) -> str | None:
        """Return the outcome for the trail, None while the attempt is open. After GIVE_UP it is CUT_OFF."""
        try:
            if not attempt.upid:
                found = await self._task_of(attempt)
                if found is None:
                    return None
                attempt.upid = found
            if not attempt.upid:
                return await self._without_task(attempt)
            status = await self._proxmox.task_status(attempt.upid)
        except TaskUnknown:
            return TaskEnd.VANISHED
        except (ProxmoxError, JournalFailed) as error:
            attempt.failures += 1
            _log.debug("attempt %d is still open: %s", attempt.entry.attempt, error)
            return CUT_OFF if self._clock.monotonic() - attempt.answered > GIVE_UP else None
        attempt.failures, attempt.answered = 0, self._clock.monotonic()
        return None if status.running else (status.exit or "unexpected status")

    async def _task_of(self, attempt: _OpenAttempt) -> str | None:
        """Return the UPID of the task that the request started, "" if there is none.

        The task is found by guest, type, time and the bot's own token. A task that the trail knows belongs to another
        attempt. None: an action of this run is running on the guest, and may have started the task.
        Raises: ProxmoxError, JournalFailed.
        """
        record, vmid = attempt.entry.record, attempt.entry.record.vmid or 0
        types = frozenset().union(*OPERATIONS[Operation(record.operation)].tasks.values())
        tasks = await self._proxmox.recent_tasks(_guest_of(attempt.entry), TASKS_READ)
        if self._is_busy(vmid):
            return None
        known = await self._store.audit_upids(vmid, attempt.entry.attempt - IDS_BACK, attempt.entry.attempt)
        ours = [
            task.upid
            for task in sorted(tasks, key=lambda task: task.started)
            if task.user == self._proxmox.identity
            and task.upid not in known
            and task.type in types
            and task.started >= attempt.sent_at - CLOCK_SKEW
        ]
        if not ours:
            return ""
        attempt.entry = replace(attempt.entry, record=replace(record, step=AuditStep.SENT, upid=ours[0]))
        self._audit.record(attempt.entry.record, attempt.entry.attempt)
        return ours[0]

    async def _without_task(self, attempt: _OpenAttempt) -> str | None:
        """Return the outcome of a request without a task: OK if Proxmox made the change at once, or NOTHING_STARTED.

        None while the request may still start a task.
        Raises: ProxmoxError.
        """
        if await self._resize_applied(attempt.entry):
            return "OK"
        sure = (
            attempt.entry.record.step is AuditStep.ASKED
            or self._clock.monotonic() - attempt.since >= MAY_START_SECONDS
        )
        return NOTHING_STARTED if sure else None

    async def _resize_applied(self, entry: AuditEntry) -> bool:
        """Return whether a container has the requested size. Its resize has no task.

        Raises: ProxmoxError.
        """
        if entry.record.operation != Operation.RESIZE.value or entry.record.step is AuditStep.ASKED:
            return False
        options = dict(part.partition("=")[::2] for part in entry.record.detail.split())
        cluster = await self._proxmox.cluster()
        guest = cluster.find(entry.record.vmid or 0)
        if guest is None or guest.kind is not Kind.LXC:
            return False
        config = await self._proxmox.config(guest)
        has = {"cores": config.cores, "memory_mb": config.memory_mb}
        wanted = {name: value for name, value in options.items() if name in has}
        return bool(wanted) and all(str(has[name]) == value for name, value in wanted.items())

    async def _is_gone(self, ended: AuditRecord) -> bool:
        """Return whether a deleted guest is gone and its VMID is still free. False if that cannot be read."""
        if ended.operation != Operation.DELETE.value or ending_of(ended) not in (
            Ending.DONE,
            Ending.WARNINGS,
        ):
            return False
        try:
            return (await self._proxmox.cluster()).find(ended.vmid or 0) is None
        except ProxmoxError:
            return False

    async def _close(self, attempt: _OpenAttempt, outcome: str) -> None:
        """Inform the person, for at most `NOTIFY_SECONDS`, then store the result.

        An attempt that has already ended as unknown is left as it is if its result stays unknown.
        """
        if attempt.entry.record.step is AuditStep.ENDED and outcome in (CUT_OFF, TaskEnd.VANISHED):
            return
        # An attempt that is only ASKED has no expected stop yet.
        if outcome == NOTHING_STARTED and attempt.entry.record.step is not AuditStep.ASKED:
            self._expected.withdraw(attempt.entry.record.vmid or 0, attempt.since)
        ended = replace(attempt.entry.record, step=AuditStep.ENDED, outcome=outcome, upid=attempt.upid)
        if await self._is_gone(ended):
            await self._on_deleted(ended.vmid or 0)
        _log.info("the result of attempt %d was found out: %s", attempt.entry.attempt, outcome)
        notifying = asyncio.create_task(self._notifier.notify(replace(attempt.entry, record=ended)))
        self._notifying.add(notifying)
        notifying.add_done_callback(self._notifying.discard)
        await asyncio.wait({notifying}, timeout=NOTIFY_SECONDS)
        self._audit.record(ended, attempt.entry.attempt)


async def _ignore(vmid: int) -> None:
    """Ignore a deletion until the callback is set."""


def _pause(attempt: _OpenAttempt, tries: int) -> float:
    pause = PAUSES[min(tries, len(PAUSES) - 1)]
    return min(LONG_PAUSE, pause * 2.0 ** min(attempt.failures, 5)) if attempt.failures else pause


def _guest_of(entry: AuditEntry) -> Guest:
    """Return the guest on the node where the request was sent, because its tasks stay there."""
    record = entry.record
    return Guest(record.vmid or 0, Kind.QEMU, record.node, State.UNKNOWN)  # tasks are found without the kind
