"""What the cluster's task list had no room for: asked of the nodes themselves, where it may explain a stop.

Of the finished tasks of a node it has 25, by their start. When somebody stops forty guests at once, fifteen of these
tasks are not in it.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from core.errors import BotError
from core.guest import TaskSummary
from core.proxmox import Proxmox

LISTED_LEAST = 25
"""So many tasks of a node are listed at least, if it has had as many."""
NODES_MOST = 8
TIMEOUT_SECONDS = 6.0
"""How long all nodes together may take."""
BEFORE_SECONDS = 300
"""How far before its newest task a node is asked about, by the node's own clock."""

_log = logging.getLogger(__name__)


async def complete_task_list(
    proxmox: Proxmox,
    known: Mapping[str, float] | None,
    tasks: tuple[TaskSummary, ...],
    nodes: Iterable[str],
) -> tuple[TaskSummary, ...]:
    """The tasks, and those that the list had no room for on these nodes. `known`: the UPIDs of the list before; while
    one of a node's is still listed, nothing that began since can be missing. Does not raise."""
    asking = {
        asyncio.ensure_future(_tasks_of(proxmox, node, since)): node
        for node, since in _truncated_nodes(known, tasks, nodes)[:NODES_MOST]
    }
    if not asking:
        return tasks
    try:
        done, late = await asyncio.wait(asking, timeout=TIMEOUT_SECONDS)
    except asyncio.CancelledError:
        for each in asking:
            each.cancel()
        raise
    for each in late:
        each.cancel()
    found = {task.upid: task for each in done for task in each.result()} | {task.upid: task for task in tasks}
    return tuple(sorted(found.values(), key=lambda task: task.started, reverse=True))


def _truncated_nodes(
    known: Mapping[str, float] | None, tasks: tuple[TaskSummary, ...], nodes: Iterable[str]
) -> list[tuple[str, int]]:
    """The nodes of which something may be missing, each with the start from which on it is asked."""
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
