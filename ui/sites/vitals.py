"""Collect the signs of life of the bot from its sites."""

import math
from collections.abc import Iterable, Mapping

from core.errors import JournalFailed
from core.watch.liveness import Vitals
from ui.interaction.services import Services, Site


async def read_vitals(services: Services, sites: Iterable[Site]) -> Vitals:
    """Return the signs of life of these sites. A journal that cannot be read counts as one that delivers nothing."""
    sites = tuple(sites)
    waiting = dict[str, float]()
    for site in sites:
        try:
            oldest = (await site.journal.backlog()).oldest
        except JournalFailed:
            oldest = -math.inf
        if oldest is not None:
            waiting[site.name] = max(0.0, services.clock.now() - oldest)
    return vitals_at_hand(services, sites, waiting)


def vitals_at_hand(services: Services, sites: Iterable[Site], waiting: Mapping[str, float]) -> Vitals:
    """Return the signs of life without reading anything. `waiting`: as in `Vitals`, read before."""
    return Vitals(
        services.poll_seconds,
        {site.name: site.watch.read_age for site in sites},
        services.gateway_age() if services.connected() else None,
        waiting,
    )
