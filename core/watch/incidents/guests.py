"""Decide whether a watched guest is down, back, restarted, or as before.

Before a change is reported, the tasks and locks are checked: somebody may have wanted it.
"""

from dataclasses import replace
from itertools import dropwhile

from core.guest import HALTED_STATES, PASSING_STATES, Guest, State
from core.watch.incidents.flapping import (
    down_event,
    end_flapping,
    forget_guest,
    leave_incident,
    make_fact,
    record_change,
)
from core.watch.incidents.model import GuestEvent, Topic, WatchEntry
from core.watch.incidents.observation import (
    DOWN_STATES,
    HIBERNATION_LOCK,
    LAG_SECONDS,
    NOT_RUNNING_STATES,
    STOP_EFFECTS,
    WORK_LOCKS,
    RecentTask,
    TaskEffect,
    started_and_halted,
)
from core.watch.incidents.state import GuestState, HeldStop, HoldReason, NodeState
from core.watch.incidents.transition import News, Transition
from core.watch.incidents.unknown import note_unknown

WORK_SECONDS = 1800.0
"""Maximum seconds for which a lock or a task excuses a stop."""
RETURN_SECONDS = 300.0
"""Maximum seconds until a guest starts after its node came back or HA moved it."""
STUCK_SECONDS = 600.0
"""Maximum seconds for which a guest may be in a passing state."""


def check_guest(transition: Transition, entry: WatchEntry) -> None:
    """Judge one watched guest in this poll."""
    if entry.vmid in transition.observation.unsure or transition.observation.cluster is None:
        return
    old = transition.guests.get(entry.vmid, GuestState(entry.vmid))
    listed = transition.observation.cluster.find(entry.vmid)
    new = note_unknown(transition, _next_state(transition, old, listed), listed)
    if listed is not None:
        online = transition.observation.cluster.node_online(listed.node)  # otherwise the guest was not judged
        judged = online and listed.state is not State.UNKNOWN and not new.lost_node
        node = listed.node if judged or not new.node else new.node
        new = replace(new, kind=listed.kind, node=node, name=listed.name or new.name)
        if judged:
            _note_uptime(transition, new, listed, moved=listed.node != old.node)
    transition.guests[entry.vmid] = new if new.lost_node else end_flapping(transition, new)


def _next_state(transition: Transition, old: GuestState, listed: Guest | None) -> GuestState:
    if listed is None:
        return old if old.missing or old.state is State.UNKNOWN else _enter_missing(transition, old)
    if not transition.nodes.get(listed.node, NodeState(True)).online:
        return replace(old, lost_node=listed.node)
    if transition.observation.cluster and not transition.observation.cluster.node_online(listed.node):
        return old  # its node is only suspected to be offline
    if listed.template:
        return transition.settle(forget_guest(transition, old), listed)
    if listed.state is State.UNKNOWN:
        return old
    if listed.state in PASSING_STATES:
        return _enter_passing(transition, old, listed)
    old = replace(old, passing=None)
    if old.missing:
        # a guest that was created again and is not started yet does not flap
        return transition.settle(
            _recover(transition, old, listed), listed, wanted=listed.state in NOT_RUNNING_STATES
        )
    if old.state is State.UNKNOWN:
        return transition.settle(old, listed)
    if listed.state in DOWN_STATES:
        new = old.state not in NOT_RUNNING_STATES or started_and_halted(old, listed)
        return (
            _enter_stopped(transition, old, listed) if new else replace(old, lost_node="", state=listed.state)
        )
    if listed.state is State.RUNNING:
        return _enter_running(transition, old, listed)
    if old.state in NOT_RUNNING_STATES:  # a guest that is only half started is not back
        return old
    return transition.settle(old, listed)


def _enter_passing(transition: Transition, old: GuestState, listed: Guest) -> GuestState:
    """Wait for the end of a passing state, and treat a guest that is stuck in one as down.

    A stopped VM is also in `prelaunch` while vzdump reads it: under a lock, a guest that was down is left alone.
    A guest that was already reported as down is not reported again.
    """
    if old.missing or old.state in PASSING_STATES:
        return old
    if old.state in NOT_RUNNING_STATES and (old.incident is not None or listed.lock in WORK_LOCKS):
        return replace(old, passing=None)
    since = transition.clock if old.passing is None else old.passing
    if transition.clock - since < STUCK_SECONDS:
        return replace(old, passing=since)
    return _enter_stopped(transition, replace(old, passing=since), listed)


