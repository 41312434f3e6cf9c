"""Report failed backups from the cluster's task list and from each node's own list.

core/watch/polling/backup_poller.py reads the nodes' lists.
"""

from collections.abc import Iterable, Mapping

from core.guest import TaskSummary
from core.tasks import TaskEnd, end_of
from core.validation import Upid
from core.watch.incidents.model import BackupFact, Severity, Topic
from core.watch.incidents.observation import RECENT_SECONDS
from core.watch.incidents.transition import Transition

FAILED_MOST, RUNNING_MOST, LATELY_MOST = 1000, 500, 2000
"""Maximum number of UPIDs of failed backups, of running backups and of lately listed tasks; the newest are kept.

The tasks of the latest list, and of nodes that it does not name, are remembered besides.
"""
BACKUPS = "backups"
"""Subject of an incident about failed backups."""


def starts_of(upids: Iterable[str]) -> list[tuple[str, int]]:
    """Return each UPID with its start in Unix seconds, oldest first."""
    parsed = ((upid, Upid.parse(upid)) for upid in upids)
    return sorted(
        ((upid, parts.started if parts else 0) for upid, parts in parsed), key=lambda pair: (pair[1], pair[0])
    )


def node_of(upid: str) -> str:
    """Return the node in a UPID, "" if the UPID is malformed."""
    parsed = Upid.parse(upid)
    return parsed.node if parsed else ""


def _newest(upids: Iterable[str], most: int) -> frozenset[str]:
    kept = frozenset(upids)
    return kept if len(kept) <= most else frozenset(upid for upid, _ in starts_of(kept)[-most:])


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
    """Note when each task of the cluster's list was first seen, and return the list's new failed backups."""
    first, before = transition.tasks is None, transition.tasks or {}
    listed_nodes = {task.node for task in tasks}
    # the tasks of an offline node are not listed, and are not new when it returns
    unlisted = {upid: at for upid, at in before.items() if node_of(upid) not in listed_nodes}
    now = -1e9 if first else transition.clock  # tasks of the first list count as old
    # tasks read from a node's own list may be missing from this list and appear again in a later one
    recent = {upid: at for upid, at in before.items() if transition.clock - at <= 2 * RECENT_SECONDS}
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
    running = frozenset(upid for upid in running if upid in now or node_of(upid) not in lists)
    return _newest(running | (now - over), RUNNING_MOST)


def _failed_of(tasks: Iterable[TaskSummary]) -> list[TaskSummary]:
    return [
        task
        for task in tasks
        if task.type == "vzdump" and task.status is not None and end_of(task.status) is TaskEnd.ERROR
    ]


def _fact(transition: Transition, task: TaskSummary) -> BackupFact:
    vmid = int(task.id) if task.id.isascii() and task.id.isdecimal() else None
    guest = transition.observation.cluster.find(vmid) if transition.observation.cluster and vmid else None
    return BackupFact(task.node, vmid, task.user, task.status or "", guest.name if guest else None, task.upid)
