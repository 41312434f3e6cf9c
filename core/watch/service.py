"""Run the watch: keep the watch list, and store the result of each poll before it takes effect."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from core.actions.expected_stops import ExpectedStops
from core.actions.order import Report
from core.clock import Clock
from core.cluster.cache import ClusterCache
from core.errors import BotError, JournalFailed, NotWatched, StoreFailed
from core.guest import Guest, State, TaskSummary
from core.operations import OPERATIONS, Operation
from core.proxmox import Proxmox
from core.validation import checked_vmid
from core.watch import changes
from core.watch.alert_controls import AlertControls
from core.watch.incidents.model import WatchEntry
from core.watch.incidents.observation import Observation
from core.watch.incidents.state import GuestState, WatchRules, WatchState
from core.watch.incidents.step import step
from core.watch.incidents.thresholds import (
    drop_thresholds_of,
    given_limits,
    judged_disks,
    make_entry,
)
from core.watch.incidents.unknown import blind_guests
from core.watch.journal import Journal
from core.watch.journal_maintenance import JournalMaintenance
from core.watch.persistence import Decision, Persistence
from core.watch.polling.disk_poller import DiskPoller
from core.watch.polling.poller import Poller, RecentActions
from core.watch.run_time import RunTime
from core.watch.watch_list import WatchList, WatchStore

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Watch:
    """Hold the state of the watch. Every change of it and every message is in the journal before it takes effect."""

    blind: tuple[GuestState, ...] = ()
    """Watched guests whose state has been unknown for half an hour."""

    def __init__(
        self,
        cluster_cache: ClusterCache,
        proxmox: Proxmox,
        disks: DiskPoller,
        clock: Clock,
        expected: ExpectedStops,
        store: WatchStore,
        journal: Journal,
        rules: WatchRules,
        quiet: Callable[[float], bool],
    ) -> None:
        self._poller, self._clock, self._expected = Poller(cluster_cache, proxmox, clock), clock, expected
        self.disks = disks
        self._watch_list, self._time = WatchList(store), RunTime(clock, quiet)
        self._journal, self._rules, self._read_at = journal, rules, clock.monotonic()
        self._persistence = Persistence(journal)
        self.alerts = AlertControls(self._persistence, self._time, rules)
        self.maintenance = JournalMaintenance(journal, clock, rules.audit_days)
        self.read_error: BotError | None = None
        """Why the last read cannot be used, None if it can."""
        self.tasks: tuple[TaskSummary, ...] | None = None
        """The task list, None if the last poll did not read it."""
        self.sees_tasks: bool | None = None
        """Whether the last task list had any task. None before the first list.

        A token without Sys.Audit sees no tasks, and a real cluster always has some.
        """
        self.journal_error: JournalFailed | None = None
        """Why the last poll, or the test write before it, could not be stored. None if both were."""
        self.last_read: float | None = None
        """Unix seconds of the last good read of Proxmox in this run."""
        self._last_poll_good = False  # the last poll was good and is stored
        self._recent_actions = RecentActions(clock)
        self._previous: Observation | None = None
        """The last usable and stored poll of this run."""

    @property
    def entries(self) -> tuple[WatchEntry, ...]:
        """The watch list, ordered by VMID."""
        return self._watch_list.entries

    @property
    def state(self) -> WatchState:
        """The state as stored."""
        return self._persistence.state

    @property
    def read_age(self) -> float:
        """Seconds since the last good read, or since the start if there was none."""
        return self._clock.monotonic() - self._read_at

    @property
    def stale(self) -> tuple[str, ...]:
        """The nodes that are reported as having no new figures."""
        return tuple(name for name, node in sorted(self.state.nodes.items()) if node.stale_incident)

    def subscribe_messages(self, on_messages: Callable[[tuple[int, ...]], None]) -> None:
        """Set the callback that runs after messages or incidents were stored.

        It gets the ids of the new messages (maybe none).
        """
        self._persistence.on_messages = on_messages

    def subscribe_edits(self, on_edited: Callable[[str], Awaitable[None]]) -> None:
        """Set the callback that runs after somebody else's edit of the list's file was found.

        It gets the name under which the edited file was kept.
        """
        self._watch_list.on_edited = on_edited

    async def load(self, entries: tuple[WatchEntry, ...], states: Mapping[int, State]) -> None:
        """Start from the stored state.

        `states`: guest states from a watch list of the older form.
        Raises: JournalFailed.
        """
        orders = await self._persistence.load(self._clock.now())
        new = {
            vmid: GuestState(vmid, state) for vmid, state in states.items() if vmid not in self.state.guests
        }
        self._persistence.state = replace(self.state, guests={**self.state.guests, **new})
        self._watch_list.load(entries)
        await self._forget_removed()
        self.blind = blind_guests(self.state, self.entries)
        self._expected.load(orders, self._persistence)

    # -- the list

    def find(self, vmid: int) -> WatchEntry | None:
        return self._watch_list.find(vmid)

    async def add(
        self, guest: Guest, cpu: int | None = None, memory: int | None = None, disk: int | None = None
    ) -> bool:
        """Watch a guest (returns True), or change the given thresholds of a watched one (returns False).

        A threshold of 0 is removed. An unchanged threshold keeps its open incident.
        Raises: AlreadyWatched if a watched guest is given no threshold, CannotWatchTemplate, BadAmount, StoreFailed.
        """
        old, limits = self.find(guest.vmid), given_limits(cpu, memory, disk)
        entry = make_entry(guest, old, limits)
        if entry == old:
            return False
        await self._watch_list.put(entry)
        if old is not None:
            changed = [metric for metric in limits if entry.limit(metric) != old.limit(metric)]
            with contextlib.suppress(JournalFailed):  # the next polls judge by the new thresholds
                await self.alerts.change(
                    lambda transition: drop_thresholds_of(transition, guest.vmid, changed)
                )
        return old is None

    def check_entry(
        self, guest: Guest, cpu: int | None = None, memory: int | None = None, disk: int | None = None
    ) -> None:
        """Check whether `add` would succeed, without changing anything. Raises: as `add`, except StoreFailed."""
        make_entry(guest, self.find(guest.vmid), given_limits(cpu, memory, disk))

    async def remove(self, vmid: int) -> None:
        """Stop watching a guest, and forget it as `changes.forget` does. Raises: BadVmid, NotWatched, StoreFailed."""
        if self.find(checked_vmid(vmid)) is None:
            raise NotWatched(vmid)
        await self._watch_list.remove(vmid)
        with contextlib.suppress(JournalFailed):  # it is off the list, and the next poll forgets it
            await self._forget(vmid)

    async def _forget_removed(self) -> None:
        """Forget guests that are off the list but still in the journal. Raises: JournalFailed."""
        for vmid in self.state.guests.keys() - {entry.vmid for entry in self.entries}:
            await self._forget(vmid)

    async def _forget(self, vmid: int) -> None:
        await self.alerts.change(lambda transition: changes.forget(transition, vmid))
        self.blind = blind_guests(self.state, self.entries)

    async def on_action_done(self, report: Report) -> bool:
        """Note an action of the bot on a watched guest.

        Return whether the guest was taken off the list because it was deleted.
        """
        vmid, after, operation = report.plan.order.vmid, report.after, report.plan.order.operation
        if self.find(vmid) is None or not report.good:
            return False
        self._recent_actions.note(vmid, after)
        try:
            if operation is Operation.DELETE:
                await self.remove(vmid)
                return True
            if OPERATIONS[operation].stops and after is not None and vmid in self.state.guests:
                await self.alerts.change(partial(changes.settle_stop, after=after))
            if after is not None and after.state is State.STOPPED:
                # No poll will notice this stop. Forget it now, so that the next stop raises an alert.
                self._expected.on_stop_seen(vmid)
        except (StoreFailed, JournalFailed) as error:
            _log.warning("the action on guest %d could not be noted: %s", vmid, error)
        return False

    async def on_guest_deleted(self, vmid: int) -> None:
        """Stop watching a guest whose deletion by the bot was only confirmed afterwards."""
        try:
            if self.find(vmid) is not None:
                await self.remove(vmid)
        except (StoreFailed, JournalFailed) as error:
            _log.warning("the deletion of guest %d could not be noted: %s", vmid, error)

    # -- polling

    async def poll(self) -> None:
        """Read the cluster, and take one step.

        A failed read is a step too; a step that cannot be stored is not taken.
        """
        await self.maintenance.check()
        with contextlib.suppress(JournalFailed):
            if self.maintenance.has_lost_rows:
                await self._persistence.rewrite(lambda: self._expected.current(blind=True))
                self.maintenance.has_lost_rows = False
            await self._forget_removed()
        began = self._clock.monotonic()
        observation = await self._poller.observe(
            self.state, self.entries, self._time.elapsed(self.state.pulse), self._previous
        )
        observation = replace(
            observation,
            unsure=observation.unsure | self._recent_actions.outdated(observation, began),
            disks=self.disks.readings(observation.cluster),
        )
        self.read_error = observation.fault
        self.tasks = observation.tasks
        if observation.tasks is not None:
            self.sees_tasks = bool(observation.tasks)
        if self.read_error is None:
            self._read_at, self.last_read = self._clock.monotonic(), self._clock.now()
        try:
            await self._persistence.change(lambda: self._step(observation))
        except JournalFailed as error:
            self.journal_error = error
            return
        self.journal_error = self.maintenance.error
        await self.maintenance.prune()

    def _step(self, observation: Observation) -> Decision[None]:
        """Judge the observation."""
        moment = self._time.at_poll(self.state.pulse)
        expected_stops = self._expected.current(blind=not self._last_poll_good)
        expired = self._expected.expired() - expected_stops.keys()
        self._last_poll_good = False
        update = step(self.state, self.entries, observation, moment, self._rules, expected_stops)

        def on_stored() -> None:
            self._last_poll_good = self.state.pulse.good
            self._time.on_stored(good=self.state.pulse.good)
            self.disks.on_judged(judged_disks(observation))
            self.disks.aim(self.entries, observation.cluster, observation.unsure)
            if observation.cluster:  # the next poll does not need its lists, which are large
                self._previous = replace(observation, cluster=None, first=None, listed=None)
            self.blind = blind_guests(self.state, self.entries)
            for vmid in update.seen_stops:
                self._expected.on_stop_seen(vmid)
            self._expected.forget(expired)

        return Decision(update, None, expired, on_stored)
