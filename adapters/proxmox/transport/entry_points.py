"""Choose the address of the cluster for each call, and remember which ones work.

Only the event loop changes these objects, so they need no lock. A single address is never checked.
"""

import logging
import time
from collections.abc import Collection

from adapters.proxmox.transport.connections import ConnectionPool, Endpoint
from core.entry_point import EntryPoint
from core.errors import BotError

_log = logging.getLogger(__name__)

LOST_CHECK_SECONDS = 30.0
"""Minimum seconds between two checks of an entry point that does not work. Checks begin when a call ends."""
SPARE_CHECK_SECONDS = 600.0
"""Minimum seconds between two checks of an entry point that is not in use.

The checks show an untrusted certificate before the entry point is needed.
"""


class TrackedEntryPoint:
    """One entry point with its connections, and what is known of it."""

    def __init__(self, endpoint: Endpoint, entry_point: EntryPoint, label: str) -> None:
        self.entry_point, self.connections = entry_point, ConnectionPool(endpoint, entry_point)
        self.label = label
        """How errors and the log name it."""
        self.doubted = False
        """A call or a check failed here, and nothing has been answered since. The others are used first."""
        self.lost = False
        """A check failed here, and the log says so. An answer ends this."""
        self.check_at = 0.0
        """Monotonic time at which it is to be checked next."""


class EntryPoints:
    """All addresses of one cluster. The one in use stays in use until a call fails there."""

    def __init__(self, endpoint: Endpoint) -> None:
        if not endpoint.entry_points:
            raise ValueError("a cluster needs an address")
        hosts = [each.host for each in endpoint.entry_points]
        self._points = tuple(
            TrackedEntryPoint(endpoint, each, each.host if hosts.count(each.host) == 1 else _with_port(each))
            for each in endpoint.entry_points
        )
        self.current = self._points[0]
        self.checking = False
        """Whether an entry point is being checked: never more than one at a time."""

    @property
    def several(self) -> bool:
        return len(self._points) > 1

    @property
    def closed(self) -> bool:
        return self.current.connections.closed

    def close(self) -> None:
        """Cut all connections and make no more."""
        for point in self._points:
            point.connections.close()

    def choose(self, tried: Collection[TrackedEntryPoint] = ()) -> TrackedEntryPoint | None:
        """Return the best entry point that was not tried yet, None if all were.

        Doubted ones come last: if nothing else works, they are tried all the same.
        """
        left = [point for point in self._points if point not in tried]
        return min(left, key=lambda point: (point.doubted, point is not self.current), default=None)

    def on_answer(self, point: TrackedEntryPoint) -> None:
        """Use an entry point that answered, unless another one is in use and works."""
        point.doubted = False
        if self.current.doubted:
            self.current = point
        if point.lost:
            point.lost = False
            _log.info("the entry point %s works again", point.label)

    def on_fault(self, point: TrackedEntryPoint) -> None:
        """Use the others first from now on. Have this one checked next, unless it was doubted already."""
        if not point.doubted:
            point.doubted, point.check_at = True, 0.0
        if self.current is point:
            self.current = self.choose({point}) or point

    def start_check(self) -> TrackedEntryPoint | None:
        """Return the entry point to check now, and note that a check runs.

        Return None if no check is due, or one runs already.
        """
        if not self.several or self.checking or self.closed:
            return None
        now = time.monotonic()
        for point in self._points:
            if point.check_at <= now and (point.doubted or point is not self.current):
                self.checking = True
                return point
        return None

    def on_checked(self, point: TrackedEntryPoint, error: BotError | None) -> None:
        """Note the result of a check. `error` None: it answered."""
        if error is None:
            self.on_answer(point)
        else:
            self.on_fault(point)
            if not (point.lost or self.closed):
                point.lost = True
                _log.warning("the entry point %s is lost: %s", point.label, error)
        point.check_at = time.monotonic() + (LOST_CHECK_SECONDS if error else SPARE_CHECK_SECONDS)


def _with_port(entry_point: EntryPoint) -> str:
    host = f"[{entry_point.host}]" if ":" in entry_point.host else entry_point.host
    return f"{host}:{entry_point.port}"
