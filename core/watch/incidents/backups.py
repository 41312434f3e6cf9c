"""Find failed backups, both in the cluster's task list and in each node's own list.

The cluster's list holds only 25 finished tasks per node, by start time (pve-common RESTEnvironment.pm:
active_workers). A backup that runs for two hours is missing from it at its end if 25 tasks started after it. So
each node is asked for its failed backups at intervals, and at once when a running backup disappears from the
list.
"""

import logging
from collections.abc import Iterable, Mapping

from core.clock import Clock, results_within
from core.errors import BotError
from core.guest import Cluster, TaskSummary
from core.proxmox import Proxmox
from core.tasks import TaskEnd, end_of
from core.validation import Upid
from core.watch.incidents.model import BackupFact, Severity, Topic
from core.watch.incidents.observation import RECENT_SECONDS
from core.watch.incidents.state import WatchState
from core.watch.incidents.transition import Transition

EVERY_SECONDS = 300.0
"""Seconds between two requests to a node, doubled in a poll that may open an incident."""
NODES_MOST = 8
"""Maximum number of nodes asked in one poll: first those with a vanished backup, then those that waited longest."""
ASK_SECONDS = 6.0
"""Seconds that all nodes together may take."""
BACK_SECONDS = 86_400
"""Seconds to look back beyond the previous request to a node.

A task that ended since then may have started long ago, and the node's clock may be wrong.
"""
FAILED_MOST, RUNNING_MOST, LATELY_MOST = 1000, 500, 2000
"""Maximum number of UPIDs of failed, running and lately listed tasks that are remembered; the newest are kept."""
BACKUPS = "backups"
"""Subject of an incident about failed backups."""

_log = logging.getLogger(__name__)


class BackupPoller:
    """Ask nodes for their failed backups when they are due."""

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._asked: dict[str, float] = {}

    async def ask(
        self,
        state: WatchState,
        cluster: Cluster,
        tasks: Iterable[TaskSummary] | None,
        *,
        busy: bool = False,
    ) -> dict[str, tuple[TaskSummary, ...]]:
        """Return the failed backups by node, for the nodes that answered. Does not raise.

        `tasks`: the cluster's task list if it has just been read.
        `busy`: this poll may open an incident, which must not wait long for these requests.
        """
        chosen = self._due(cluster, frozenset() if busy else _vanished(state, tasks), busy)
        unix = self._clock.now()
        read = await results_within(
            ASK_SECONDS, {node: self._failed(node, query_start(state, node, unix)) for node in chosen}
        )
        return {node: rows for node, rows in read.items() if rows is not None}

    def _due(self, cluster: Cluster, vanished: frozenset[str], busy: bool) -> list[str]:
        now, every = self._clock.monotonic(), EVERY_SECONDS * (2 if busy else 1)
        online = [node.name for node in cluster.nodes if node.online]
        self._asked = {name: at for name, at in self._asked.items() if name in online}
        due = [
            name for name in online if name in vanished or now - self._asked.get(name, now - every) >= every
        ]
        chosen = sorted(due, key=lambda name: (name not in vanished, self._asked.get(name, 0.0), name))[
            :NODES_MOST
        ]
        self._asked |= dict.fromkeys(chosen, now)
        return chosen

    async def _failed(self, node: str, since: int) -> tuple[TaskSummary, ...] | None:
        try:
            return await self._proxmox.failed_backups(node, since)
        except (BotError, ValueError) as error:  # ValueError: the list contains an invalid node name
            _log.info("the failed backups of node %r could not be read: %s", node, error)
            return None


def query_start(state: WatchState, node: str, unix: float) -> int:
    """Return the earliest task start, in Unix seconds, to ask a node about."""
    last = int(min(state.asked.get(node, unix), unix)) - BACK_SECONDS
    return max(0, min([last, *(start for upid, start in _starts(state.running) if _node_of(upid) == node)]))


def _vanished(state: WatchState, tasks: Iterable[TaskSummary] | None) -> frozenset[str]:
    """Return the nodes whose backups were seen running and are no longer listed."""
    if tasks is None:
        return frozenset()
    listed = {task.upid for task in tasks}
    return frozenset(_node_of(upid) for upid in state.running - listed)


