"""Keep the last reports of the health check, so that turning a page does not check everything again.

A check makes many requests, with clients of its own. Only one check of the same sites runs at a time, and its report
is used for a while: everybody who asks meanwhile gets it, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from core.clock import Clock
from core.health.result import Result

HealthCheck = Callable[[Collection[str]], Awaitable[Sequence[Result]]]
"""Checks the named sites, and the bot itself if all are named."""
KEPT_SECONDS = 600.0
"""Seconds for which a report is used again when somebody turns its pages. They show its age."""
FRESH_SECONDS = 10.0
"""Seconds for which a report is shown again to people who ask for a new check."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The results of one check. `at`: Unix time of its end; `ended`: the same on the monotonic clock."""

    results: tuple[Result, ...]
    at: float
    ended: float


class CheckReports:
    """Check, and keep the newest report of each selection of sites for ten minutes.

    `sites`: the number of sites. There is room for reports of each of them, of all, and of as many other selections.
    """

    def __init__(self, check: HealthCheck, clock: Clock, sites: int) -> None:
        self._check, self._clock, self._most = check, clock, 2 * (sites + 1)
        self._kept: dict[tuple[str, ...], CheckReport] = {}
        self._running: dict[tuple[str, ...], asyncio.Task[CheckReport]] = {}

    async def read(self, sites: Sequence[str], *, again: bool) -> CheckReport:
        """Return the report on these sites.

        `again`: check again, unless the report is at most FRESH_SECONDS seconds old.
        Raises: the error of the check.
        """
        key, now = tuple(sites), self._clock.monotonic()
        report = self._kept.get(key)
        if report is None or now - report.ended > (FRESH_SECONDS if again else KEPT_SECONDS):
            if key not in self._running:
                self._running[key] = asyncio.create_task(self._made(key))
                self._running[key].add_done_callback(_take_error)
            return await asyncio.shield(self._running[key])
        return report

    async def _made(self, key: tuple[str, ...]) -> CheckReport:
        try:
            results = tuple(await self._check(key))
        finally:
            del self._running[key]
        report = CheckReport(results, self._clock.now(), self._clock.monotonic())
        self._kept.pop(key, None)
        self._kept[key] = report
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
        return report


def _take_error(task: asyncio.Task[CheckReport]) -> None:
    """Take the error of a check for which nobody waits any more. Otherwise asyncio would log it."""
    if not task.cancelled():
        task.exception()
