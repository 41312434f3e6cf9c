"""Keep the last reports of the doctor, so that turning a page of one does not check everything again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from core.clock import Clock
from core.health.result import Result

HealthCheck = Callable[[Collection[str]], Awaitable[Sequence[Result]]]
"""Check the named sites, and the bot itself if all are named."""
KEPT_SECONDS = 600.0
REPORTS_MOST = 8


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one check. `at`: Unix time of its end; `until`: on the monotonic clock, when it is too old."""

    results: tuple[Result, ...]
    at: float
    until: float


class Reports:
    """Check, and keep the newest report of each selection of sites for ten minutes."""

    def __init__(self, check: HealthCheck, clock: Clock) -> None:
        self._check, self._clock = check, clock
        self._kept: dict[tuple[str, ...], Report] = {}

    async def read(self, sites: Sequence[str], *, again: bool) -> Report:
        """Return the report on these sites. `again`: check even if there is one."""
        key, now = tuple(sites), self._clock.monotonic()
        report = self._kept.pop(key, None)
        if again or report is None or report.until < now:
            results = tuple(await self._check(key))
            report = Report(results, self._clock.now(), self._clock.monotonic() + KEPT_SECONDS)
        self._kept[key] = report
        while len(self._kept) > REPORTS_MOST:
            del self._kept[next(iter(self._kept))]
        return report