# -- down


def _enter_missing(transition: Transition, old: GuestState) -> GuestState:
    """Handle a guest that is no longer in the cluster."""
    missing = replace(old, missing=True, wanted=False, held=None, lost_node="", passing=None)
    newest = next(iter(transition.recent_tasks(old)), None)
    destroyed = newest if newest and newest.effect is TaskEffect.DESTROY else None
    if destroyed:
        transition.news.append(News(make_fact(transition, old, GuestEvent.MISSING, recent=destroyed)))
    if old.vmid in transition.expected_stops:
        transition.seen_stops.append(old.vmid)
    if destroyed or old.vmid in transition.expected_stops:
        return replace(leave_incident(transition, missing, GuestEvent.MISSING), wanted=True)
    incident = transition.open.get(old.incident or 0)
    if incident is not None:  # it was down already
        facts = (
            replace(fact, what=GuestEvent.MISSING) if fact.vmid == old.vmid else fact
            for fact in incident.guests
        )
        transition.update_incident(replace(incident, guests=tuple(facts)))
        return missing
    return record_change(transition, missing, make_fact(transition, old, GuestEvent.MISSING))


def _enter_stopped(transition: Transition, old: GuestState, listed: Guest) -> GuestState:
    """Report a stop, unless it was ordered through the bot. A stop that somebody wanted is only noted.

    The report is held back after the guest's node returned, after HA moved the guest, and during other work.

    A stop by a person never leaves a VM in one of HALTED_STATES: such a VM failed later, which is reported.
    """
    if old.vmid in transition.expected_stops:
        transition.seen_stops.append(old.vmid)
        return transition.settle(old, listed, wanted=True)
    if old.lost_node:
        wait = HoldReason.NODE if listed.node == old.lost_node else HoldReason.HA
        return replace(old, lost_node="", held=HeldStop(wait, transition.clock))
    held = old.held
    if held is not None and held.wait is not HoldReason.WORK:
        if transition.clock - held.since < RETURN_SECONDS:
            return old
        return _enter_down(transition, old, listed, after=held.wait)
    was_down = held is None and old.state in NOT_RUNNING_STATES  # earlier tasks do not explain a new event
    tasks = [] if was_down else transition.recent_tasks(old)
    by_hand = _ordered_stop(listed, tasks) if held is None else _stop_while_held(tasks, held)
    is_wanted = by_hand is not None or listed.lock == HIBERNATION_LOCK
    if is_wanted and listed.state not in HALTED_STATES:
        transition.news.append(
            News(make_fact(transition, old, down_event(listed.state), listed, recent=by_hand, wanted=True))
        )
        return transition.settle(old, listed, wanted=True)
    busy = _work_under_way(listed, tasks, waits=held is not None)
    if held is None and busy:
        return replace(old, held=HeldStop(HoldReason.WORK, transition.clock, busy))
    if held is not None and busy and transition.clock - held.since < WORK_SECONDS:
        return old
    return _enter_down(transition, old, listed, task=held.what if held else "")


def _work_under_way(listed: Guest, tasks: list[RecentTask], *, waits: bool) -> str:
    """Return the lock, or else the task, that may stop the guest for a while; "" if there is none.

    `waits`: the bot waits for the guest already. Work that ended before somebody started the guest is not a reason to
    begin waiting.
    """
    if listed.lock in WORK_LOCKS:
        return listed.lock or ""
    works = [recent for recent in tasks if recent.is_work]
    stop = next((recent for recent in tasks if recent.effect in (TaskEffect.STOP, TaskEffect.DESTROY)), None)
    reason = (
        waits
        or any(recent.task.status is None for recent in works)
        or (works and tasks[0].is_work)
        or (stop is not None and any(recent.ran_at(stop.task.started) for recent in works))
    )
    return works[0].task.type if works and reason else ""


