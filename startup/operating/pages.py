"""Make the two pages: /healthz says whether the bot does its work, /metrics has the figures."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable

from core.errors import JournalFailed
from core.watch.journal import Backlog
from core.watch.liveness import find_ailments
from startup.operating.metrics import Figures, Metrics, SiteFigures
from ui.interaction.services import Services, Site
from ui.sites.vitals import read_vitals

FRESH_SECONDS = 2.0
"""Seconds for which a page is shown to everybody who asks."""
Page = tuple[int, str, bytes]
"""Status, content type and body."""
TEXT, JSON = "text/plain; version=0.0.4; charset=utf-8", "application/json"


class Pages:
    """Make each page once for all who ask within `FRESH_SECONDS`.

    `latency`: returns that of Discord's gateway, in seconds.
    """

    def __init__(self, services: Services, metrics: Metrics, latency: Callable[[], float]) -> None:
        self._services, self._metrics, self._latency = services, metrics, latency
        self._turn = asyncio.Lock()
        self._made: tuple[float, dict[str, Page]] | None = None

    async def get(self, path: str) -> Page:
        """Return the page at `path`, or a 404 if there is none."""
        async with self._turn:
            now = self._services.clock.monotonic()
            if self._made is None or not 0 <= now - self._made[0] < FRESH_SECONDS:
                self._made = (now, await self._make())
        return self._made[1].get(path, (404, TEXT, b"/healthz or /metrics\n"))

    async def _make(self) -> dict[str, Page]:
        vitals = await read_vitals(self._services, self._services.sites)
        ailments = find_ailments(vitals)
        latency = self._latency()
        figures = Figures(
            not ailments,
            latency if math.isfinite(latency) and vitals.gateway_age is not None else None,
            vitals.gateway_age,
            {
                site.name: await _figures(site, vitals.waiting.get(site.name, 0.0))
                for site in self._services.sites
            },
        )
        health = json.dumps({"healthy": not ailments, "ailments": ailments}).encode() + b"\n"
        return {
            "/healthz": (503 if ailments else 200, JSON, health),
            "/metrics": (200, TEXT, self._metrics.page(figures)),
        }


async def _figures(site: Site, oldest: float) -> SiteFigures:
    try:
        backlog = await site.journal.backlog()
    except JournalFailed:
        backlog = Backlog()
    return SiteFigures(
        site.watch.read_age,
        len(site.watch.entries),
        len(site.watch.state.open),
        backlog.waiting,
        oldest,
        backlog.given_up,
        site.authorizer.read_only.refusal is not None,
    )
