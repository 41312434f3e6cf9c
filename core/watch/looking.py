"""Looking at the cluster: one read, and what has to be asked before a suspicion is believed."""

import asyncio
import logging
from dataclasses import replace

from core.clock import Clock
from core.guest import Cluster, Guest, TaskSummary
from core.proxmox import Proxmox
from core.proxmox_errors import GuestMoved, MissingPrivilege, ProxmoxError
from core.reading import ClusterReader
from core.watch.look import CONFIRM_MOST, RECENT_SECONDS, Look, Suspicion, source_fault, suspicion
from core.watch.model import Watched
from core.watch.state import GuestState, WatchState

SECOND_READ = 12.0
"""Seconds until a second read shows something new: pvestatd's round of 10 s, and 2 s of pmxcfs' caching."""

_log = logging.getLogger(__name__)


class Looking:
    """One read an interval; `status/current` of at most five suspects, or a second read for more."""

    def __init__(self, reader: ClusterReader, proxmox: Proxmox, clock: Clock) -> None:
        self._reader, self._proxmox, self._clock = reader, proxmox, clock
        self._tasks_read: float | None = None

    async def look(
        self, state: WatchState, entries: tuple[Watched, ...], elapsed: float, before: Look | None = None
    ) -> Look:
        """Does not raise: a read that fails is a look, too. `elapsed` is the state's, at this moment; `before` the
        last look that said something: what was left open in it is believed by the list now."""
        try:
            first = await self._reader.read(max_age=0)
        except ProxmoxError as error:
            return Look(None, fault=error)
        if fault := source_fault(state, entries, first, elapsed):
            return Look(None, fault)
        look = Look(first)
        found = suspicion(state, entries, first)
        if found.nodes or len(found.guests) > CONFIRM_MOST:
            look = await self._second(state, entries, first, found)
            if look.cluster and (fault := source_fault(state, entries, look.cluster, elapsed + SECOND_READ)):
                return Look(None, fault)
        elif found.guests:
            look = await self._confirmed(first, found, before.unanswered if before else frozenset())
        tasks = await self._tasks(state, found)
        look = replace(look, unanswered=look.unsure, tasks=tasks, own=self._proxmox.identity)
        if look.tasks is not None:
            return look
        # what the task list might have explained waits for the next look, once
        unexplained = _explicable(state, found) - (before.unexplained if before else frozenset())
        return replace(look, unsure=look.unsure | unexplained, unexplained=unexplained)

    async def _second(
        self, state: WatchState, entries: tuple[Watched, ...], first: Cluster, found: Suspicion
    ) -> Look:
        """Read again. What only the second read shows has to wait for its own confirmation."""
        await self._clock.sleep(SECOND_READ)
        suspects = frozenset(guest.vmid for guest in found.guests)
        try:
            second = await self._reader.read(max_age=0)
        except ProxmoxError:
            return Look(first, unsure=suspects)
        again = suspicion(state, entries, second)
        late = frozenset(guest.vmid for guest in again.guests) - suspects
        return Look(second, first=first, unsure=late)

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
        return tasks


def _explicable(state: WatchState, found: Suspicion) -> frozenset[int]:
    """The guests of which tasks may explain something."""
    held = {guest.vmid for guest in state.guests.values() if guest.held}
    return found.restarts.union(held, (guest.vmid for guest in found.guests))
