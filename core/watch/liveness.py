"""Judge whether the bot does its work: it reads Proxmox, Discord hears it, and its messages arrive."""

from collections.abc import Mapping
from dataclasses import dataclass

READ_INTERVALS = 3
"""Number of the watch's intervals within which each site must have been read."""
GATEWAY_SECONDS = 90.0
"""Seconds within which Discord must have acknowledged a heartbeat. The bot sends one about every 41 s."""
UNDELIVERED_SECONDS = 900.0
"""Seconds that a message may wait for its delivery."""

READ, GATEWAY, DELIVERY = "read", "gateway", "delivery"


@dataclass(frozen=True, slots=True)
class Vitals:
    """Signs of life, all in seconds.

    `interval`: between two polls of the watch.
    `read_ages`: since the last good read of each site; since the start if there was none.
    `gateway_age`: since Discord acknowledged a heartbeat, None if the bot is not connected.
    `waiting`: since the oldest undelivered message of each site was made. Sites without such a message are left out.
    """

    interval: float
    read_ages: Mapping[str, float]
    gateway_age: float | None
    waiting: Mapping[str, float]


def find_ailments(vitals: Vitals) -> tuple[str, ...]:
    """Return the faults as words such as `gateway` and `read:home`. Empty means healthy."""
    late = [(READ, site) for site, age in vitals.read_ages.items() if age >= READ_INTERVALS * vitals.interval]
    stuck = [(DELIVERY, site) for site, age in vitals.waiting.items() if age >= UNDELIVERED_SECONDS]
    deaf = vitals.gateway_age is None or vitals.gateway_age >= GATEWAY_SECONDS
    sites = [f"{word}:{site}" if site else word for word, site in late + stuck]
    return (*sites, GATEWAY) if deaf else tuple(sites)
