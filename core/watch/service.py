"""The watch at work: the list a person edits, and what follows from each look, stored before it counts."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from core.actions.expected_stops import ExpectedStops
from core.actions.order import Report
from core.clock import Clock
from core.cluster_cache import ClusterCache
from core.errors import BotError, JournalFailed, NotMuted, NotWatched, StoreFailed
from core.guest import Guest, State
from core.names import checked_vmid
from core.proxmox import Proxmox
from core.verbs import ACTIONS, Verb
from core.watch.incidents.flapping import forget_guest
from core.watch.incidents.model import Incident, MessageKind, Metric, Mute, WatchEntry
from core.watch.incidents.notifications import announce_all
from core.watch.incidents.observation import Observation
from core.watch.incidents.state import GuestState, Rules, StepTime, WatchState
from core.watch.incidents.step import step
from core.watch.incidents.thresholds import drop_thresholds_of, make_entry
from core.watch.incidents.transition import Transition, subjects_of
from core.watch.incidents.unknown import blind_guests
from core.watch.journal import Journal
from core.watch.journal_maintenance import JournalMaintenance
from core.watch.persistence import Persistence
from core.watch.poller import Poller
from core.watch.recent_actions import RecentActions

_log = logging.getLogger(__name__)


class WatchStore(Protocol):
    """Where the list outlives the process."""

    def save(self, guests: tuple[WatchEntry, ...]) -> str | None:
        """All or nothing. Raises StoreFailed, and the stored list is as it was. A name: under it is kept what
        somebody else has made of the list meanwhile."""


class Watch:
    """Holds the state. Whatever changes it is in the journal before it counts, messages included."""

    blind: tuple[GuestState, ...] = ()
    """The watched guests whose state has not been known for half an hour."""

    def __init__(
        self,
        cluster_cache: ClusterCache,
        proxmox: Proxmox,
        clock: Clock,
        expected: ExpectedStops,
        store: WatchStore,
        journal: Journal,
        rules: Rules,
        quiet: Callable[[float], bool],
    ) -> None:
        self._poller, self._clock, self._expected = Poller(cluster_cache, proxmox, clock), clock, expected
        self._store, self._journal, self._rules, self._quiet = store, journal, rules, quiet
        self._persistence, self.maintenance = (
            Persistence(journal),
            JournalMaintenance(journal, clock, rules.audit_days),
        )
        self.entries: tuple[WatchEntry, ...] = ()
        """The watch list, by VMID."""
        self.read_error: BotError | None = None
        """Why the last read says nothing, None while reads do."""
        self.sees_tasks: bool | None = None
        """Whether the task list had any at the last look at it: of a real cluster it always has."""
        self.journal_error: JournalFailed | None = None
        """Why the last look could not be stored, and is judged again by the next; or why nothing more can be."""
        self.last_read: float | None = None
        """When Proxmox was last read well in this run, Unix seconds."""
        self._stepped: float | None = None
        self._last_poll_good = False  # the last look was good, and is stored
        self._recent_actions = RecentActions(clock)
        self._on_edited: Callable[[str], None] = lambda name: None
        self._previous: Observation | None = None
        """The last look of this run that said something and was stored."""
        self._away = True

    @property
    def state(self) -> WatchState:
        """As it is stored."""
        return self._persistence.state

    @property
    def stale(self) -> tuple[str, ...]:
        """The nodes that are told as having no new figures."""
        return tuple(name for name, node in sorted(self.state.nodes.items()) if node.stale_incident)

    def subscribe_messages(self, on_messages: Callable[[tuple[int, ...]], None]) -> None:
        """Whom to tell the ids of messages that have just been stored."""
        self._persistence.on_messages = on_messages

    def subscribe_edits(self, on_edited: Callable[[str], None]) -> None:
        """Whom to tell where a list is kept that somebody has changed while the bot ran."""
        self._on_edited = on_edited

    def load(self, entries: tuple[WatchEntry, ...], states: Mapping[int, State]) -> None:
        """Start from what was stored. `states`: what a list of the former form knew. Raises JournalFailed."""
        orders = self._persistence.load(self._clock.now())
        new = {
            vmid: GuestState(vmid, state) for vmid, state in states.items() if vmid not in self.state.guests
        }
        self._persistence.state = replace(self.state, guests={**self.state.guests, **new})
        self.entries = tuple(sorted(entries, key=lambda entry: entry.vmid))
        self._forget_removed()
        self.blind = blind_guests(self.state, self.entries)
        self._expected.load(orders, self._persistence.note_expected_stop)

    # -- the list

    def find(self, vmid: int) -> WatchEntry | None:
        return next((entry for entry in self.entries if entry.vmid == vmid), None)

    def add(
        self, guest: Guest, cpu: int | None = None, memory: int | None = None, disk: int | None = None
    ) -> bool:
        """Watch a guest from now on: True; or change the thresholds given (0: none any more) of one that is
        watched: False. A threshold that is the same already stays as it is, with what was told of it.

        Raises AlreadyWatched (where none is given), CannotWatchTemplate, DiskUnknown, BadAmount, StoreFailed.
        """
        given = {Metric.CPU: cpu, Metric.MEMORY: memory, Metric.DISK: disk}
        old = self.find(guest.vmid)
        limits = {metric: value for metric, value in given.items() if value is not None}
        entry = make_entry(guest, old, limits)
        if entry == old:
            return False
        self._save_entries((*(each for each in self.entries if each.vmid != guest.vmid), entry))
        if old is not None:
            with contextlib.suppress(JournalFailed):
                changed = [metric for metric in limits if entry.limit(metric) != old.limit(metric)]
                self._reset_thresholds(guest.vmid, changed)
        return old is None

    def check_entry(
        self, guest: Guest, cpu: int | None = None, memory: int | None = None, disk: int | None = None
    ) -> None:
        """Raises what `add` would refuse, and changes nothing."""
        given = {Metric.CPU: cpu, Metric.MEMORY: memory, Metric.DISK: disk}
        limits = {metric: value for metric, value in given.items() if value is not None}
        make_entry(guest, self.find(guest.vmid), limits)

    def _reset_thresholds(self, vmid: int, metrics: Iterable[Metric]) -> None:
        """What was told of another threshold is over without a word: the guest is as it was."""
        transition = self._start_transition()
        drop_thresholds_of(transition, vmid, metrics)
        self._commit(transition)

    def remove(self, vmid: int) -> None:
        """Watch it no longer; what is open of it ends. Raises BadVmid, NotWatched, StoreFailed."""
        if self.find(checked_vmid(vmid)) is None:
            raise NotWatched(vmid)
        self._save_entries(tuple(entry for entry in self.entries if entry.vmid != vmid))
        with contextlib.suppress(JournalFailed):  # it is off the list; the next look forgets it then
            self._forget(vmid)

    def _save_entries(self, entries: tuple[WatchEntry, ...]) -> None:
        entries = tuple(sorted(entries, key=lambda entry: entry.vmid))
        aside = self._store.save(entries)
        self.entries = entries
        if aside is not None:
            self._on_edited(aside)

    def _forget_removed(self) -> None:
        """Of guests that are off the list, though the journal did not hear of it. Raises JournalFailed."""
        for vmid in self.state.guests.keys() - {entry.vmid for entry in self.entries}:
            self._forget(vmid)

    def _forget(self, vmid: int) -> None:
        transition = self._start_transition()
        guest = transition.guests.pop(vmid, None)
        if guest is not None:
            forget_guest(transition, guest)
        drop_thresholds_of(transition, vmid)
        transition.uptimes.pop(vmid, None)
        self._commit(transition)
        self.blind = blind_guests(self.state, self.entries)

    def on_action_done(self, report: Report) -> bool:
        """What the bot itself did to a watched guest; whether it was taken off the list, since it is deleted."""
        vmid, after, verb = report.plan.order.vmid, report.after, report.plan.order.verb
        if self.find(vmid) is None or not report.good:
            return False
        self._recent_actions.note(vmid, after)
        try:
            if verb is Verb.DELETE:
                self.remove(vmid)
                return True
            known = self.state.guests.get(vmid)
            if ACTIONS[verb].stops and after is not None and known is not None:
                transition = self._start_transition()
                transition.uptimes.pop(vmid, None)  # it begins anew, by order
                if after.state is State.STOPPED and known.state is not State.STOPPED:
                    transition.guests[vmid] = transition.settle(known, after, wanted=True)
                self._commit(transition)
            if after is not None and after.state is State.STOPPED:
                self._expected.on_stop_seen(vmid)  # no look will: the next stop is an alarm again
        except (StoreFailed, JournalFailed) as error:
            _log.warning("what was done to %d could not be noted: %s", vmid, error)
        return False

    def on_guest_deleted(self, vmid: int) -> None:
        """The bot itself has deleted a guest, which was found out afterwards: it is watched no longer."""
        try:
            if self.find(vmid) is not None:
                self.remove(vmid)
        except (StoreFailed, JournalFailed) as error:
            _log.warning("that %d was deleted could not be noted: %s", vmid, error)

    # -- answers to alerts

    def acknowledge(self, incident_id: int, by: str, by_id: int = 0) -> Incident:
        """Say it no more; the first who says so counts. Raises IncidentOver, JournalFailed."""
        transition = self._start_transition()
        incident = transition.find_open(incident_id)
        if incident.acked is None:
            incident = transition.update_incident(
                replace(incident, acked_by=by, acked_by_id=by_id, acked=transition.now.unix)
            )
            self._commit(transition)
        return incident

    def mute(self, target: str, seconds: float, by: str, by_id: int = 0) -> Mute:
        """Tell nothing of a subject (core/watch/incidents/model.py) for so long. Raises JournalFailed."""
        transition = self._start_transition()
        mute = transition.mute(target, seconds, by, by_id)
        self._commit(transition)
        return mute

    def mute_incident(self, incident_id: int, seconds: float, by: str, by_id: int = 0) -> Incident:
        """Mute what an alert speaks of. Raises IncidentOver, JournalFailed."""
        transition = self._start_transition()
        incident = transition.find_open(incident_id)
        for target in sorted({targets[0] for targets in subjects_of(incident)}):
            transition.mute(target, seconds, by, by_id)
        transition.update_incident(
            replace(incident, muted_until=transition.muted_until(incident))
        )  # nothing else may be told just now
        self._commit(transition)
        return transition.open[incident_id]

    def unmute(self, target: str) -> None:
        """Tell of it again. Raises NotMuted, JournalFailed."""
        transition = self._start_transition()
        if transition.mutes.pop(target, None) is None:
            raise NotMuted(target)
        self._commit(transition)

    def mutes(self) -> tuple[Mute, ...]:
        """Those that still hold, the first to end first."""
        now = self._elapsed()
        held = (mute for mute in self.state.mutes.values() if mute.elapsed > now)
        return tuple(sorted(held, key=lambda mute: mute.elapsed))

    def send_test(self) -> int:
        """A message that says it is one; its id. Raises JournalFailed."""
        transition = self._start_transition()
        message = transition.add_message(MessageKind.TEST)
        self._commit(transition, tells=False)
        return message.id

    def post_notice(self, text: str) -> None:
        """A word of the bot about itself. Raises JournalFailed."""
        transition = self._start_transition()
        transition.add_message(MessageKind.WORD, text=text)
        self._commit(transition, tells=False)

    # -- looking

    async def poll(self) -> None:
        """One look, one step. A read that fails is a step too; one that cannot be stored is not taken."""
        with contextlib.suppress(JournalFailed):
            if (renewed := self.maintenance.check()) and not renewed.whole:
                self._persistence.rewrite(self._expected.current(blind=True))
            self._forget_removed()
        began = self._clock.monotonic()
        observation = await self._poller.observe(self.state, self.entries, self._elapsed(), self._previous)
        observation = replace(
            observation, unsure=observation.unsure | self._recent_actions.outdated(observation, began)
        )
        self.read_error = observation.fault
        if observation.tasks is not None:
            self.sees_tasks = bool(observation.tasks)
        if self.read_error is None:
            self.last_read = self._clock.now()
        unix, monotonic = self._clock.now(), self._clock.monotonic()
        passed = self._elapsed() - self.state.pulse.elapsed
        moment = StepTime(unix, passed, self._stepped is None, self._away, self._quiet(unix))
        expected_stops = self._expected.current(blind=not self._last_poll_good)
        expired = self._expected.expired() - expected_stops.keys()
        self._last_poll_good = False
        outcome = step(self.state, self.entries, observation, moment, self._rules, expected_stops)
        try:
            self._persistence.commit(outcome, expired)
        except JournalFailed as error:
            self.journal_error = error
            return
        self.journal_error, self._stepped, self._last_poll_good = (
            self.maintenance.error,
            monotonic,
            self.state.pulse.good,
        )
        self._previous = observation if observation.cluster else self._previous
        self._away = self._away and not self.state.pulse.good
        self.blind = blind_guests(self.state, self.entries)
        for vmid in outcome.seen_stops:
            self._expected.on_stop_seen(vmid)
        self._expected.forget(expired)
        await self.maintenance.prune()

    # -- storing

    def _elapsed(self) -> float:
        """Since the last step by the monotonic clock; from a former run by the wall clock, never backwards."""
        pulse, now = self.state.pulse, self._clock.now()
        if self._stepped is None:
            return pulse.elapsed + max(0.0, now - (pulse.unix or now))
        return pulse.elapsed + self._clock.monotonic() - self._stepped

    def _start_transition(self) -> Transition:
        """A change by a person, between two looks."""
        passed = self._elapsed() - self.state.pulse.elapsed
        unix = self._clock.now()
        return Transition(self.state, StepTime(unix, passed, quiet=self._quiet(unix)), self._rules)

    def _commit(self, transition: Transition, *, tells: bool = True) -> None:
        """Store a person's change. The clocks go on with the next look."""
        if tells:
            transition.good = self.state.pulse.good
            announce_all(transition, reminds=False)  # which are a look's concern
        outcome = transition.outcome()
        pulse = replace(self.state.pulse, last_id=outcome.state.pulse.last_id)
        self._persistence.commit(replace(outcome, state=replace(outcome.state, pulse=pulse)))
