"""Test the heartbeat of several sites: all that count have to be well, and at least one has to count."""

from __future__ import annotations

import asyncio

from tests.support.walked import walked
from ui.watch.reports import Pulse


class Beats:
    """Count the heartbeats."""

    def __init__(self) -> None:
        self.error: str | None = None
        self.last_beat: float | None = None
        self.is_enabled = True
        self.count = 0

    async def beat(self) -> bool:
        self.count += 1
        return True


async def beaten(counting: set[str], polls: str) -> int:
    """Return the number of heartbeats after these polls: a letter is a site, and a capital one its bad poll."""
    beats = Beats()
    pulse = Pulse(beats, counting)
    for letter in polls:
        pulse.note(letter.lower(), well=letter.islower())
        await asyncio.sleep(0)
    return beats.count


@walked(
    ("counting", "polls", "count"),
    [
        ("a", "aaa", 3),
        ("ab", "ababab", 3),
        ("ab", "aaaa", 0),  # b hangs
        ("ab", "abaBaBab", 2),
        ("ab", "abaaaBb", 2),
        ("ab", "abAbba", 2),
        ("a", "abBaB", 2),  # b is ignored
        ("", "ababab", 0),  # all are ignored: the bot must not seem to be well for ever
    ],
)
async def test_a_heartbeat_needs_a_good_poll_of_every_site_that_counts(
    counting: str, polls: str, count: int
) -> None:
    assert await beaten(set(counting), polls) == count
