"""The watch at work: the list a person edits, and what follows from each look, stored before it counts."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from core.actions.expected_stops import ExpectedStops
from core.actions.order import Report
from core.clock import Clock
from core.cluster_cache import ClusterReader
from core.errors import BotError, JournalFailed, NotMuted, NotWatched, StoreFailed
from core.guest import Guest, State
from core.names import checked_vmid
from core.proxmox import Proxmox
from core.verbs import ACTIONS, Verb
from core.watch.incidents.flapping import forget
from core.watch.incidents.model import Incident, Metric, Mute, Post, Watched
from core.watch.incidents.notifications import tell_all
from core.watch.incidents.observation import Look
from core.watch.incidents.state import GuestState, Moment, Rules, WatchState
from core.watch.incidents.step import step
from core.watch.incidents.thresholds import drop_of, entry_of
from core.watch.incidents.transition import Work, subjects_of
from core.watch.incidents.unknown import blind_guests
from core.watch.journal import Journal
from core.watch.journal_maintenance import JournalCare
from core.watch.persistence import Kept
from core.watch.poller import Looking
from core.watch.recent_actions import Acted

_log = logging.getLogger(__name__)


class WatchStore(Protocol):
    """Where the list outlives the process."""

    def save(self, guests: tuple[Watched, ...]) -> str | None:
        """All or nothing. Raises StoreFailed, and the stored list is as it was. A name: under it is kept what
        somebody else has made of the list meanwhile."""


class Watch:
    """Holds the state. Whatever changes it is in the journal before it counts, messages included."""

    blind: tuple[GuestState, ...] = ()
    """The watched guests whose state has not been known for half an hour."""

    def __init__(
        self,
        reader: ClusterReader,
        proxmox: Proxmox,
        clock: Clock,
        expected: ExpectedStops,
        store: WatchStore,
        journal: Journal,
        rules: Rules,
        quiet: Callable[[float], bool],
    ) -> None:
        self._looking, self._clock, self._expected = Looking(reader, proxmox, clock), clock, expected
        self._store, self._journal, self._rules, self._quiet = store, journal, rules, quiet
        self._kept, self.care = Kept(journal), JournalCare(journal, clock, rules.audit_days)
        self.entries: tuple[Watched, ...] = ()
        """The watch list, by VMID."""
        self.trouble: BotError | None = None
        """Why the last read says nothing, None while reads do."""
        self.sees_tasks: bool | None = None
        """Whether the task list had any at the last look at it: of a real cluster it always has."""
        self.journal_trouble: JournalFailed | None = None
        """Why the last look could not be stored, and is judged again by the next; or why nothing more can be."""
        self.last_read: float | None = None
        """When Proxmox was last read well in this run, Unix seconds."""
        self._stepped: float | None = None
        self._saw = False  # the last look was good, and is stored
        self._acted = Acted(clock)
        self._on_edited: Callable[[str], None] = lambda name: None
        self._before: Look | None = None
        """The last look of this run that said something and was stored."""
        self._away = True

    @property
    def state(self) -> WatchState:
        """As it is stored."""
        return self._kept.state

    @property
    def stale(self) -> tuple[str, ...]:
        """The nodes that are told as having no new figures."""
        return tuple(name for name, node in sorted(self.state.nodes.items()) if node.stale_incident)

    def tell(self, on_messages: Callable[[tuple[int, ...]], None]) -> None:
        """Whom to tell the ids of messages that have just been stored."""
        self._kept.on_messages = on_messages

    def tell_edits(self, on_edited: Callable[[str], None]) -> None:
        """Whom to tell where a list is kept that somebody has changed while the bot ran."""
        self._on_edited = on_edited

    def begin(self, entries: tuple[Watched, ...], states: Mapping[int, State]) -> None:
        """Start from what was stored. `states`: what a list of the former form knew. Raises JournalFailed."""
        orders = self._kept.load(self._clock.now())
        new = {
            vmid: GuestState(vmid, state) for vmid, state in states.items() if vmid not in self.state.guests
        }
        self._kept.state = replace(self.state, guests={**self.state.guests, **new})
        self.entries = tuple(sorted(entries, key=lambda entry: entry.vmid))
        self._forget_strays()
        self.blind = blind_guests(self.state, self.entries)
        self._expected.begin(orders, self._kept.note_order)

    # -- the list

    def find(self, vmid: int) -> Watched | None:
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
        entry = entry_of(guest, old, limits)
        if entry == old:
            return False
        self._keep((*(each for each in self.entries if each.vmid != guest.vmid), entry))
        if old is not None:
            with contextlib.suppress(JournalFailed):
                changed = [metric for metric in limits if entry.limit(metric) != old.limit(metric)]
                self._measure_anew(guest.vmid, changed)
        return old is None

    def check_entry(
        self, guest: Guest, cpu: int | None = None, memory: int | None = None, disk: int | None = None
    ) -> None:
        """Raises what `add` would refuse, and changes nothing."""
        given = {Metric.CPU: cpu, Metric.MEMORY: memory, Metric.DISK: disk}
        limits = {metric: value for metric, value in given.items() if value is not None}
        entry_of(guest, self.find(guest.vmid), limits)

    def _measure_anew(self, vmid: int, metrics: Iterable[Metric]) -> None:
        """What was told of another threshold is over without a word: the guest is as it was."""
        work = self._work()
        drop_of(work, vmid, metrics)
        self._change(work)

    def remove(self, vmid: int) -> None:
        """Watch it no longer; what is open of it ends. Raises BadVmid, NotWatched, StoreFailed."""
        if self.find(checked_vmid(vmid)) is None:
            raise NotWatched(vmid)
        self._keep(tuple(entry for entry in self.entries if entry.vmid != vmid))
        with contextlib.suppress(JournalFailed):  # it is off the list; the next look forgets it then
            self._forget(vmid)

    def _keep(self, entries: tuple[Watched, ...]) -> None:
        entries = tuple(sorted(entries, key=lambda entry: entry.vmid))
        aside = self._store.save(entries)
        self.entries = entries
        if aside is not None:
            self._on_edited(aside)

    def _forget_strays(self) -> None:
        """Of guests that are off the list, though the journal did not hear of it. Raises JournalFailed."""
        for vmid in self.state.guests.keys() - {entry.vmid for entry in self.entries}:
            self._forget(vmid)

    def _forget(self, vmid: int) -> None:
        work = self._work()
        guest = work.guests.pop(vmid, None)
        if guest is not None:
            forget(work, guest)
        drop_of(work, vmid)
        work.uptimes.pop(vmid, None)
        self._change(work)
        self.blind = blind_guests(self.state, self.entries)

    def heed(self, report: Report) -> bool:
        """What the bot itself did to a watched guest; whether it was taken off the list, since it is deleted."""
        vmid, after, verb = report.plan.order.vmid, report.after, report.plan.order.verb
        if self.find(vmid) is None or not report.good:
            return False
        self._acted.note(vmid, after)
        try:
            if verb is Verb.DELETE:
                self.remove(vmid)
                return True
            known = self.state.guests.get(vmid)
            if ACTIONS[verb].stops and after is not None and known is not None:
                work = self._work()
                work.uptimes.pop(vmid, None)  # it begins anew, by order
                if after.state is State.STOPPED and known.state is not State.STOPPED:
                    work.guests[vmid] = work.settle(known, after, wanted=True)
                self._change(work)
            if after is not None and after.state is State.STOPPED:
                self._expected.seen(vmid)  # no look will: the next stop is an alarm again
        except (StoreFailed, JournalFailed) as error:
            _log.warning("what was done to %d could not be noted: %s", vmid, error)
        return False

    def heed_deleted(self, vmid: int) -> None:
        """The bot itself has deleted a guest, which was found out afterwards: it is watched no longer."""
        try:
            if self.find(vmid) is not None:
                self.remove(vmid)
        except (StoreFailed, JournalFailed) as error:
            _log.warning("that %d was deleted could not be noted: %s", vmid, error)

    # -- answers to alerts

    def acknowledge(self, incident_id: int, by: str, by_id: int = 0) -> Incident:
        """Say it no more; the first who says so counts. Raises IncidentOver, JournalFailed."""
        work = self._work()
        incident = work.answered(incident_id)
        if incident.acked is None:
            incident = work.keep(replace(incident, acked_by=by, acked_by_id=by_id, acked=work.now.unix))
            self._change(work)
        return incident

    def mute(self, target: str, seconds: float, by: str, by_id: int = 0) -> Mute:
        """Tell nothing of a subject (core/watch/incidents/model.py) for so long. Raises JournalFailed."""
        work = self._work()
        mute = work.mute(target, seconds, by, by_id)
        self._change(work)
        return mute

    def mute_incident(self, incident_id: int, seconds: float, by: str, by_id: int = 0) -> Incident:
        """Mute what an alert speaks of. Raises IncidentOver, JournalFailed."""
        work = self._work()
        incident = work.answered(incident_id)
        for target in sorted({targets[0] for targets in subjects_of(incident)}):
            work.mute(target, seconds, by, by_id)
        work.keep(
            replace(incident, muted_until=work.muted_until(incident))
        )  # nothing else may be told just now
        self._change(work)
        return work.open[incident_id]

    def unmute(self, target: str) -> None:
        """Tell of it again. Raises NotMuted, JournalFailed."""
        work = self._work()
        if work.mutes.pop(target, None) is None:
            raise NotMuted(target)
        self._change(work)

    def mutes(self) -> tuple[Mute, ...]:
        """Those that still hold, the first to end first."""
        now = self._elapsed()
        held = (mute for mute in self.state.mutes.values() if mute.elapsed > now)
        return tuple(sorted(held, key=lambda mute: mute.elapsed))

    def send_test(self) -> int:
        """A message that says it is one; its id. Raises JournalFailed."""
        work = self._work()
        message = work.add(Post.TEST)
        self._change(work, tells=False)
        return message.id

    def say(self, text: str) -> None:
        """A word of the bot about itself. Raises JournalFailed."""
        work = self._work()
        work.add(Post.WORD, text=text)
        self._change(work, tells=False)

    # -- looking

    async def poll(self) -> None:
        """One look, one step. A read that fails is a step too; one that cannot be stored is not taken."""
        with contextlib.suppress(JournalFailed):
            if (renewed := self.care.look()) and not renewed.whole:
                self._kept.write_again(self._expected.current(blind=True))
            self._forget_strays()
        began = self._clock.monotonic()
        look = await self._looking.look(self.state, self.entries, self._elapsed(), self._before)
        look = replace(look, unsure=look.unsure | self._acted.stale(look, began))
        self.trouble = look.fault
        if look.tasks is not None:
            self.sees_tasks = bool(look.tasks)
        if self.trouble is None:
            self.last_read = self._clock.now()
        unix, monotonic = self._clock.now(), self._clock.monotonic()
        passed = self._elapsed() - self.state.pulse.elapsed
        moment = Moment(unix, passed, self._stepped is None, self._away, self._quiet(unix))
        ordered = self._expected.current(blind=not self._saw)
        expired = self._expected.expired() - ordered.keys()
        self._saw = False
        outcome = step(self.state, self.entries, look, moment, self._rules, ordered)
        try:
            self._kept.commit(outcome, expired)
        except JournalFailed as error:
            self.journal_trouble = error
            return
        self.journal_trouble, self._stepped, self._saw = self.care.trouble, monotonic, self.state.pulse.good
        self._before = look if look.cluster else self._before
        self._away = self._away and not self.state.pulse.good
        self.blind = blind_guests(self.state, self.entries)
        for vmid in outcome.heeded:
            self._expected.seen(vmid)
        self._expected.forget(expired)
        await self.care.prune()

    # -- storing

    def _elapsed(self) -> float:
        """Since the last step by the monotonic clock; from a former run by the wall clock, never backwards."""
        pulse, now = self.state.pulse, self._clock.now()
        if self._stepped is None:
            return pulse.elapsed + max(0.0, now - (pulse.unix or now))
        return pulse.elapsed + self._clock.monotonic() - self._stepped

    def _work(self) -> Work:
        """A change by a person, between two looks."""
        passed = self._elapsed() - self.state.pulse.elapsed
        unix = self._clock.now()
        return Work(self.state, Moment(unix, passed, quiet=self._quiet(unix)), self._rules)

    def _change(self, work: Work, *, tells: bool = True) -> None:
        """Store a person's change. The clocks go on with the next look."""
        if tells:
            work.good = self.state.pulse.good
            tell_all(work, reminds=False)  # which are a look's concern
        outcome = work.outcome()
        pulse = replace(self.state.pulse, last_id=outcome.state.pulse.last_id)
        self._kept.commit(replace(outcome, state=replace(outcome.state, pulse=pulse)))
