"""Handle the changes of a watched guest: its news, the incident it is down in, and flapping."""

from dataclasses import replace

from core.guest import HALTED_STATES, PASSING_STATES, Guest, State
from core.watch.incidents.model import GuestEvent, GuestFact, Severity, Topic, guest_subject
from core.watch.incidents.observation import NOT_RUNNING_STATES, RecentTask
from core.watch.incidents.state import GuestState, HoldReason
from core.watch.incidents.transition import News, Transition

FLAP_CHANGES, FLAP_SECONDS = 5, 1800.0
"""A guest flaps after more than this many changes within this many seconds."""
CALM_SECONDS = 900.0
"""Seconds without a change after which a guest no longer flaps."""


def make_fact(
    transition: Transition,
    guest: GuestState,
    what: GuestEvent,
    listed: Guest | None = None,
    *,
    recent: RecentTask | None = None,
    task: str = "",
    after: HoldReason = HoldReason.WORK,
    wanted: bool = False,
) -> GuestFact:
    """Return the fact of an event.

    `listed`: the guest as the cluster lists it now. None: use what `guest` holds.
    `recent`: the task of the person who did it.
    `task`: the lock or task from which the guest did not come back. `after`: why its stop was held back.
    """
    return GuestFact(
        guest.vmid,
        what,
        listed.kind if listed else guest.kind,
        listed.node if listed else guest.node,
        (listed.name if listed else None) or guest.name,
        by=recent.task.user if recent else "",
        task=recent.task.type if recent else task,
        away=transition.now.away,
        after_node=after is HoldReason.NODE,
        after_ha=after is HoldReason.HA,
        wanted=wanted or recent is not None,
        state=(listed or guest).state if what in (GuestEvent.HALTED, GuestEvent.STUCK) else State.UNKNOWN,
    )


def down_event(state: State) -> GuestEvent:
    """Map the state of a guest that is down to the event that reports it."""
    if state is State.IO_ERROR:
        return GuestEvent.IO_ERROR
    if state in HALTED_STATES:
        return GuestEvent.HALTED
    return GuestEvent.STUCK if state in PASSING_STATES else GuestEvent.STOPPED


def record_change(
    transition: Transition, guest: GuestState, fact: GuestFact | None, *, ago: float = 0.0
) -> GuestState:
    """Count a change and add it to the news. `fact=None`: it is no news. `ago`: as in `News`.

    For a flapping guest only the flapping is reported.
    """
    kept = [at for at in guest.changes if transition.clock - at < FLAP_SECONDS]
    guest = replace(guest, changes=(*kept, transition.clock)[-FLAP_CHANGES - 1 :])
    if guest.flapping:
        return guest
    if len(guest.changes) > FLAP_CHANGES:
        guest = leave_incident(transition, guest, GuestEvent.FLAPPING)
        incident = transition.open_incident(
            Topic.FLAPPING,
            guest_subject(guest.vmid),
            Severity.WARNING,
            guests=(make_fact(transition, guest, GuestEvent.FLAPPING),),
        )
        return replace(guest, flapping=incident.id)
    if fact is not None:
        transition.news.append(News(fact, guest.incident if fact.what is GuestEvent.BACK else None, ago))
    return guest


def leave_incident(
    transition: Transition, guest: GuestState, what: GuestEvent, *, ago: float = 0.0
) -> GuestState:
    """Take the guest out of its incident, and record `what` there. A group ends when none of its guests is down."""
    incident = transition.open.get(guest.incident or 0)
    guest = replace(guest, incident=None)
    if incident is None:
        return guest
    mine = (replace(fact, what=what) if fact.vmid == guest.vmid else fact for fact in incident.guests)
    left = replace(incident, guests=tuple(mine))
    if incident.topic is not Topic.GROUP:
        transition.close_incident(left, ago=ago, forgotten=what is not GuestEvent.BACK)
    elif left.down:
        transition.update_incident(left)
    else:
        well = any(fact.what is GuestEvent.BACK for fact in left.guests)
        ended = transition.close_incident(left, ago=ago, forgotten=not well)
        if well:
            transition.announce_recovery(ended)
    return guest


def forget_guest(transition: Transition, guest: GuestState) -> GuestState:
    """Take a guest that is no longer watched, or became a template, out of the incident it is down in.

    End its flapping, too. Incidents about it alone end silently. Its thresholds are not touched.
    """
    flapping = transition.open.get(guest.flapping or 0)
    if flapping is not None:
        transition.close_incident(flapping, forgotten=True)
    return replace(leave_incident(transition, guest, GuestEvent.FORGOTTEN), flapping=None, changes=())


def end_flapping(transition: Transition, guest: GuestState) -> GuestState:
    """End flapping once the guest is calm, and report the state it has settled in."""
    waits = bool(guest.changes) and transition.clock - guest.changes[-1] < CALM_SECONDS
    if guest.flapping is None or waits:
        return guest
    incident = transition.open.get(guest.flapping)
    guest = replace(guest, flapping=None, changes=())
    if incident is not None:
        ended = transition.close_incident(
            incident, guests=tuple(replace(f, what=_current_event(guest)) for f in incident.guests)
        )
        if not _is_down(guest):
            transition.announce_recovery(ended)
    if _is_down(guest):
        transition.news.append(News(make_fact(transition, guest, _current_event(guest))))
    return guest


def _is_down(guest: GuestState) -> bool:
    """Return whether the guest is down and nobody wanted it."""
    return (guest.missing or guest.state in NOT_RUNNING_STATES) and not guest.wanted


def _current_event(guest: GuestState) -> GuestEvent:
    if guest.missing:
        return GuestEvent.MISSING
    return down_event(guest.state) if guest.state in NOT_RUNNING_STATES else GuestEvent.BACK
