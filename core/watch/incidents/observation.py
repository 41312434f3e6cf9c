"""One look at the cluster: what was read, what has to be confirmed first, and what excuses a stop."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import BotError
from core.guest import HALTED_STATES, PASSING_STATES, Cluster, Guest, State, TaskSummary
from core.proxmox_errors import HalfGone, NothingVisible
from core.watch.incidents.model import WatchEntry
from core.watch.incidents.state import GuestState, WatchState

CONFIRM_MOST = 5
"""So many suspects are asked for one by one; more are confirmed by a second read."""
RECENT_SECONDS = 300.0
"""How long after a task was first seen it excuses a stop."""
LAG_SECONDS = 15
"""The most that the cluster's list is behind `status/current` (pvestatd's round, pmxcfs' caching)."""
ACCEPT_SECONDS = 1800.0
"""Half of the guests gone for so long is taken to be true."""

DOWN_STATES = HALTED_STATES | {State.STOPPED}
ALIVE_STATES = frozenset({State.RUNNING, State.PAUSED, State.SUSPENDED})
NOT_RUNNING_STATES = DOWN_STATES | PASSING_STATES
"""What is settled for a guest that does not run. A passing state is settled once the guest is stuck in it."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a look has shown. `cluster` None: it could not be read or believed, because of `fault`.

    `first` is the first of two reads, if there were two. `confirmed`: guests that were asked for one by one;
    their answer stands in `cluster`. `unsure`: those that could not be. `tasks` None: not read.
    """

    cluster: Cluster | None
    fault: BotError | None = None
    first: Cluster | None = None
    confirmed: frozenset[int] = frozenset()
    unsure: frozenset[int] = frozenset()
    unanswered: frozenset[int] = frozenset()
    """Those of the unsure that were not to be confirmed in this look."""
    unexplained: frozenset[int] = frozenset()
    """Those of the unsure whose tasks could not be read in it."""
    overlooked: frozenset[int] = frozenset()
    """Guests that are there, though the list does not have them."""
    tasks: tuple[TaskSummary, ...] | None = None
    backups: Mapping[str, tuple[TaskSummary, ...]] = field(default_factory=dict)
    """The failed backups that nodes told by themselves; of the nodes that were asked and answered."""
    listed: Cluster | None = None
    """The list without what was asked of guests by themselves, where it is another than `cluster`."""
    own_identity: str = ""
    """The bot's own `user@realm!token`, as tasks show it."""

    def recent_tasks(
        self, guest: "GuestState", seen: Mapping[str, float], clock: float
    ) -> list["RecentTask"]:
        """The guest's tasks that are known to TASK_EFFECTS and run, or were first seen (`seen`, on `clock`) less than
        five minutes ago, newest first; a backup job of several guests on its node is one of them.

        By when they were seen, not by their own times: the node's clock and the bot's may differ. From a stop of
        the bot's own on there are none: what was ordered through it is known, and counts once.
        """
        found: list[RecentTask] = []
        for task in sorted(self.tasks or (), key=lambda task: task.started, reverse=True):
            effect = TASK_EFFECTS.get(task.type)
            job = task.type == "vzdump" and not task.id and task.node == guest.node
            if effect is None or not (job or task.id == str(guest.vmid)):
                continue
            first = seen.get(task.upid, clock)
            if task.status is None or clock - first <= RECENT_SECONDS:
                if task.user == self.own_identity and effect in STOP_EFFECTS:
                    break
                found.append(RecentTask(effect, task, first))
        return found


@dataclass(frozen=True, slots=True)
class Suspects:
    """What a read shows that must not be believed at once. `restarts`: whose uptime went back."""

    guests: tuple[GuestState, ...] = ()
    nodes: tuple[str, ...] = ()
    restarts: frozenset[int] = frozenset()


def find_suspects(state: WatchState, entries: Iterable[WatchEntry], read: Cluster) -> Suspects:
    guests, restarts = [], set()
    for entry in entries:
        old = state.guests.get(entry.vmid)
        if old is None or old.state is State.UNKNOWN or old.missing:
            continue
        listed = read.find(entry.vmid)
        if listed is None:
            guests.append(old)
        elif listed.template or old.held:
            continue
        elif (listed.state in DOWN_STATES and old.state in ALIVE_STATES) or started_and_halted(old, listed):
            guests.append(old)
        elif listed.state is State.RUNNING and listed.node == old.node and _uptime_fell(state, listed):
            restarts.add(entry.vmid)
    nodes = tuple(node.name for node in read.nodes if not node.online and _was_online(state, node.name))
    return Suspects(tuple(guests), nodes, frozenset(restarts))


