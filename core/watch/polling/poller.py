"""Poll the cluster: read it once, and query more before a suspicion is believed."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from core.clock import Clock
from core.cluster.cache import ClusterCache
from core.guest import Cluster, Guest, State, TaskSummary
from core.proxmox import Proxmox
from core.proxmox_errors import GuestMoved, MissingPrivilege, ProxmoxError
from core.watch.incidents.model import WatchEntry
from core.watch.incidents.observation import (
    CONFIRM_MOST,
    LAG_SECONDS,
    RECENT_SECONDS,
    Observation,
    Suspects,
    find_source_fault,
    find_suspects,
)
from core.watch.incidents.state import GuestState, WatchState
from core.watch.incidents.unknown import unknown_guests
from core.watch.polling.backup_poller import BackupPoller
from core.watch.polling.status_poller import StatusPoller
from core.watch.polling.task_lists import complete_task_list

SECOND_READ = 12.0
"""Seconds until a second read shows new data: pvestatd's round of 10 s, and 2 s of pmxcfs' caching."""
ACTED_SECONDS = 120.0
"""Seconds after an action for which a list may still show the guest as it was before."""

_log = logging.getLogger(__name__)


class Poller:
    """Poll the cluster at each interval.

    Up to five suspected guests are confirmed by `status/current`. More guests, and nodes, are confirmed by a second
    read. Guests of unknown state are queried in turn.
    """

    def __init__(self, cluster_cache: ClusterCache, proxmox: Proxmox, clock: Clock) -> None:
        self._cluster_cache, self._proxmox, self._clock = cluster_cache, proxmox, clock
        self._status_poller, self._backup_poller = StatusPoller(proxmox, clock), BackupPoller(proxmox, clock)
        self._tasks_read: float | None = None

    async def observe(
        self,
        state: WatchState,
        entries: tuple[WatchEntry, ...],
        elapsed: float,
        previous: Observation | None = None,
    ) -> Observation:
        """Poll once. Does not raise: a failed read is a result too.

        `elapsed`: the present time on the clock `elapsed` (core/watch/incidents/model.py).
        `previous`: the last usable poll, without its lists. Suspects that neither it nor this poll can confirm are
        believed to be as listed.
        """
        try:
            listed = await self._cluster_cache.read(max_age=0)
        except ProxmoxError as error:
            return Observation(None, fault=error)
        if fault := find_source_fault(state, entries, listed, elapsed):
            return Observation(None, fault)
        answers = await self._status_poller.ask(unknown_guests(entries, listed))
        first = _merge_answers(listed, answers)
        observation = Observation(first, confirmed=frozenset(answers), listed=listed)
        suspects = find_suspects(state, entries, first)
        doubted = tuple(guest for guest in suspects.guests if guest.vmid not in answers)
        if suspects.nodes or len(doubted) > CONFIRM_MOST:
            observation = await self._read_again(state, entries, observation, suspects, answers)
            if observation.cluster and (
                fault := find_source_fault(state, entries, observation.cluster, elapsed + SECOND_READ)
            ):
                return Observation(None, fault)
        elif doubted:
            unanswered = previous.unanswered if previous else frozenset()
            confirmed = await self._confirm(first, replace(suspects, guests=doubted), unanswered)
            observation = replace(
                confirmed, confirmed=confirmed.confirmed | observation.confirmed, listed=listed
            )
        tasks = await self._tasks(state, suspects)
        busy = bool(suspects.guests or suspects.nodes)
        backups = (
            await self._backup_poller.ask(state, observation.cluster, tasks, busy=busy)
            if observation.cluster
            else {}
        )
        observation = replace(
            observation,
            unanswered=observation.unsure,
            tasks=tasks,
            backups=backups,
            own_identity=self._proxmox.identity,
        )
        if observation.tasks is not None:
            return observation
        # an event that the unread tasks might explain waits for the next poll, once
        unexplained = _explainable(state, suspects) - (previous.unexplained if previous else frozenset())
        return replace(observation, unsure=observation.unsure | unexplained, unexplained=unexplained)

    async def _read_again(
        self,
        state: WatchState,
        entries: tuple[WatchEntry, ...],
        observation: Observation,
        found: Suspects,
        answers: Mapping[int, Guest],
    ) -> Observation:
        """Read again. Suspicions that only the second read shows wait for their own confirmation."""
        await self._clock.sleep(SECOND_READ)
        suspects = frozenset(guest.vmid for guest in found.guests)
        try:
            listed = await self._cluster_cache.read(max_age=0)
        except ProxmoxError:
            return replace(observation, unsure=suspects - answers.keys())
        second = _merge_answers(listed, answers)
        again = find_suspects(state, entries, second)
        late = frozenset(guest.vmid for guest in again.guests) - suspects
        return Observation(
            second, first=observation.cluster, unsure=late, confirmed=observation.confirmed, listed=listed
        )

    async def _confirm(self, first: Cluster, found: Suspects, unanswered: frozenset[int]) -> Observation:
        """Query all suspects individually and at the same time.

        `unanswered`: suspects that the previous poll could not confirm. If they do not answer, the list is believed.
        """
        answers = await asyncio.gather(*(self._confirm_one(first, guest) for guest in found.guests))
        confirmed, unsure = dict[int, Guest | None](), set[int]()
        for suspect, answer in zip(found.guests, answers, strict=True):
            if isinstance(answer, Guest):
                confirmed[suspect.vmid] = answer
            elif answer and suspect.vmid not in unanswered:
                unsure.add(suspect.vmid)
        overlooked = frozenset(vmid for vmid in confirmed if first.find(vmid) is None)
        return Observation(
            first.with_guests(confirmed),
            confirmed=frozenset(confirmed),
            unsure=frozenset(unsure),
            overlooked=overlooked,
        )

    async def _confirm_one(self, first: Cluster, suspect: GuestState) -> Guest | bool:
        """Return the guest as it is now, True if its state stays unknown, False if the list is to be believed.

        A guest that is neither listed nor found is gone.
        """
        listed = first.find(suspect.vmid)
        if listed is None and not suspect.node:
            return False  # from a list of the older form: it did not store the node
        try:
            return await self._proxmox.status(listed or suspect.as_guest())
        except (GuestMoved, MissingPrivilege):
            return listed is not None
        except (ProxmoxError, ValueError):  # ValueError: the list contains an invalid node name
            return True

    async def _tasks(self, state: WatchState, found: Suspects) -> tuple[TaskSummary, ...] | None:
        """Return the cluster's task list, completed from the nodes' own lists where tasks may explain something.

        Return None if it is neither needed nor due, or cannot be read. Return () if the token lacks the privilege.
        """
        now = self._clock.monotonic()
        due = self._tasks_read is None or now - self._tasks_read >= RECENT_SECONDS
        if not (due or _explainable(state, found)):
            return None
        try:
            tasks = await self._proxmox.cluster_tasks()
        except MissingPrivilege:
            return ()  # with None, events would wait for the next attempt, which would fail too
        except ProxmoxError as error:
            _log.warning("the task list could not be read: %s", error)
            return None
        self._tasks_read = now
        nodes = {state.guests[vmid].node for vmid in _explainable(state, found) if vmid in state.guests}
        return await complete_task_list(self._proxmox, state.tasks, tasks, nodes)


def _merge_answers(listed: Cluster, answers: Mapping[int, Guest]) -> Cluster:
    """Replace listed guests of unknown state by the answers about them."""
    unknown = (guest for guest in map(listed.find, answers) if guest and guest.state is State.UNKNOWN)
    return listed.with_guests({guest.vmid: answers[guest.vmid] for guest in unknown})


def _explainable(state: WatchState, found: Suspects) -> frozenset[int]:
    """Return the guests for which tasks may explain something."""
    held = {guest.vmid for guest in state.guests.values() if guest.held}
    return found.restarts.union(held, (guest.vmid for guest in found.guests))


class RecentActions:
    """For each VMID, keep the monotonic time of the bot's last action and the guest's uptime then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: dict[int, tuple[float, float]] = {}

    def note(self, vmid: int, after: Guest | None) -> None:
        self._done[vmid] = (self._clock.monotonic(), _uptime(after))

    def outdated(self, observation: Observation, began: float) -> frozenset[int]:
        """Return the guests that this poll may show as they were before the bot's action.

        `began`: monotonic time at which the poll started.
        """
        now = self._clock.monotonic()
        self._done = {vmid: done for vmid, done in self._done.items() if now - done[0] < ACTED_SECONDS}
        found = set()
        for vmid, (at, uptime) in self._done.items():
            guest = observation.cluster.find(vmid) if observation.cluster else None
            if at >= began or _uptime(guest) > uptime + now - at + LAG_SECONDS:
                found.add(vmid)
        return frozenset(found)


def _uptime(guest: Guest | None) -> float:
    return float(guest.uptime or 0) if guest and guest.state is State.RUNNING else 0.0
