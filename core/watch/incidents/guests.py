"""What became of a watched guest: down, back, restarted, or nothing worth a word.

Of every change it is asked whether somebody wanted it, before it becomes an alarm.
"""

from dataclasses import replace
from itertools import dropwhile

from core.guest import HALTED_STATES, PASSING_STATES, Guest, State
from core.watch.incidents.flapping import calmed, change, down_as, fact_of, forget, leave
from core.watch.incidents.model import Topic, Watched, What
from core.watch.incidents.observation import (
    DOWN_STATES,
    ENDS,
    HIBERNATED,
    LAG_SECONDS,
    LOCKS,
    OUT_STATES,
    Doing,
    Done,
    started_and_halted,
)
from core.watch.incidents.state import GuestState, Held, NodeState, Wait
from core.watch.incidents.transition import News, Work
from core.watch.incidents.unknown import note_unknown

WORK_SECONDS = 1800.0
"""The longest that a lock or a task excuses a stop."""
RETURN_SECONDS = 300.0
"""How long a guest may take to start after its node came back or HA moved it."""
STUCK_SECONDS = 600.0
"""How long a guest may be in a passing state."""


def judge(work: Work, entry: Watched) -> None:
    """One watched guest in this look."""
    if entry.vmid in work.look.unsure or work.look.cluster is None:
        return
    old = work.guests.get(entry.vmid, GuestState(entry.vmid))
    listed = work.look.cluster.find(entry.vmid)
    new = note_unknown(work, _judged(work, old, listed), listed)
    if listed is not None:
        online = work.look.cluster.node_online(listed.node)  # else it was not judged
        judged = online and listed.state is not State.UNKNOWN and not new.lost_node
        node = listed.node if judged or not new.node else new.node
        new = replace(new, kind=listed.kind, node=node, name=listed.name or new.name)
        if judged:
            _note_uptime(work, new, listed, moved=listed.node != old.node)
    work.guests[entry.vmid] = new if new.lost_node else calmed(work, new)


def _judged(work: Work, old: GuestState, listed: Guest | None) -> GuestState:
    if listed is None:
        return old if old.missing or old.state is State.UNKNOWN else _gone(work, old)
    if not work.nodes.get(listed.node, NodeState(True)).online:
        return replace(old, lost_node=listed.node)
    if work.look.cluster and not work.look.cluster.node_online(listed.node):
        return old  # its node is only suspected yet
    if listed.template:
        return work.settle(forget(work, old), listed)
    if listed.state is State.UNKNOWN:
        return old
    if listed.state in PASSING_STATES:
        return _passing(work, old, listed)
    old = replace(old, passing=None)
    if old.missing:
        # one that was made again, and not started yet, does not flap
        return work.settle(_back(work, old, listed), listed, wanted=listed.state in OUT_STATES)
    if old.state is State.UNKNOWN:
        return work.settle(old, listed)
    if listed.state in DOWN_STATES:
        new = old.state not in OUT_STATES or started_and_halted(old, listed)
        return _stopped(work, old, listed) if new else replace(old, lost_node="", state=listed.state)
    if listed.state is State.RUNNING:
        return _running(work, old, listed)
    if old.state in OUT_STATES:  # half-way up is not back
        return old
    return work.settle(old, listed)


def _passing(work: Work, old: GuestState, listed: Guest) -> GuestState:
    """Wait for the end of a passing state. A guest that is stuck in it is down.

    A stopped VM is in `prelaunch`, too, while vzdump reads it: under a lock nothing is expected of it. A guest that
    is down and told as such is not told again.
    """
    if old.missing or old.state in PASSING_STATES:
        return old
    if old.state in OUT_STATES and (old.incident is not None or listed.lock in LOCKS):
        return replace(old, passing=None)
    since = work.clock if old.passing is None else old.passing
    if work.clock - since < STUCK_SECONDS:
        return replace(old, passing=since)
    return _stopped(work, replace(old, passing=since), listed)


# -- down


def _gone(work: Work, old: GuestState) -> GuestState:
    """No longer in the cluster."""
    missing = replace(old, missing=True, wanted=False, held=None, lost_node="", passing=None)
    newest = next(iter(work.recent_tasks(old)), None)
    destroyed = newest if newest and newest.doing is Doing.DESTROY else None
    if destroyed:
        work.news.append(News(fact_of(work, old, What.MISSING, done=destroyed)))
    if old.vmid in work.ordered:
        work.heeded.append(old.vmid)
    if destroyed or old.vmid in work.ordered:
        return replace(leave(work, missing, What.MISSING), wanted=True)
    incident = work.open.get(old.incident or 0)
    if incident is not None:  # it was down already
        facts = (
            replace(fact, what=What.MISSING) if fact.vmid == old.vmid else fact for fact in incident.guests
        )
        work.keep(replace(incident, guests=tuple(facts)))
        return missing
    return change(work, missing, fact_of(work, old, What.MISSING))


