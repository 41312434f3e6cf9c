"""Changes of a watched guest: what is told of them, the incident that a guest is down in, and flapping."""

from dataclasses import replace

from core.guest import HALTED_STATES, PASSING_STATES, Guest, State
from core.watch.incidents.model import GuestFact, Level, Topic, What, guest_subject
from core.watch.incidents.observation import OUT_STATES, Done
from core.watch.incidents.state import GuestState, Wait
from core.watch.incidents.transition import News, Work

FLAP_CHANGES, FLAP_SECONDS = 5, 1800.0
"""More changes than these in so many seconds, and the guest flaps."""
CALM_SECONDS = 900.0
"""Without a change for so long, it has stopped flapping."""


def fact_of(
    work: Work,
    guest: GuestState,
    what: What,
    listed: Guest | None = None,
    *,
    done: Done | None = None,
    task: str = "",
    after: Wait = Wait.WORK,
    wanted: bool = False,
) -> GuestFact:
    return GuestFact(
        guest.vmid,
        what,
        listed.kind if listed else guest.kind,
        listed.node if listed else guest.node,
        (listed.name if listed else None) or guest.name,
        by=done.task.user if done else "",
        task=done.task.type if done else task,
        away=work.now.away,
        after_node=after is Wait.NODE,
        after_ha=after is Wait.HA,
        wanted=wanted or done is not None,
        state=(listed or guest).state if what in (What.HALTED, What.STUCK) else State.UNKNOWN,
    )


def down_as(state: State) -> What:
    """What a guest that is down in this state is told as."""
    if state is State.IO_ERROR:
        return What.IO_ERROR
    if state in HALTED_STATES:
        return What.HALTED
    return What.STUCK if state in PASSING_STATES else What.STOPPED


def change(work: Work, guest: GuestState, fact: GuestFact | None, *, ago: float = 0.0) -> GuestState:
    """Count a change, and make news of it; but of a guest that flaps that alone is told."""
    kept = [at for at in guest.changes if work.clock - at < FLAP_SECONDS]
    guest = replace(guest, changes=(*kept, work.clock)[-FLAP_CHANGES - 1 :])
    if guest.flapping:
        return guest
    if len(guest.changes) > FLAP_CHANGES:
        guest = leave(work, guest, What.FLAPPING)
        incident = work.begin(
            Topic.FLAPPING,
            guest_subject(guest.vmid),
            Level.WARNING,
            guests=(fact_of(work, guest, What.FLAPPING),),
        )
        return replace(guest, flapping=incident.id)
    if fact is not None:
        work.news.append(News(fact, guest.incident if fact.what is What.BACK else None, ago))
    return guest


def leave(work: Work, guest: GuestState, what: What, *, ago: float = 0.0) -> GuestState:
    """The guest is no longer down in its incident, but `what`. The last one out ends a group."""
    incident = work.open.get(guest.incident or 0)
    guest = replace(guest, incident=None)
    if incident is None:
        return guest
    mine = (replace(fact, what=what) if fact.vmid == guest.vmid else fact for fact in incident.guests)
    left = replace(incident, guests=tuple(mine))
    if incident.topic is not Topic.GROUP:
        work.end(left, ago=ago, forgotten=what is not What.BACK)
    elif left.down:
        work.keep(left)
    else:
        well = any(fact.what is What.BACK for fact in left.guests)
        ended = work.end(left, ago=ago, forgotten=not well)
        if well:
            work.recover(ended)
    return guest


def forget(work: Work, guest: GuestState) -> GuestState:
    """Nobody watches it any more, or it cannot be watched: what is open of it ends without a word."""
    flapping = work.open.get(guest.flapping or 0)
    if flapping is not None:
        work.end(flapping, forgotten=True)
    return replace(leave(work, guest, What.FORGOTTEN), flapping=None, changes=())


def calmed(work: Work, guest: GuestState) -> GuestState:
    """The end of flapping: told once, as what it has come to."""
    waits = bool(guest.changes) and work.clock - guest.changes[-1] < CALM_SECONDS
    if guest.flapping is None or waits:
        return guest
    incident = work.open.get(guest.flapping)
    guest = replace(guest, flapping=None, changes=())
    if incident is not None:
        ended = work.end(incident, guests=tuple(replace(f, what=_settled(guest)) for f in incident.guests))
        if not _is_down(guest):
            work.recover(ended)
    if _is_down(guest):
        work.news.append(News(fact_of(work, guest, _settled(guest))))
    return guest


def _is_down(guest: GuestState) -> bool:
    """As an alarm would have it."""
    return (guest.missing or guest.state in OUT_STATES) and not guest.wanted


def _settled(guest: GuestState) -> What:
    if guest.missing:
        return What.MISSING
    return down_as(guest.state) if guest.state in OUT_STATES else What.BACK