def _ordered_stop(listed: Guest, tasks: list[RecentTask]) -> RecentTask | None:
    """Return the stop that a person ordered, None if there is none.

    A stop during other work or under its lock belongs to that work: vzdump in stop mode shuts a VM down by a
    task of root@pam (VZDump/QemuServer.pm: stop_vm). A backup that began after the stop does not explain it,
    except in the same second.
    """
    before = list(dropwhile(lambda recent: recent.task.type == "vzdump", tasks))
    if not before or before[0].is_work or before[0].effect not in STOP_EFFECTS:
        return None
    stop = before[0]
    locked = listed.lock in WORK_LOCKS and stop is tasks[0]
    return (
        None
        if locked or any(recent.is_work and recent.ran_at(stop.task.started) for recent in tasks)
        else stop
    )


def _stop_while_held(tasks: list[RecentTask], held: HeldStop) -> RecentTask | None:
    """Return the stop that a person ordered while the bot was waiting for the guest, None if there is none."""
    newest = next(iter(tasks), None)
    ordered = newest and newest.effect in STOP_EFFECTS and not newest.is_work and newest.seen > held.since
    return newest if ordered else None


def _enter_down(
    transition: Transition,
    old: GuestState,
    listed: Guest,
    *,
    task: str = "",
    after: HoldReason = HoldReason.WORK,
) -> GuestState:
    fact = make_fact(transition, old, down_event(listed.state), listed, task=task, after=after)
    return record_change(transition, transition.settle(old, listed), fact)


# -- up


def _enter_running(transition: Transition, old: GuestState, listed: Guest) -> GuestState:
    moved = old.lost_node not in ("", listed.node) or (
        old.held is not None and old.held.wait is HoldReason.HA
    )
    if old.state in NOT_RUNNING_STATES:
        return transition.settle(_recover(transition, old, listed), listed)
    if moved:
        transition.news.append(News(make_fact(transition, old, GuestEvent.ELSEWHERE, listed, wanted=True)))
    elif not (old.lost_node or old.held) and _has_restarted(transition, old, listed):
        old = _note_restart(transition, old, listed)
    return transition.settle(old, listed)


def _recover(transition: Transition, old: GuestState, listed: Guest) -> GuestState:
    """Handle the return of a guest that was down or missing. It is reported only if its stop was."""
    incident = transition.open.get(old.incident or 0)
    if incident is None:
        return record_change(transition, old, None) if old.flapping and not old.wanted else old
    ago = min(float(listed.uptime or 0), max(0.0, transition.now.passed))
    if incident.topic is Topic.GROUP or not incident.told:
        after = record_change(transition, old, None)
        return after if after.flapping else leave_incident(transition, after, GuestEvent.BACK, ago=ago)
    return replace(
        record_change(transition, old, make_fact(transition, old, GuestEvent.BACK, listed), ago=ago),
        incident=None,
    )


def _has_restarted(transition: Transition, old: GuestState, listed: Guest) -> bool:
    """Return whether the uptime went back on the same node. A migration also resets the uptime."""
    before = transition.uptimes.get(old.vmid)
    return (
        before is not None
        and listed.uptime is not None
        and listed.node == old.node
        and listed.uptime < before
    )


def _note_restart(transition: Transition, old: GuestState, listed: Guest) -> GuestState:
    if old.vmid in transition.expected_stops:
        return old
    tasks = transition.recent_tasks(old)
    if listed.lock in WORK_LOCKS or any(recent.effect is TaskEffect.WORK for recent in tasks):
        return old
    if tasks:
        transition.news.append(
            News(make_fact(transition, old, GuestEvent.RESTARTED, listed, recent=tasks[0]))
        )
        return old
    return record_change(transition, old, make_fact(transition, old, GuestEvent.RESTARTED, listed))


def _note_uptime(transition: Transition, guest: GuestState, listed: Guest, *, moved: bool) -> None:
    """Store the guest's uptime, to compare the next poll with it.

    An individually queried uptime is newer than the list's: without the subtraction the list would seem to go
    back. On another node the uptime starts anew.
    """
    runs = listed.state is State.RUNNING
    if guest.state is not State.RUNNING or (moved and not runs):
        transition.uptimes.pop(guest.vmid, None)
    elif runs and listed.uptime is not None:
        ahead = LAG_SECONDS if guest.vmid in transition.observation.confirmed else 0
        transition.uptimes[guest.vmid] = max(0, listed.uptime - ahead)