def _stopped(work: Work, old: GuestState, listed: Guest) -> GuestState:
    """An alarm unless it was ordered, follows from a node's return, was somebody's wish, or is part of some work.

    Nobody's stop makes QEMU hold a guest: what did has come after it.
    """
    if old.vmid in work.ordered:
        work.heeded.append(old.vmid)
        return work.settle(old, listed, wanted=True)
    if old.lost_node:
        wait = Wait.NODE if listed.node == old.lost_node else Wait.HA
        return replace(old, lost_node="", held=Held(wait, work.clock))
    held = old.held
    if held is not None and held.wait is not Wait.WORK:
        if work.clock - held.since < RETURN_SECONDS:
            return old
        return _down(work, old, listed, after=held.wait)
    stood = held is None and old.state in OUT_STATES  # what was done to it before explains nothing new
    tasks = [] if stood else work.recent_tasks(old)
    by_hand = _by_hand(listed, tasks) if held is None else _later(tasks, held)
    wished = by_hand is not None or listed.lock == HIBERNATED
    if wished and listed.state not in HALTED_STATES:
        work.news.append(News(fact_of(work, old, down_as(listed.state), listed, done=by_hand, wanted=True)))
        return work.settle(old, listed, wanted=True)
    busy = _busy(listed, tasks, waits=held is not None)
    if held is None and busy:
        return replace(old, held=Held(Wait.WORK, work.clock, busy))
    if held is not None and busy and work.clock - held.since < WORK_SECONDS:
        return old
    return _down(work, old, listed, task=held.what if held else "")


def _busy(listed: Guest, tasks: list[Done], *, waits: bool) -> str:
    """The lock, or else the task, for which it may be stopped a while. Work that is over, and after which somebody
    has started it, is no reason to begin to wait."""
    if listed.lock in LOCKS:
        return listed.lock or ""
    works = [done for done in tasks if done.works]
    stop = next((done for done in tasks if done.doing in (Doing.STOP, Doing.DESTROY)), None)
    reason = (
        waits
        or any(done.task.status is None for done in works)
        or (works and tasks[0].works)
        or (stop is not None and any(done.ran_at(stop.task.started) for done in works))
    )
    return works[0].task.type if works and reason else ""


def _by_hand(listed: Guest, tasks: list[Done]) -> Done | None:
    """The stop that somebody ordered. During some work, as under its lock, a stop is the work's own: vzdump in stop
    mode shuts a VM down by a task of root@pam (VZDump/QemuServer.pm: stop_vm). A backup begun afterwards is not
    (in the same second it may be the reason).
    """
    before = list(dropwhile(lambda done: done.task.type == "vzdump", tasks))
    if not before or before[0].works or before[0].doing not in ENDS:
        return None
    stop = before[0]
    locked = listed.lock in LOCKS and stop is tasks[0]
    return None if locked or any(done.works and done.ran_at(stop.task.started) for done in tasks) else stop


def _later(tasks: list[Done], held: Held) -> Done | None:
    """The stop that somebody ordered while it was waited for the guest."""
    newest = next(iter(tasks), None)
    ordered = newest and newest.doing in ENDS and not newest.works and newest.seen > held.since
    return newest if ordered else None


def _down(
    work: Work, old: GuestState, listed: Guest, *, task: str = "", after: Wait = Wait.WORK
) -> GuestState:
    fact = fact_of(work, old, down_as(listed.state), listed, task=task, after=after)
    return change(work, work.settle(old, listed), fact)


# -- up


def _running(work: Work, old: GuestState, listed: Guest) -> GuestState:
    moved = old.lost_node not in ("", listed.node) or (old.held is not None and old.held.wait is Wait.HA)
    if old.state in OUT_STATES:
        return work.settle(_back(work, old, listed), listed)
    if moved:
        work.news.append(News(fact_of(work, old, What.ELSEWHERE, listed, wanted=True)))
    elif not (old.lost_node or old.held) and _restarted(work, old, listed):
        old = _restart(work, old, listed)
    return work.settle(old, listed)


def _back(work: Work, old: GuestState, listed: Guest) -> GuestState:
    """It runs again. Nobody is told who was not told that it stopped."""
    incident = work.open.get(old.incident or 0)
    if incident is None:
        return change(work, old, None) if old.flapping and not old.wanted else old
    ago = min(float(listed.uptime or 0), max(0.0, work.now.passed))
    if incident.topic is Topic.GROUP or not incident.told:
        after = change(work, old, None)
        return after if after.flapping else leave(work, after, What.BACK, ago=ago)
    return replace(change(work, old, fact_of(work, old, What.BACK, listed), ago=ago), incident=None)


def _restarted(work: Work, old: GuestState, listed: Guest) -> bool:
    """Its uptime went back on the same node; a migration begins it anew."""
    before = work.uptimes.get(old.vmid)
    return (
        before is not None
        and listed.uptime is not None
        and listed.node == old.node
        and listed.uptime < before
    )


def _restart(work: Work, old: GuestState, listed: Guest) -> GuestState:
    if old.vmid in work.ordered:
        return old
    tasks = work.recent_tasks(old)
    if listed.lock in LOCKS or any(done.doing is Doing.WORK for done in tasks):
        return old
    if tasks:
        work.news.append(News(fact_of(work, old, What.RESTARTED, listed, done=tasks[0])))
        return old
    return change(work, old, fact_of(work, old, What.RESTARTED, listed))


def _note_uptime(work: Work, guest: GuestState, listed: Guest, *, moved: bool) -> None:
    """What was asked for by itself is newer than the list, which must not seem to go back afterwards. On another node
    it begins anew."""
    runs = listed.state is State.RUNNING
    if guest.state is not State.RUNNING or (moved and not runs):
        work.uptimes.pop(guest.vmid, None)
    elif runs and listed.uptime is not None:
        ahead = LAG_SECONDS if guest.vmid in work.look.confirmed else 0
        work.uptimes[guest.vmid] = max(0, listed.uptime - ahead)
