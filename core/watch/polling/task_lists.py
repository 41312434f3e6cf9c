"""Complete the cluster's task list from the nodes' own lists, if tasks may explain a stop.

The cluster's list holds 25 finished tasks per node, by start time. When somebody stops forty guests at once,
fifteen of these tasks are missing.
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

    `known`: UPIDs of the earlier lists, None if there was none. If a listed finished task of a node is known, no
    newer task of the node can be missing. Does not raise.
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
        if len(here) >= LISTED_LEAST and not any(
            task.upid in known for task in here if task.status is not None
        ):
            found.append((node, max(0, max(task.started for task in here) - BEFORE_SECONDS)))
    return found


async def _tasks_of(proxmox: Proxmox, node: str, since: int) -> tuple[TaskSummary, ...]:
    try:
        return await proxmox.node_tasks(node, since)
    except (BotError, ValueError) as error:
        _log.info("the tasks of node %r could not be read: %s", node, error)
        return ()
