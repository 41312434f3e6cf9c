"""Acknowledge interactions in time. Those that arrive late or with many others are acknowledged before the work.

Discord waits 3 s for the first answer and accepts none after that.

The id of an interaction contains its creation time by Discord's clock. The offset to our clock is unknown, so the
quickest arrival of the last minutes counts as punctual. This guess may be wrong, so it alone drops no command. A late
command is acknowledged before anything else is done, and is dropped only if Discord refuses the acknowledgement.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import discord
from discord.utils import DISCORD_EPOCH

from ui.discord.failures import DISCORD_ERRORS

GIVEN_UP = "given up"
"""Key in the extras of an interaction whose answer Discord no longer accepts, and message of the cancelled task."""
_DEAD = (10062, 10015)
"""Discord's error codes for an unknown interaction and an unknown token."""
LATE_SECONDS = 2.5
"""Seconds that an interaction must take longer than the quickest remembered one to count as late."""
REMEMBERED_SECONDS, REMEMBERED_MOST = 600.0, 200
"""Seconds for which an arrival is remembered, and maximum number of remembered arrivals."""
CROWD = 4
"""Number of awaited answers from which on all are acknowledged at once."""
CROWD_SECONDS = 0.05
"""Maximum seconds that the work on the newest of them waits for its acknowledgement."""


class Arrivals:
    """Remember how long recent interactions took to arrive, to detect late ones."""

    def __init__(self) -> None:
        self._delays: deque[tuple[float, float]] = deque(maxlen=REMEMBERED_MOST)
        self._apart: float | None = None
        """Seconds from the monotonic to the wall clock at the last arrival."""

    def late(self, interaction_id: int, now: float | None = None) -> bool:
        """Note an arrival, and return whether it is late.

        `now`: monotonic seconds. If it is None, the clocks are read, and all earlier arrivals are forgotten if the
        monotonic and the wall clock have moved apart: the former stands still while the machine is suspended.
        """
        if now is None:
            now, before = time.monotonic(), self._apart
            self._apart = time.time() - now
            if before is not None and abs(self._apart - before) > 1.0:
                self.forget()
        delay = now - ((interaction_id >> 22) + DISCORD_EPOCH) / 1000
        while self._delays and now - self._delays[0][0] > REMEMBERED_SECONDS:
            self._delays.popleft()
        self._delays.append((now, delay))
        return delay - min(each for _, each in self._delays) > LATE_SECONDS

    def forget(self) -> None:
        """Forget all arrivals, because Discord's clock and the machine's have moved against each other.

        They have moved, for example, if Discord still accepts an answer to an interaction that seemed late.
        """
        self._delays.clear()


async def acknowledge_first(
    acknowledge: Callable[[], Awaitable[None]], interaction: discord.Interaction[Any], arrivals: Arrivals
) -> None:
    """Acknowledge an interaction that seems late, before the work.

    If Discord no longer accepts an answer, mark the interaction as GIVEN_UP. If it does, forget the arrivals.
    """
    try:
        await acknowledge()
    except DISCORD_ERRORS as error:
        if _is_dead(error):
            interaction.extras[GIVEN_UP] = True
    else:
        arrivals.forget()


class Awaited(Protocol):
    """An answer that a person may still wait for."""

    @property
    def awaited(self) -> bool:
        """Whether the person sees no answer yet, or only that the bot is thinking."""

    def hurry(self) -> None:
        """Acknowledge now."""


async def acknowledge_crowd(replies: Iterable[Awaited], own: asyncio.Task[None]) -> None:
    """If CROWD or more of the replies are awaited, acknowledge all of them now, and wait briefly for the newest.

    `own`: the task that acknowledges the newest.
    """
    crowd = [reply for reply in replies if reply.awaited]
    if len(crowd) >= CROWD:
        for reply in crowd:
            reply.hurry()
        await asyncio.wait({own}, timeout=CROWD_SECONDS)


def give_up(interaction: discord.Interaction[Any], error: Exception, task: asyncio.Task[Any] | None) -> None:
    """Give the interaction up if the error says that Discord no longer accepts an answer.

    `task`: works on the answer, and is cancelled, so that nothing further is requested from Proxmox. None: the work
    has not begun, and never begins.
    """
    if _is_dead(error):
        interaction.extras[GIVEN_UP] = True
        if task is not None:
            task.cancel(GIVEN_UP)


def _is_dead(error: Exception) -> bool:
    return isinstance(error, discord.HTTPException) and error.code in _DEAD
