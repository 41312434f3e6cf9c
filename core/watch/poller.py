"""Looking at the cluster: one read, and what has to be asked before a suspicion is believed."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from core.clock import Clock
from core.cluster_cache import ClusterReader
from core.guest import Cluster, Guest, State, TaskSummary
from core.proxmox import Proxmox
from core.proxmox_errors import GuestMoved, MissingPrivilege, ProxmoxError
from core.watch.incidents.backups import FailedBackups
from core.watch.incidents.model import Watched
from core.watch.incidents.observation import (
    CONFIRM_MOST,
    RECENT_SECONDS,
    Look,
    Suspicion,
    source_fault,
    suspicion,
)
from core.watch.incidents.state import GuestState, WatchState
from core.watch.incidents.unknown import unknown_guests
from core.watch.status_poller import Asking
from core.watch.task_lists import completed

SECOND_READ = 12.0
"""Seconds until a second read shows something new: pvestatd's round of 10 s, and 2 s of pmxcfs' caching."""

_log = logging.getLogger(__name__)


class Looking:
    """One read an interval; `status/current` of at most five suspects, or a second read for more. Guests whose state
    the list does not know are asked for in turns."""

    def __init__(self, reader: ClusterReader, proxmox: Proxmox, clock: Clock) -> None:
        self._reader, self._proxmox, self._clock = reader, proxmox, clock
        self._asking, self._backups = Asking(proxmox, clock), FailedBackups(proxmox, clock)
        self._tasks_read: float | None = None

    async def look(
        self, state: WatchState, entries: tuple[Watched, ...], elapsed: float, before: Look | None = None
    ) -> Look:
        """Does not raise: a read that fails is a look, too. `elapsed` is the state's, at this moment; `before` the
        last look that said something: what was left open in it is believed by the list now."""
        try:
            listed = await self._reader.read(max_age=0)
        except ProxmoxError as error:
            return Look(None, fault=error)
        if fault := source_fault(state, entries, listed, elapsed):
            return Look(None, fault)
        answers = await self._asking.ask(unknown_guests(entries, listed))
        first = _with(listed, answers)
        look = Look(first, confirmed=frozenset(answers), listed=listed)
        found = suspicion(state, entries, first)
        doubted = tuple(guest for guest in found.guests if guest.vmid not in answers)
        if found.nodes or len(doubted) > CONFIRM_MOST:
            look = await self._second(state, entries, look, found, answers)
            if look.cluster and (fault := source_fault(state, entries, look.cluster, elapsed + SECOND_READ)):
                return Look(None, fault)
        elif doubted:
            unanswered = before.unanswered if before else frozenset()
            sure = await self._confirmed(first, replace(found, guests=doubted), unanswered)
            look = replace(sure, confirmed=sure.confirmed | look.confirmed, listed=listed)
        tasks = await self._tasks(state, found)
        busy = bool(found.guests or found.nodes)
        backups = await self._backups.ask(state, look.cluster, tasks, busy=busy) if look.cluster else {}
        look = replace(look, unanswered=look.unsure, tasks=tasks, backups=backups, own=self._proxmox.identity)
        if look.tasks is not None:
            return look
        # what the task list might have explained waits for the next look, once
        unexplained = _explicable(state, found) - (before.unexplained if before else frozenset())
        return replace(look, unsure=look.unsure | unexplained, unexplained=unexplained)

    async def _second(
        self,
        state: WatchState,
        entries: tuple[Watched, ...],
        look: Look,
        found: Suspicion,
        answers: Mapping[int, Guest],
    ) -> Look:
        """Read again. What only the second read shows has to wait for its own confirmation."""
        await self._clock.sleep(SECOND_READ)
        suspects = frozenset(guest.vmid for guest in found.guests)
        try:
            listed = await self._reader.read(max_age=0)
        except ProxmoxError:
            return replace(look, unsure=suspects - answers.keys())
        second = _with(listed, answers)
        again = suspicion(state, entries, second)
        late = frozenset(guest.vmid for guest in again.guests) - suspects
        return Look(second, first=look.cluster, unsure=late, confirmed=look.confirmed, listed=listed)

    async def _confirmed(self, first: Cluster, found: Suspicion, unanswered: frozenset[int]) -> Look:
        """Ask for each suspect by itself, at once. `unanswered`: those that did not answer the last time."""
        answers = await asyncio.gather(*(self._ask(first, guest) for guest in found.guests))
        guests = {guest.vmid: guest for guest in first.guests}
        confirmed, unsure = set(), set()
        for suspect, answer in zip(found.guests, answers, strict=True):
            if isinstance(answer, Guest):
                guests[suspect.vmid] = answer
                confirmed.add(suspect.vmid)
            elif answer and suspect.vmid not in unanswered:
                unsure.add(suspect.vmid)
        cluster = replace(first, guests=tuple(guests[vmid] for vmid in sorted(guests)))
        overlooked = frozenset(vmid for vmid in confirmed if first.find(vmid) is None)
        return Look(cluster, confirmed=frozenset(confirmed), unsure=frozenset(unsure), overlooked=overlooked)

    async def _ask(self, first: Cluster, suspect: GuestState) -> Guest | bool:
        """The guest as it is, or whether that stays open. A guest that is not listed and not there is gone."""
        listed = first.find(suspect.vmid)
        if listed is None and not suspect.node:
            return False  # of a list of the former form, which did not say where
        try:
            return await self._proxmox.status(listed or suspect.seen_as())
        except (GuestMoved, MissingPrivilege):
            return listed is not None
        except ProxmoxError:
            return True

    async def _tasks(self, state: WatchState, found: Suspicion) -> tuple[TaskSummary, ...] | None:
        """The cluster's task list, where it may explain something, and now and then for failed backups."""
        now = self._clock.monotonic()
        due = self._tasks_read is None or now - self._tasks_read >= RECENT_SECONDS
        if not (due or _explicable(state, found)):
            return None
        try:
            tasks = await self._proxmox.cluster_tasks()
        except MissingPrivilege:
            return ()  # it will not be read the next time either
        except ProxmoxError as error:
            _log.warning("the task list could not be read: %s", error)
            return None
        self._tasks_read = now
        nodes = {state.guests[vmid].node for vmid in _explicable(state, found) if vmid in state.guests}
        return await completed(self._proxmox, state.tasks, tasks, nodes)


def _with(listed: Cluster, answers: Mapping[int, Guest]) -> Cluster:
    """The list with the answers of guests of which it has no state."""
    if not answers:
        return listed
    guests = (
        answers.get(guest.vmid, guest) if guest.state is State.UNKNOWN else guest for guest in listed.guests
    )
    return replace(listed, guests=tuple(guests))


def _explicable(state: WatchState, found: Suspicion) -> frozenset[int]:
    """The guests of which tasks may explain something."""
    held = {guest.vmid for guest in state.guests.values() if guest.held}
    return found.restarts.union(held, (guest.vmid for guest in found.guests))