def started_and_halted(old: GuestState, listed: Guest) -> bool:
    """It was stopped, which is not told as an alarm, and has since been started and halted, unseen."""
    untold = old.incident is None and (old.flapping is None or old.wanted) and not old.missing
    return old.state is State.STOPPED and untold and listed.state in HALTED_STATES


def _uptime_fell(state: WatchState, listed: Guest) -> bool:
    return (listed.uptime or 0) < state.uptimes.get(listed.vmid, 0)


def _was_online(state: WatchState, name: str) -> bool:
    known = state.nodes.get(name)
    return known is not None and known.online


def find_source_fault(
    state: WatchState, entries: Iterable[WatchEntry], read: Cluster, elapsed: float
) -> BotError | None:
    """Why a read is not to be believed: it shows what only lost privileges show (/cluster/resources filters by
    VM.Audit and answers 200 with what is left, Cluster.pm). `elapsed` as in WatchState, at this moment."""
    listed = {guest.vmid for guest in read.guests}
    gone = state.known - listed
    if not any(entry.vmid in gone for entry in entries):
        return None
    if not listed:
        return NothingVisible()
    since = state.source.halved
    accepted = since is not None and elapsed - since >= ACCEPT_SECONDS
    if len(gone) >= 2 and 2 * len(gone) >= len(state.known) and not accepted:
        return HalfGone(len(gone), len(state.known))
    return None


class TaskEffect(StrEnum):
    """What a task of Proxmox does to a guest's state."""

    STOP = "stop"
    WORK = "work"  # it may stop the guest for a while
    REBOOT = "reboot"
    START = "start"
    DESTROY = "destroy"


_STOP_TASKS = ("qmstop", "qmshutdown", "vzstop", "vzshutdown", "hastop", "qmsuspend", "vzsuspend")
_WORK_TASKS = (
    *("vzdump", "qmsnapshot", "vzsnapshot", "qmrollback", "vzrollback", "qmdelsnapshot", "vzdelsnapshot"),
    *("qmigrate", "vzmigrate", "hamigrate", "qmmove", "move_volume", "qmtemplate", "vztemplate"),
)
TASK_EFFECTS: Mapping[str, TaskEffect] = (
    dict.fromkeys(_STOP_TASKS, TaskEffect.STOP)
    | dict.fromkeys(_WORK_TASKS, TaskEffect.WORK)
    | dict.fromkeys(("qmreboot", "vzreboot", "qmreset"), TaskEffect.REBOOT)
    | dict.fromkeys(("qmstart", "vzstart", "hastart", "qmresume"), TaskEffect.START)
    | dict.fromkeys(("qmdestroy", "vzdestroy"), TaskEffect.DESTROY)
)
"""By the type of the task, as UPIDs name it (qemu-server, pve-container and pve-ha-manager: fork_worker)."""


@dataclass(frozen=True, slots=True)
class RecentTask:
    """A task and what it does; `seen` is when it was first listed, on `clock`."""

    effect: TaskEffect
    task: TaskSummary
    seen: float

    @property
    def is_work(self) -> bool:
        """It may stop the guest for a while, and starts it again by itself."""
        return self.effect in (TaskEffect.WORK, TaskEffect.REBOOT)

    def ran_at(self, unix: int) -> bool:
        """It was under way then, by its node's clock."""
        ended = self.task.ended
        return self.task.started <= unix and (ended is None or unix < ended)


STOP_EFFECTS = frozenset({TaskEffect.STOP, TaskEffect.REBOOT, TaskEffect.DESTROY})

WORK_LOCKS = frozenset(
    {
        *("backup", "snapshot", "snapshot-delete", "rollback", "migrate", "suspending"),
        *("clone", "create", "disk", "mounted", "fstrim"),
    }
)
"""Under these locks a guest is stopped for a reason (QemuServer.pm, LXC/Config.pm)."""
HIBERNATION_LOCK = "suspended"
"""The lock of a guest that somebody suspended to disk; it stays until the guest is started again."""
