"""Ask the nodes for their failed backups.

Per node, the cluster's list has all running tasks, filled up to 25 with the finished ones that started last
(pve-common RESTEnvironment.pm: active_workers). A backup that runs for two hours is missing from it at its end if 25
tasks started after it. So each node is asked at intervals, and earlier if a running backup has disappeared from the
list.
"""

import logging
from collections.abc import Iterable

from core.clock import Clock, results_within
from core.errors import BotError
from core.guest import Cluster, TaskSummary
from core.proxmox import Proxmox
from core.watch.incidents.backups import node_of, starts_of
from core.watch.incidents.state import WatchState

EVERY_SECONDS = 300.0
"""Seconds between two requests to a node, doubled in a poll that may open an incident."""
NODES_MOST = 8
"""Maximum number of nodes asked in one poll: first those with a vanished backup, then those that waited longest."""
ASK_SECONDS = 6.0
"""Seconds that all nodes together may take."""
BACK_SECONDS = 86_400
"""Seconds to look back beyond a node's previous answer.

A task that ended since then may have started long ago, and the node's clock may be wrong.
"""

_log = logging.getLogger(__name__)


class BackupPoller:
    """Ask nodes for their failed backups when they are due."""

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._asked: dict[str, float] = {}
        """Monotonic time of the last request, by node."""

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
    return max(0, min([last, *(start for upid, start in starts_of(state.running) if node_of(upid) == node)]))


def _vanished(state: WatchState, tasks: Iterable[TaskSummary] | None) -> frozenset[str]:
    """Return the nodes whose backups were seen running and are no longer listed."""
    if tasks is None:
        return frozenset()
    listed = {task.upid for task in tasks}
    return frozenset(node_of(upid) for upid in state.running - listed)
