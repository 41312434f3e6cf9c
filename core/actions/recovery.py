"""What was under way when the bot ended, or got no answer, found out afterwards: Proxmox is asked how it came out.

Of a request that Proxmox had taken the task is known, and asked for by its UPID. Of one whose answer got lost the
task is looked for. The person is told, and the trail gets the true end. Until then the attempt stays open in the
trail, so that a further end of the bot loses nothing. A stop that was ordered stays expected meanwhile.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from core.actions.expected_stops import ExpectedStops
from core.actions.sender import CLOCK_SKEW
from core.audit.trail import (
    CUT_OFF,
    NOTHING_BEGUN,
    Audit,
    AuditBook,
    Audited,
    AuditFilter,
    AuditRecord,
    Ending,
    Step,
    ending_of,
)
from core.clock import Clock
from core.errors import JournalFailed
from core.guest import Guest, Kind, State
from core.names import Upid
from core.proxmox import Proxmox
from core.proxmox_errors import ProxmoxError, TaskUnknown
from core.tasks import TaskEnd
from core.verbs import ACTIONS, Verb

_log = logging.getLogger(__name__)

AT_ONCE = 4
"""Attempts that are asked for at the same time: the watch reads by the same way."""
SURE_SECONDS = 45.0
"""So long after the start a request of the former run may still make its task: pveproxy takes up to 30 s."""
PAUSES = (1.0, 2.0, 4.0)
LONG_PAUSE = 30.0
"""Seconds between two questions: of a task that runs every 4 s, of a Proxmox that does not answer up to 30."""
GIVE_UP = 24 * 3600.0
"""How long a Proxmox that does not answer is asked."""
TELL_SECONDS = 60.0
"""How long the trail waits for the person to be told first: an end in between then tells once more, not never."""
TOLD_SECONDS = 5.0
"""So long the person is told first that the end is not known: what is found out must not be overwritten by that."""
TASKS_READ = 50
IDS_BACK = 500
"""Records before the attempt among which its guest's tasks are known."""


class Teller(Protocol):
    """Whoever tells the person."""

    async def tell(self, found: Audited) -> None:
        """How it ended, in the message that showed it, else in its channel. Does not raise."""


@dataclass(slots=True)
class _Case:
    """An attempt, and its task as far as it is known."""

    open: Audited
    upid: str
    since: float
    """When it was first asked for (monotonic)."""
    failures: int = 0

    @property
    def sent_at(self) -> float:
        """When the request was sent at the earliest (Unix seconds)."""
        return self.open.began if self.open.record.step is Step.ENDED else self.open.at


