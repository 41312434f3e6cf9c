"""Define one poll of the cluster: its data, the suspicions to confirm, and the tasks and locks that excuse a stop."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import BotError
from core.guest import HALTED_STATES, PASSING_STATES, Cluster, Guest, State, TaskSummary
from core.proxmox import FileSystem
from core.proxmox_errors import HalfGone, NothingVisible
from core.watch.incidents.model import WatchEntry
from core.watch.incidents.state import GuestState, WatchState

CONFIRM_MOST = 5
"""Maximum number of suspects queried individually; more are confirmed by a second read."""
RECENT_SECONDS = 300.0
"""An ended task excuses a stop for this many seconds after it was first seen.

The task list is read again after as many seconds, or earlier if it may explain something.
"""
LAG_SECONDS = 15
"""Maximum seconds by which the cluster's list lags behind `status/current` (pvestatd's round, pmxcfs' caching)."""
ACCEPT_SECONDS = 1800.0
"""Seconds after which the loss of half of the guests is believed."""

DOWN_STATES = HALTED_STATES | {State.STOPPED}
ALIVE_STATES = frozenset({State.RUNNING, State.PAUSED, State.SUSPENDED})
NOT_RUNNING_STATES = DOWN_STATES | PASSING_STATES
"""States in which a guest counts as not running once it has settled. In a passing state it settles if it is stuck."""


@dataclass(frozen=True, slots=True)
class DiskReading:
    """One reading of a VM's file systems.

    `number`: counts the readings of this run.
    `fullest`: None if the agent named no file system of the guest's own, or did not answer.
    `error`: why the agent did not answer, None if it did. `judged`: an earlier step has judged this reading.
    """

    number: int
    fullest: FileSystem | None = None
    error: BotError | None = None
    judged: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """The result of one poll. `cluster=None`: the cluster could not be read or believed, because of `fault`.

    `first`: the first of two reads, if there were two.
    `confirmed`: guests that answered an individual query; `cluster` holds their answers.
    `unsure`: guests that this poll does not judge, because they were not confirmed, unread tasks may explain their
    change, or the read may be older than an action of the bot.
    `tasks=None`: the task list was not read.
    """

    cluster: Cluster | None
    fault: BotError | None = None
    first: Cluster | None = None
    confirmed: frozenset[int] = frozenset()
    unsure: frozenset[int] = frozenset()
    unanswered: frozenset[int] = frozenset()
    """The `unsure` guests that this poll could not confirm. If the next one cannot either, it believes the list."""
    unexplained: frozenset[int] = frozenset()
    """The `unsure` guests whose tasks could not be read in this poll."""
    overlooked: frozenset[int] = frozenset()
    """Guests that exist although the list does not have them."""
    tasks: tuple[TaskSummary, ...] | None = None
    backups: Mapping[str, tuple[TaskSummary, ...]] = field(default_factory=dict)
    """Failed backups by node, from the nodes that were asked and answered."""
    listed: Cluster | None = None
    """The last list of the cluster cache, without the answers of single guests."""
    disks: Mapping[int, DiskReading] = field(default_factory=dict)
    """The last readings of VMs with a disk threshold, by VMID."""
    own_identity: str = ""
    """The bot's own `user@realm!token`, as tasks show it."""

    def recent_tasks(
        self, guest: "GuestState", seen: Mapping[str, float], clock: float
    ) -> list["RecentTask"]:
        """Return the guest's recent tasks of the kinds in `TASK_EFFECTS`, newest first.

        A task is recent while it runs, and for five minutes after it was first seen (`seen`, on `clock`): the node's
        clock and the bot's may differ. Backup jobs of several guests on the guest's node are included.
        The bot's own stop and all earlier tasks are left out: the bot's orders are known, and each counts once.
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
    """The suspicious parts of a read. `guests`: their former states. `restarts`: VMIDs whose uptime fell."""

    guests: tuple[GuestState, ...] = ()
    nodes: tuple[str, ...] = ()
    restarts: frozenset[int] = frozenset()


def find_suspects(state: WatchState, entries: Iterable[WatchEntry], read: Cluster) -> Suspects:
    """Return the watched guests and the nodes that seem to have failed, and the guests that seem restarted."""
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
    """Return whether a stopped guest without an open incident was started and halted between two polls."""
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
    """Return why a read must not be believed, None if it may be.

    Lost privileges hide guests: /cluster/resources filters by VM.Audit and answers 200 with the rest
    (Cluster.pm).
    `elapsed`: the present time on the clock `elapsed` (core/watch/incidents/model.py).
    """
    if not any(entry.vmid in state.known and entry.vmid not in read.vmids for entry in entries):
        return None
    if not read.guests:
        return NothingVisible()
    gone = state.known - read.vmids
    since = state.source.halved
    accepted = since is not None and elapsed - since >= ACCEPT_SECONDS
    if len(gone) >= 2 and 2 * len(gone) >= len(state.known) and not accepted:
        return HalfGone(len(gone), len(state.known))
    return None


class TaskEffect(StrEnum):
    """Effect of a Proxmox task on a guest's state."""

    STOP = "stop"
    WORK = "work"  # may stop the guest for a while
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
"""Effect by task type, as UPIDs name it (qemu-server, pve-container and pve-ha-manager: fork_worker)."""


@dataclass(frozen=True, slots=True)
class RecentTask:
    """A task and its effect. `seen`: when it was first listed, on `clock`."""

    effect: TaskEffect
    task: TaskSummary
    seen: float

    @property
    def is_work(self) -> bool:
        """Whether the task may stop the guest for a while and starts it again by itself."""
        return self.effect in (TaskEffect.WORK, TaskEffect.REBOOT)

    def ran_at(self, unix: int) -> bool:
        """Return whether the task was running at this Unix second, by its node's clock."""
        ended = self.task.ended
        return self.task.started <= unix and (ended is None or unix < ended)


STOP_EFFECTS = frozenset({TaskEffect.STOP, TaskEffect.REBOOT, TaskEffect.DESTROY})

WORK_LOCKS = frozenset(
    {
        *("backup", "snapshot", "snapshot-delete", "rollback", "migrate", "suspending"),
        *("clone", "create", "disk", "mounted", "fstrim"),
    }
)
"""Locks under which a guest may be stopped for a good reason (QemuServer.pm, LXC/Config.pm)."""
HIBERNATION_LOCK = "suspended"
"""The lock of a guest that was suspended to disk; it stays until the guest is started again."""
