"""Complete the cluster's task list from the nodes' own lists, if tasks may explain a stop.

Per node, the cluster's list has all running tasks, filled up to 25 with the finished ones that started last
(RESTEnvironment.pm: active_workers). When somebody stops forty guests at once, fifteen of these tasks are missing.
"""

import logging
from collections.abc import Iterable, Mapping

from core.clock import results_within
from core.errors import BotError
from core.guest import TaskSummary
from core.proxmox import Proxmox

LISTED_LEAST = 25
"""Minimum number of tasks that the cluster lists per node, if the node has had as many."""
NODES_MOST = 8
"""Maximum number of nodes asked in one poll."""
TIMEOUT_SECONDS = 6.0
"""Seconds that all nodes together may take."""
BEFORE_SECONDS = 300
"""Seconds to look back before a node's newest listed task, by the node's own clock."""

_log = logging.getLogger(__name__)


async def complete_task_list(
    proxmox: Proxmox,
    known: Mapping[str, float] | None,
    tasks: tuple[TaskSummary, ...],
    nodes: Iterable[str],
) -> tuple[TaskSummary, ...]:
    """Return the listed tasks and, for these nodes, the tasks that the list had no room for.

    `known`: its keys are the UPIDs of the earlier lists. None: there was none, and no node is asked. Does not raise.
    """
    asking = {
        node: _tasks_of(proxmox, node, since)
        for node, since in _truncated_nodes(known, tasks, nodes)[:NODES_MOST]
    }
    if not asking:
        return tasks
    read = await results_within(TIMEOUT_SECONDS, asking)
    found = {task.upid: task for rows in read.values() for task in rows} | {task.upid: task for task in tasks}
    return tuple(sorted(found.values(), key=lambda task: task.started, reverse=True))


def _truncated_nodes(
    known: Mapping[str, float] | None, tasks: tuple[TaskSummary, ...], nodes: Iterable[str]
) -> list[tuple[str, int]]:
    """Return the nodes that may miss tasks, each with the Unix second from which to ask it."""
    if known is None:
        return []
    found = []
    for node in sorted(set(nodes)):
        here = [task for task in tasks if task.node == node]
        if len(here) >= LISTED_LEAST and not _has_all_since(known, here):
            found.append((node, max(0, max(task.started for task in here) - BEFORE_SECONDS)))
    return found


def _has_all_since(known: Mapping[str, float], here: list[TaskSummary]) -> bool:
    """Return whether a node's listed tasks include all that started since an earlier list.

    They do if the finished one that started last is known: no other has started and ended since. They also do if one
    of them had ended before a known task started: a node drops the finished tasks that started first.
    A known task that ended later shows nothing, because it kept its place while it ran.
    """
    ended = [task for task in here if task.ended is not None]
    last = max((task.started for task in ended), default=0)
    if ended and all(task.upid in known for task in ended if task.started == last):
        return True
    latest = max((task.started for task in here if task.upid in known), default=0)
    return any(task.ended is not None and task.ended < latest for task in ended)


async def _tasks_of(proxmox: Proxmox, node: str, since: int) -> tuple[TaskSummary, ...]:
    try:
        return await proxmox.node_tasks(node, since)
    except (BotError, ValueError) as error:
        _log.info("the tasks of node %r could not be read: %s", node, error)
        return ()