def _starts(upids: Iterable[str]) -> list[tuple[str, int]]:
    """Return each UPID with its start in Unix seconds, oldest first."""
    parsed = ((upid, Upid.parse(upid)) for upid in upids)
    return sorted(
        ((upid, parts.started if parts else 0) for upid, parts in parsed), key=lambda pair: (pair[1], pair[0])
    )


def _newest(upids: Iterable[str], most: int) -> frozenset[str]:
    kept = frozenset(upids)
    return kept if len(kept) <= most else frozenset(upid for upid, _ in _starts(kept)[-most:])


# -- in a step


def note_backups(transition: Transition) -> None:
    """Report newly found failures of backups.

    Failures in the first read of a list count as old, unless the backup was seen running.
    """
    tasks, lists = transition.observation.tasks, transition.observation.backups
    new = _new_in_list(transition, tasks) if tasks is not None else {}
    for node, rows in lists.items():
        seen = node in transition.asked
        for task in _failed_of(rows):
            if task.upid not in transition.failed and (seen or task.upid in transition.running):
                new[task.upid] = task
        transition.asked[node] = transition.now.unix
    if transition.observation.cluster and transition.observation.cluster.nodes:
        listed = {node.name for node in transition.observation.cluster.nodes}
        transition.asked = {node: unix for node, unix in transition.asked.items() if node in listed}
    found = {task.upid for rows in lists.values() for task in _failed_of(rows)}
    found |= {task.upid for task in _failed_of(tasks or ())}
    transition.running = _running(transition, tasks, lists)
    if found - transition.failed:
        transition.failed = _newest(transition.failed | found, FAILED_MOST)
    if new:
        facts = tuple(_fact(transition, task) for task in sorted(new.values(), key=lambda task: task.started))
        transition.open_incident(Topic.BACKUP, BACKUPS, Severity.WARNING, backups=facts)


def _new_in_list(transition: Transition, tasks: tuple[TaskSummary, ...]) -> dict[str, TaskSummary]:
    """Note when each task of the cluster's list was first seen, and return its new failed backups."""
    first, before = transition.tasks is None, transition.tasks or {}
    listed_nodes = {task.node for task in tasks}
    unlisted = {upid: at for upid, at in before.items() if _node_of(upid) not in listed_nodes}
    now = -1e9 if first else transition.clock
    # a node's own tasks are missing from the next cluster list, and may be read again later
    recent = {upid: at for upid, at in before.items() if transition.clock - at <= 2 * RECENT_SECONDS}
    # the tasks of an offline node are not listed, and are not new when it returns
    listed = {task.upid: before.get(task.upid, now) for task in tasks}
    transition.tasks = unlisted | dict(list(recent.items())[-LATELY_MOST:]) | listed
    return (
        {} if first else {task.upid: task for task in _failed_of(tasks) if task.upid not in transition.failed}
    )


def _running(
    transition: Transition,
    tasks: tuple[TaskSummary, ...] | None,
    lists: Mapping[str, tuple[TaskSummary, ...]],
) -> frozenset[str]:
    """Return the backups that were seen running and whose end is not known yet."""
    running = transition.running - {task.upid for rows in lists.values() for task in rows}
    if tasks is None:
        return running
    running -= {task.upid for task in tasks if task.status is not None}
    now = {task.upid for task in tasks if task.type == "vzdump" and task.status is None}
    over = {task.upid for rows in lists.values() for task in rows}
    running = frozenset(upid for upid in running if upid in now or _node_of(upid) not in lists)
    return _newest(running | (now - over), RUNNING_MOST)


def _failed_of(tasks: Iterable[TaskSummary]) -> list[TaskSummary]:
    return [
        task
        for task in tasks
        if task.type == "vzdump" and task.status is not None and end_of(task.status) is TaskEnd.ERROR
    ]


def _node_of(upid: str) -> str:
    parsed = Upid.parse(upid)
    return parsed.node if parsed else ""


def _fact(transition: Transition, task: TaskSummary) -> BackupFact:
    vmid = int(task.id) if task.id.isascii() and task.id.isdecimal() else None
    guest = transition.observation.cluster.find(vmid) if transition.observation.cluster and vmid else None
    return BackupFact(task.node, vmid, task.user, task.status or "", guest.name if guest else None, task.upid)
