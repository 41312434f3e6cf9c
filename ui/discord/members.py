"""Find out who has left the guild. Discord shows a mention of such a person as a bare number."""

import asyncio
from collections.abc import Iterable

import discord

from core.clock import Clock
from ui.discord.failures import DISCORD_ERRORS

KNOWN_SECONDS = 600.0
"""Seconds before Discord is asked again about a person. Until it answers, its last answer is used."""
UNTOLD_SECONDS = 30.0
"""Seconds before Discord is asked again about a person, if it gave no answer."""
KNOWN_MOST, ASKED_MOST = 1000, 20
"""Maximum number of answers that are kept, and of people about whom Discord is asked for one message."""
WAIT_SECONDS = 1.0
"""Seconds to wait for Discord's answers. A later answer is used for the next message."""


class Members:
    """Remember for a while who is in the guild. A person about whom nothing is known counts as being in it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[int, tuple[float, bool]] = {}
        """By user id: the monotonic time from which on Discord is asked again, and whether the person has left."""
        self._asking: dict[int, asyncio.Task[None]] = {}

    async def gone(self, guild: discord.Guild | None, ids: Iterable[int]) -> frozenset[int]:
        """Return which of these people are no longer in the guild. Does not raise. 0 stands for nobody."""
        people = {number for number in ids if number}
        if guild is None:
            return frozenset()
        unknown = [each for each in people if guild.get_member(each) is None and not self._is_known(each)]
        for number in unknown[:ASKED_MOST]:
            if number not in self._asking:
                self._asking[number] = asyncio.create_task(self._ask(guild, number))
        asking = [self._asking[number] for number in unknown if number in self._asking]
        if asking:  # no request to Discord may be cancelled
            await asyncio.wait(asking, timeout=WAIT_SECONDS)
        return frozenset(
            each
            for each in people
            if guild.get_member(each) is None and self._known.get(each, (0.0, False))[1]
        )

    async def close(self) -> None:
        """Cancel the unfinished requests. Call this only when nothing is sent to Discord any more."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _is_known(self, number: int) -> bool:
        until, _ = self._known.get(number, (float("-inf"), False))
        return self._clock.monotonic() < until

    async def _ask(self, guild: discord.Guild, number: int) -> None:
        seconds = KNOWN_SECONDS
        try:
            await guild.fetch_member(number)
        except discord.NotFound:
            is_gone = True
        except DISCORD_ERRORS:
            seconds, is_gone = UNTOLD_SECONDS, self._known.get(number, (0.0, False))[1]
        else:
            is_gone = False
        finally:
            del self._asking[number]
        self._known.pop(number, None)
        self._known[number] = self._clock.monotonic() + seconds, is_gone
        if len(self._known) > KNOWN_MOST:
            del self._known[next(iter(self._known))]
