"""Collect the changes of one step, or of one change between two polls."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from core.errors import IncidentOver, NotMuted
from core.guest import Guest, State
from core.watch.incidents.model import (
    ALL,
    ONE_OFF,
    SOURCE,
    GuestFact,
    Incident,
    Message,
    MessageKind,
    Mute,
    Severity,
    Topic,
    WatchEntry,
    guest_subject,
    node_subject,
)
from core.watch.incidents.observation import Observation, RecentTask
from core.watch.incidents.state import GuestState, StateUpdate, StepTime, WatchRules, WatchState

SINCE_TOLERANCE = 60.0
"""A running guest keeps `since` until its start, computed from the uptime, is this many seconds later."""


@dataclass(frozen=True, slots=True)
class News:
    """One event of a guest in this poll. `ended_incident`: the id of the incident that it ended `ago` seconds ago.

    News that somebody wanted (`wanted`) opens a NOTE, or joins a GROUP.
    """

    fact: GuestFact
    ended_incident: int | None = None
    ago: float = 0.0

    @property
    def wanted(self) -> bool:
        return self.fact.wanted


class Transition:
    """Collect changes of the state, in copies of the former state's dictionaries. Ended mutes are left out."""

    def __init__(
        self,
        state: WatchState,
        now: StepTime,
        rules: WatchRules,
        entries: Iterable[WatchEntry] = (),
        observation: Observation | None = None,
        expected_stops: Iterable[int] = (),
    ) -> None:
        self.previous, self.now, self.rules = state, now, rules
        self.entries, self.expected_stops = tuple(entries), frozenset(expected_stops)
        self.observation = observation or Observation(None)
        self.elapsed = state.pulse.elapsed + max(0.0, now.passed)
        self.clock = state.pulse.clock
        self.good = False
        self.source = state.source
        self.guests, self.nodes, self.thresholds = (
            dict(state.guests),
            dict(state.nodes),
            dict(state.thresholds),
        )
        self.uptimes, self.tasks = dict(state.uptimes), state.tasks
        self.failed, self.known, self.quieted = state.failed, state.known, list(state.quieted)
        self.running, self.asked = state.running, dict(state.asked)
        self.mutes = {target: mute for target, mute in state.mutes.items() if mute.elapsed > self.elapsed}
        self.open = dict(state.open)
        self.changed: dict[int, Incident] = {}
        self.messages: list[Message] = []
        self.seen_stops: list[int] = []
        self.records: dict[str, str] = {}
        self.news: list[News] = []
        self.source_recovered = False
        """Whether Proxmox can be read again after it was reported as unreachable."""
        self._last_id = state.pulse.last_id

    def update(self) -> StateUpdate:
        pulse = replace(
            self.previous.pulse,
            elapsed=self.elapsed,
            clock=self.clock,
            unix=self.now.unix,
            good=self.good,
            last_id=self._last_id,
        )
        state = WatchState(
            pulse=pulse,
            source=self.source,
            guests=self.guests,
            nodes=self.nodes,
            thresholds=self.thresholds,
            mutes=self.mutes,
            uptimes=self.uptimes,
            tasks=self.tasks,
            failed=self.failed,
            running=self.running,
            asked=self.asked,
            known=self.known,
            quieted=tuple(self.quieted),
            open=self.open,
        )
        return StateUpdate(
            state, tuple(self.changed.values()), tuple(self.messages), tuple(self.seen_stops), self.records
        )

    # -- incidents

    def open_incident(self, topic: Topic, subject: str, level: Severity, **fields: Any) -> Incident:
        """Open an incident that is not reported yet. A one-off is over at once."""
        self._last_id += 1
        over: dict[str, Any] = {"ended": self.now.unix, "seconds": 0.0} if topic in ONE_OFF else {}
        incident = Incident(
            self._last_id,
            topic,
            subject,
            level,
            opened=self.now.unix,
            began=self.elapsed,
            **over,
            **fields,
        )
        return self.update_incident(incident)

    def update_incident(self, incident: Incident) -> Incident:
        """Take a new or changed incident into the changes, and return it."""
        self.changed[incident.id] = incident
        if incident.open:
            self.open[incident.id] = incident
        else:
            self.open.pop(incident.id, None)
        return incident

    def close_incident(
        self, incident: Incident, *, ago: float = 0.0, forgotten: bool = False, **fields: Any
    ) -> Incident:
        """End an incident that was over `ago` seconds ago.

        Unless it is `forgotten`, also end the mutes of guests that its buttons have set.
        """
        seconds = max(0.0, self.elapsed - ago - incident.began)
        unmuted = not forgotten and self._end_mutes_of(incident)
        ended = replace(incident, ended=self.now.unix - ago, seconds=seconds, forgotten=forgotten, **fields)
        if unmuted:
            ended = replace(ended, muted_until=self.muted_until(ended), unmuted=True)
        return self.update_incident(replace(ended, can_unmute=bool(self._own_mutes(ended))))

    # -- messages

    def announce(self, incident: Incident) -> Incident:
        """Post the opening of an incident. In quiet hours only that of a critical incident is posted at once."""
        timer = self.elapsed if incident.topic is Topic.SOURCE else self.clock
        incident = self.update_incident(replace(incident, told=True, said=timer))
        info = incident.level is Severity.INFO
        self.post(MessageKind.OPENING, incident, mention=not info, silent=info)
        return incident

    def announce_together(self, incidents: Iterable[Incident]) -> None:
        """Post one message about many open incidents. In quiet hours only critical ones are posted at once."""
        told = [
            self.update_incident(replace(each, told=True, said=self.clock, muted_until=None))
            for each in incidents
        ]
        waits = [each for each in told if self.now.quiet and each.level is not Severity.CRITICAL]
        self.quieted += [each.id for each in waits if each.id not in self.quieted]
        if said := tuple(each.id for each in told if each not in waits):
            self.add_message(MessageKind.UNMUTED, said, mention=True)

    def announce_recovery(self, incident: Incident) -> None:
        """Post the recovery, unless the incident was never reported or is muted."""
        if incident.told and not self.muted(incident):
            self.post(MessageKind.RECOVERY, incident, silent=True)

    def remind(self, incident: Incident, timer: float) -> None:
        """Post a reminder if one is due. `timer`: present time on the clock of `Incident.said`."""
        due = self.rules.repeat > 0 and timer - incident.said >= self.rules.repeat
        if due and incident.told and incident.acked is None and not self.muted(incident):
            self.post(MessageKind.REMINDER, self.update_incident(replace(incident, said=timer)))

    def post(
        self, post: MessageKind, incident: Incident, *, mention: bool = False, silent: bool = False
    ) -> None:
        """Add a message about one incident.

        In quiet hours, recoveries and incidents below critical wait for the digest instead.
        """
        if self.now.quiet and (incident.level is not Severity.CRITICAL or post is MessageKind.RECOVERY):
            if incident.id not in self.quieted:
                self.quieted.append(incident.id)
            return
        self.add_message(post, (incident.id,), mention=mention, silent=silent)

    def add_message(self, post: MessageKind, incidents: tuple[int, ...] = (), **fields: Any) -> Message:
        self._last_id += 1
        message = Message(self._last_id, post, self.now.unix, incidents, **fields)
        self.messages.append(message)
        return message

    def find_open(self, incident_id: int) -> Incident:
        """Return the open incident with this id.

        Raises: IncidentOver.
        """
        incident = self.open.get(incident_id)
        if incident is None:
            raise IncidentOver
        return incident

    # -- muting

    def mute(self, target: str, seconds: float, by: str, by_id: int = 0, incident: int = 0) -> Mute:
        """Mute a target. `incident`: the one whose button was pressed, 0 for a command.

        A mute that was set by command counts as such, even if a button changes its end.
        """
        held = self.mutes.get(target)
        if held is not None and not held.incident:
            incident = 0
        mute = Mute(target, self.elapsed + seconds, self.now.unix + seconds, by, by_id, incident)
        self.mutes[target] = mute
        return mute

    def _own_mutes(self, incident: Incident) -> tuple[str, ...]:
        """Return the muted subjects that the incident itself is about, without those that include them."""
        own = {targets[0] for targets in subjects_of(incident)}
        return tuple(sorted(own & self.mutes.keys()))

    def unmute_incident(self, incident: Incident) -> Incident:
        """End the mutes of the incident's own subjects.

        Raises: NotMuted.
        """
        held = self._own_mutes(incident)
        if not held:
            raise NotMuted(incident.subject)
        for target in held:
            del self.mutes[target]
        incident = self.open.get(incident.id, incident)
        return self.update_incident(
            replace(incident, muted_until=self.muted_until(incident), can_unmute=False)
        )

    def _end_mutes_of(self, incident: Incident) -> bool:
        """End the mutes of guests that this incident's buttons set. Return whether there were any."""
        ended = [
            target
            for target, mute in self.mutes.items()
            if mute.incident == incident.id and target.startswith("guest/")
        ]
        for target in ended:
            del self.mutes[target]
        return bool(ended)

    def muted(self, incident: Incident) -> bool:
        return self.muted_until(incident) is not None

    def muted_until(self, incident: Incident) -> float | None:
        """Return the Unix second until which the incident is muted, None if it is not.

        It is muted while everything it is about is muted.
        """
        ends = [self._longest(targets) for targets in subjects_of(incident)]
        return None if not ends or None in ends else min(end for end in ends if end is not None)

    def guest_muted(self, vmid: int, node: str) -> bool:
        return self._longest(guest_targets(vmid, node)) is not None

    def _longest(self, targets: Iterable[str]) -> float | None:
        return max((self.mutes[target].until for target in targets if target in self.mutes), default=None)

    # -- guests

    def recent_tasks(self, guest: GuestState) -> list[RecentTask]:
        """Return the guest's recent tasks, newest first."""
        return self.observation.recent_tasks(guest, self.tasks or {}, self.clock)

    def settle(self, guest: GuestState, listed: Guest, **fields: Any) -> GuestState:
        """Settle the guest in the listed state."""
        began = self.now.unix - (listed.uptime or 0) if listed.state is State.RUNNING else self.now.unix
        again = (
            listed.state is State.RUNNING
            and listed.uptime is not None
            and began - (guest.since or began) >= SINCE_TOLERANCE
        )
        since: float | None = began
        if guest.state is listed.state and not again:
            since = guest.since
        elif guest.state is State.UNKNOWN and listed.state is not State.RUNNING:
            since = None  # the guest was in this state before the first poll
        values: dict[str, Any] = {"state": listed.state, "since": since, "held": None, "lost_node": ""}
        values |= {"missing": False, "wanted": False, "passing": None} | fields
        return replace(guest, **values)


def guest_targets(vmid: int, node: str) -> tuple[str, ...]:
    return (guest_subject(vmid), node_subject(node), ALL)


def subjects_of(incident: Incident) -> tuple[tuple[str, ...], ...]:
    """Return one tuple for each thing that an incident is about: its subject, then the subjects that include it."""
    match incident.topic:
        case Topic.SOURCE:
            return ((SOURCE, ALL),)
        case Topic.NODE | Topic.STALE:
            return ((incident.subject, ALL),)
        case Topic.STORAGE:
            return ((incident.subject, node_subject(incident.node), ALL),)
        case Topic.BACKUP:
            return tuple(
                guest_targets(fact.vmid, fact.node) if fact.vmid else (node_subject(fact.node), ALL)
                for fact in incident.backups
            )
        case _:
            facts = incident.down or incident.guests
            return tuple(guest_targets(fact.vmid, fact.node) for fact in facts)