class CutOff:
    """Finds out about all that the trail has open from a former run, and ends when nothing is open any more."""

    def __init__(
        self,
        proxmox: Proxmox,
        clock: Clock,
        book: AuditBook,
        audit: Audit,
        expected: ExpectedStops,
        teller: Teller,
        at_work: Callable[[int], bool] = lambda vmid: False,
    ) -> None:
        """`at_work`: whether an action of this run is under way on a guest."""
        self._on_deleted: Callable[[int], None] = lambda vmid: None
        self._proxmox, self._clock, self._book, self._audit = proxmox, clock, book, audit
        self._expected, self._teller, self._at_work = expected, teller, at_work
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._later: set[asyncio.Task[None]] = set()
        self._telling: set[asyncio.Task[None]] = set()

    def tell_deleted(self, on_deleted: Callable[[int], None]) -> None:
        """Whom to tell a guest whose deletion turns out to have been done."""
        self._on_deleted = on_deleted

    async def run(self) -> None:
        """Does not raise; what nobody expected is logged."""
        cases = [self._case(each) for each in self._audit.cut_off]
        if cases:
            _log.info("%d actions were cut off by the end of the bot; Proxmox is asked for them", len(cases))
        await asyncio.gather(*(self._settle(case) for case in cases))
        if self._telling:
            await asyncio.wait(self._telling)

    def take(self, attempt: int) -> None:
        """An attempt of this run has ended so that nobody knows how: ask for it, too. Does not raise."""
        try:
            (found, *_), _ = self._book.audited(AuditFilter(until=attempt), 0, 1)
        except (JournalFailed, ValueError):
            return  # the next start asks for it
        if found.attempt == attempt:
            task = asyncio.create_task(self._settle(self._case(found), TOLD_SECONDS), name="unknown end")
            self._later.add(task)
            task.add_done_callback(self._later.discard)

    def end(self) -> None:
        """The bot ends; what is open is asked for by the next start."""
        for task in (*self._later, *self._telling):
            task.cancel()

    def _case(self, found: Audited) -> _Case:
        return _Case(found, found.record.upid, self._clock.monotonic())

    async def _settle(self, case: _Case, wait: float = 0.0) -> None:
        """`wait`: seconds before it is asked for the first time."""
        try:
            outcome, tries = None, 0
            if wait:
                await self._clock.sleep(wait)
            while outcome is None:
                self._expected.renew(case.open.record.vmid or 0)
                async with self._turn:
                    outcome = await self._asked(case)
                if outcome is None:
                    await self._clock.sleep(_pause(case, tries))
                    tries += 1
            await self._close(case, outcome)
        except Exception:  # noqa: BLE001 - a bug of ours in one case must not keep the others open
            _log.exception("how attempt %d ended could not be found out", case.open.attempt)

    async def _asked(self, case: _Case) -> str | None:
        """The outcome as the trail has it, None while it is open."""
        try:
            if not case.upid:
                found = await self._task_of(case)
                if found is None:
                    return None
                case.upid = found
            if not case.upid:
                return await self._without_task(case)
            status = await self._proxmox.task_status(case.upid)
        except TaskUnknown:
            return TaskEnd.VANISHED
        except (ProxmoxError, JournalFailed) as error:
            case.failures += 1
            _log.debug("attempt %d is still open: %s", case.open.attempt, error)
            return CUT_OFF if self._clock.monotonic() - case.since > GIVE_UP else None
        case.failures = 0
        return None if status.running else (status.exit or "unexpected status")

    async def _task_of(self, case: _Case) -> str | None:
        """The task that the request started, by guest, type, time and the bot's own token; "" where there is none.
        None while it may be that of an action of this run, which has not been told of it yet.

        One that the trail knows belongs to another attempt. Raises ProxmoxError, JournalFailed.
        """
        record, vmid = case.open.record, case.open.record.vmid or 0
        types = frozenset().union(*ACTIONS[Verb(record.operation)].tasks.values())
        tasks = await self._proxmox.recent_tasks(_guest_of(case.open), TASKS_READ)
        if self._at_work(vmid):
            return None
        known = self._book.audit_upids(vmid, case.open.attempt - IDS_BACK, case.open.attempt)
        ours = [
            task.upid
            for task in sorted(tasks, key=lambda task: task.started)
            if task.user == self._proxmox.identity
            and task.upid not in known
            and task.type in types
            and task.started >= case.sent_at - CLOCK_SKEW
        ]
        if not ours:
            return ""
        case.open = replace(case.open, record=replace(record, step=Step.SENT, upid=ours[0]))
        self._audit.record(case.open.record, case.open.attempt)
        return ours[0]

    async def _without_task(self, case: _Case) -> str | None:
        """What has no task was never begun, but for what Proxmox does at once. Raises ProxmoxError."""
        if await self._holds(case.open):
            return "OK"
        sure = case.open.record.step is Step.ASKED or self._clock.monotonic() - case.since >= SURE_SECONDS
        return NOTHING_BEGUN if sure else None

    async def _holds(self, open_: Audited) -> bool:
        """Whether a container has the size that was asked for, which makes no task. Raises ProxmoxError."""
        if open_.record.operation != Verb.RESIZE.value or open_.record.step is Step.ASKED:
            return False
        options = dict(part.partition("=")[::2] for part in open_.record.detail.split())
        cluster = await self._proxmox.cluster()
        guest = cluster.find(open_.record.vmid or 0)
        if guest is None or guest.kind is not Kind.LXC:
            return False
        config = await self._proxmox.config(guest)
        has = {"cores": config.cores, "memory_mb": config.memory_mb}
        wanted = {name: value for name, value in options.items() if name in has}
        return bool(wanted) and all(str(has[name]) == value for name, value in wanted.items())

    async def _is_gone(self, ended: AuditRecord) -> bool:
        """Whether a guest was deleted, and none has got its VMID since. What cannot be read is not gone."""
        if ended.operation != Verb.DELETE.value or ending_of(ended) not in (Ending.DONE, Ending.WARNINGS):
            return False
        try:
            return (await self._proxmox.cluster()).find(ended.vmid or 0) is None
        except ProxmoxError:
            return False

    async def _close(self, case: _Case, outcome: str) -> None:
        """Tell, then write: between the two the attempt is open still. What is as unknown as before is no news."""
        if case.open.record.step is Step.ENDED and outcome in (CUT_OFF, TaskEnd.VANISHED):
            return
        if (
            outcome == NOTHING_BEGUN and case.open.record.step is not Step.ASKED
        ):  # which is none to wait for yet
            self._expected.withdraw(case.open.record.vmid or 0, case.since)
        ended = replace(case.open.record, step=Step.ENDED, outcome=outcome, upid=case.upid)
        if await self._is_gone(ended):
            self._on_deleted(ended.vmid or 0)
        _log.info("attempt %d, cut off by the end of the bot, ended: %s", case.open.attempt, outcome)
        telling = asyncio.create_task(self._teller.tell(replace(case.open, record=ended)))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)
        await asyncio.wait({telling}, timeout=TELL_SECONDS)
        self._audit.record(ended, case.open.attempt)


def _pause(case: _Case, tries: int) -> float:
    pause = PAUSES[min(tries, len(PAUSES) - 1)]
    return min(LONG_PAUSE, pause * 2.0 ** min(case.failures, 5)) if case.failures else pause


def _guest_of(open_: Audited) -> Guest:
    """The guest where the request was sent: its tasks stay on that node."""
    record = open_.record
    return Guest(record.vmid or 0, _kind_of(record.upid), record.node, State.UNKNOWN)


def _kind_of(upid: str) -> Kind:
    task = Upid.parse(upid)
    return Kind.LXC if task and task.type.startswith("vz") else Kind.QEMU
