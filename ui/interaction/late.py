"""Interactions that arrive late: Discord waits 3 s for the first answer, and then takes none.

An interaction's id says when it was made, by Discord's clock. How far our clock is from it is not known, so that the
quickest arrival of the last minutes is taken for punctual. That may be wrong, so that no command is dropped for it
alone: a late one is acknowledged before anything else is done, and dropped where Discord refuses that.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord.utils import DISCORD_EPOCH

from ui.discord.failures import DISCORD_ERRORS

GIVEN_UP = "given up"
"""Under this word an interaction's extras say that nobody awaits its answer any more."""
_DEAD = (10062, 10015)
"""Discord's error codes for an interaction, and a token, that it no longer knows."""
LATE_SECONDS = 2.5
REMEMBERED_SECONDS = 600.0
REMEMBERED_MOST = 200


class Arrivals:
    """How long interactions took to arrive, as far as that can be compared."""

    def __init__(self) -> None:
        self._delays: deque[tuple[float, float]] = deque(maxlen=REMEMBERED_MOST)
        self._apart: float | None = None

    def late(self, interaction_id: int, now: float | None = None) -> bool:
        """Note an arrival. `now`: seconds on the monotonic clock, which stands still while a machine is suspended:
        then all that was noted is forgotten."""
        if now is None:
            now, before = time.monotonic(), self._apart
            self._apart = time.time() - now
            if before is not None and abs(self._apart - before) > 1.0:
                self.begin_anew()
        delay = now - ((interaction_id >> 22) + DISCORD_EPOCH) / 1000
        while self._delays and now - self._delays[0][0] > REMEMBERED_SECONDS:
            self._delays.popleft()
        self._delays.append((now, delay))
        return delay - min(each for _, each in self._delays) > LATE_SECONDS

    def begin_anew(self) -> None:
        """A late one was in time after all: the clocks have moved against each other."""
        self._delays.clear()


async def acknowledge_first(
    acknowledge: Callable[[], Awaitable[None]], interaction: discord.Interaction[Any], arrivals: Arrivals
) -> None:
    """It arrived late: before anything is asked of Proxmox, see whether Discord still takes an answer."""
    try:
        await acknowledge()
    except DISCORD_ERRORS as error:
        if _is_dead(error):
            interaction.extras[GIVEN_UP] = True
    else:
        arrivals.begin_anew()


def give_up(interaction: discord.Interaction[Any], error: Exception, task: asyncio.Task[Any]) -> None:
    """Where the error says that nobody awaits the answer: what has not been asked of Proxmox by now is not."""
    if _is_dead(error):
        interaction.extras[GIVEN_UP] = True
        task.cancel(GIVEN_UP)


def _is_dead(error: Exception) -> bool:
    return isinstance(error, discord.HTTPException) and error.code in _DEAD
