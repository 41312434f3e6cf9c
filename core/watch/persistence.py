"""Keep the watch's state in the journal: nothing takes effect before it is written. Stored incidents are logged."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from core.errors import DISK_HUNG, JournalFailed
from core.watch.change_queue import ChangeQueue
from core.watch.incidents.model import BackupFact, GuestFact, Incident
from core.watch.incidents.state import StateUpdate, WatchState
from core.watch.journal import Batch, Journal
from core.watch.records import EXPECTED_STOP, changed_records, decode_orders, decode_state, split_state

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """A change of the state that was decided on. `result`: returned to the caller once it is stored.

    `expired`: VMIDs whose stop orders are deleted, like those of `update.seen_stops`.
    `on_stored`: called as soon as the update is stored.
    """

    update: StateUpdate
    result: T
    expired: Iterable[int] = ()
    on_stored: Callable[[], None] = lambda: None


class Persistence:
    """Write the state to the journal. `state` is the last stored one."""

    def __init__(self, journal: Journal) -> None:
        self._journal, self._changes = journal, ChangeQueue()
        self.state = WatchState()
        self._stored: dict[str, object] = {}
        self.on_messages: Callable[[tuple[int, ...]], None] = _ignore
        """Called after messages or incidents were stored, with the ids of the new messages (maybe none)."""
        self._dropping: set[asyncio.Task[None]] = set()

    async def load(self, unix: float) -> dict[int, str]:
        """Read the state, and return the stop orders of an earlier run: VMID -> who ordered it.

        Raises: JournalFailed.
        """
        records = await self._journal.records()
        self.state = decode_state(records, await self._journal.open_incidents())
        if "pulse" not in records:  # buttons of a lost journal must not fit the incidents of this one
            first = await self._journal.first_id(unix)
            self.state = replace(self.state, pulse=replace(self.state.pulse, last_id=first))
        self._stored = split_state(self.state)
        return decode_orders(records)

    async def rewrite(self, orders: Callable[[], Mapping[int, str]]) -> None:
        """Write the whole state and all stop orders (VMID -> who) into a journal that has lost them.

        Raises: JournalFailed.
        """

        async def write() -> None:
            written = changed_records({}, split_state(self.state))
            written |= {f"{EXPECTED_STOP}{vmid}": by for vmid, by in orders().items()}
            await self._journal.commit(Batch(written, tuple(self.state.open.values())))

        await self._take_turn(write)

    async def store_expected_stop(self, vmid: int, by: str) -> None:
        """Store who ordered a guest's stop.

        Raises: JournalFailed.
        """
        await self._take_turn(lambda: self._put_stop(vmid, by))

    def drop_expected_stop(self, vmid: int) -> None:
        """Begin to delete the order of a guest's stop, after all earlier changes.

        If that fails, the next run may still expect the stop.
        """
        task = asyncio.create_task(self._drop_stop(vmid), name="expected stop")
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    async def _drop_stop(self, vmid: int) -> None:
        try:
            await self._take_turn(lambda: self._put_stop(vmid, None))
        except JournalFailed as error:
            _log.warning("the end of an expected stop could not be stored: %s", error.reason)

    async def _put_stop(self, vmid: int, by: str | None) -> None:
        await self._journal.commit(Batch(records={f"{EXPECTED_STOP}{vmid}": by}))

    async def change(self, decide: Callable[[], Decision[T]]) -> T:
        """Decide on a change of the state, and store the whole update or nothing. Return the decision's result.

        `decide` is called when all changes before it are stored or have failed. Nothing else changes the state until
        its update is stored, too.
        Raises: JournalFailed, and what `decide` raises. If the disk hangs, the update may be stored after the error.
        """

        async def make() -> T:
            decision = decide()
            await self._commit(decision.update, decision.expired)
            decision.on_stored()
            return decision.result

        return await self._take_turn(make)

    async def _take_turn(self, change: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._changes.make(change)
        except TimeoutError as error:
            raise JournalFailed(DISK_HUNG) from error

    async def _commit(self, update: StateUpdate, expired: Iterable[int]) -> None:
        after = split_state(update.state)
        written = changed_records(self._stored, after)
        over = (*update.seen_stops, *expired)  # an order counts once
        written |= dict.fromkeys(f"{EXPECTED_STOP}{vmid}" for vmid in over)
        written |= update.records
        await self._journal.commit(Batch(written, update.incidents, update.messages))
        self.state, self._stored = update.state, after
        for incident in update.incidents:
            _log.info("%s", incident_line(incident))
        if update.messages or update.incidents:
            self.on_messages(tuple(message.id for message in update.messages))


def _ignore(message_ids: tuple[int, ...]) -> None:
    """Ignore the ids until the callback is set."""


_NAMED_MOST = 10
"""Maximum number of guests, and of failed backups, named in a line of the log."""


def incident_line(incident: Incident) -> str:
    """Describe an incident in one line of English, like the rest of the log."""
    about = [_about(incident)]
    if incident.metric and incident.percent is not None:
        about.append(f"{incident.metric.value} {incident.percent} %")
    about += _first([_guest(fact) for fact in incident.guests])
    about += _first([_backup(fact) for fact in incident.backups])
    about += [incident.fault.error] if incident.fault else []
    return f"incident {incident.id} ({incident.level.value}, {_state(incident)}): {', '.join(about)}"


def _first(rows: list[str]) -> list[str]:
    """Return the first rows, and the number of the others."""
    left = len(rows) - _NAMED_MOST
    return [*rows[:_NAMED_MOST], f"and {left} more"] if left > 0 else rows


def _about(incident: Incident) -> str:
    return f"{incident.topic.value} {incident.subject}".replace("guest guest/", "guest ")


def _guest(fact: GuestFact) -> str:
    by = f" by {fact.by}" if fact.by else ""
    return f"{fact.vmid} {fact.name or ''} on {fact.node}: {fact.what.value}{by}".replace("  ", " ")


def _backup(fact: BackupFact) -> str:
    return f"{fact.vmid or 'several guests'} on {fact.node}: {fact.error}"


def _state(incident: Incident) -> str:
    if incident.ended is not None:
        return "over" if incident.seconds is None else f"over after {incident.seconds:.0f} s"
    return f"open, acknowledged by {incident.acked_by}" if incident.acked_by else "open"
