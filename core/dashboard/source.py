"""Provide the contents of all dashboards of a site, from reads that are made anyway.

Only the list of tasks is read in addition, once for all dashboards after a poll that did not read it itself.
"""

import logging
from typing import Protocol

from core.access.authorizer import Authorizer
from core.access.guest_index import GuestIndex
from core.clock import Clock
from core.cluster.cache import ClusterCache
from core.dashboard.contents import Contents, ReadPart, contents_of, contents_without_read, part_of
from core.dashboard.model import Extent
from core.errors import BotError
from core.guest import Cluster, TaskSummary
from core.proxmox import Proxmox
from core.proxmox_errors import ProxmoxError, TimedOut
from core.watch.incidents.state import WatchState

STALE_INTERVALS, STALE_LEAST_SECONDS = 3, 60.0
"""After this many intervals without a good read, and at least so many seconds, nothing counts as current any more."""

_log = logging.getLogger(__name__)


class WatchView(Protocol):
    """The part of the watch (core/watch/service.py) that the dashboards need."""

    read_error: BotError | None
    last_read: float | None
    tasks: tuple[TaskSummary, ...] | None

    @property
    def state(self) -> WatchState: ...


class ContentsSource:
    """Provide the contents of one site's dashboards. `interval`: seconds between two polls."""

    def __init__(
        self,
        watch: WatchView,
        cluster_cache: ClusterCache,
        proxmox: Proxmox,
        authorizer: Authorizer,
        clock: Clock,
        interval: float,
    ) -> None:
        self._watch, self._cluster_cache, self._proxmox = watch, cluster_cache, proxmox
        self._authorizer, self._clock, self._interval = authorizer, clock, interval
        self._tasks: tuple[TaskSummary, ...] | None = None
        self._parts_of: Cluster | None = None
        self._parts: dict[Extent, ReadPart] = {}
        self._polled = False  # whether there was a poll since the tasks were taken or read

    def on_poll(self) -> None:
        """Note that the watch has polled."""
        self._polled = True

    async def prepare(self) -> None:
        """Take the tasks of the last poll. If it was good but did not read them, read them now. Does not raise."""
        if not self._polled:
            return
        self._polled = False
        tasks = self._watch.tasks
        if tasks is None and self._watch.read_error is None:
            try:
                tasks = await self._proxmox.cluster_tasks()
            except ProxmoxError as error:
                _log.info("the tasks could not be read for the dashboards: %s", error)
            except Exception:  # noqa: BLE001 - a bug here must not leave the dashboards without the rest
                _log.exception("the tasks could not be read for the dashboards")
        self._tasks = tasks or None  # a token without Sys.Audit sees none, and a real cluster always has some

    def contents(self, extent: Extent) -> Contents | None:
        """Return the present contents of an extent. None: nothing was read in this run, and no read has failed."""
        watch, last, now = self._watch, self._cluster_cache.last, self._clock.now()
        incidents, rules = watch.state.open.values(), self._authorizer.rules
        if last is None and watch.read_error is None:
            return None
        age = self._clock.monotonic() - last.read_at if last else 0.0
        fault = watch.read_error
        if fault is None and age > max(STALE_INTERVALS * self._interval, STALE_LEAST_SECONDS):
            fault = TimedOut("", changing=False)
        index = self._authorizer.guest_index(last) if last else None
        if fault is None and index is not None:
            return contents_of(extent, self._part(extent, index), incidents, self._tasks, now - age)
        return contents_without_read(
            extent, rules, index, incidents, fault or TimedOut("", changing=False), self._since(now - age)
        )

    def _part(self, extent: Extent, guest_index: GuestIndex) -> ReadPart:
        """Return the part of the last read within an extent. The parts of earlier reads are forgotten."""
        if self._parts_of is not guest_index.cluster:
            self._parts_of, self._parts = guest_index.cluster, {}
        if extent not in self._parts:
            self._parts[extent] = part_of(extent, self._authorizer.rules, guest_index)
        return self._parts[extent]

    def _since(self, read: float) -> float | None:
        """Return `Contents.since`. `read`: Unix seconds of the read in the cache, if there is one."""
        if self._watch.last_read is not None:
            return self._watch.last_read
        source = self._watch.state.source
        return source.opened if self._cluster_cache.last is None else read
