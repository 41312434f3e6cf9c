"""Act as many people in the playground's Discord, and note the time at which each of them reads an answer."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from playground.discord.limits import walk
from playground.discord.people import Person
from playground.discord.rest import Call
from playground.discord.server import DiscordServer
from playground.discord.world import Press
from tests.support.home_guild import HomeGuild

T = TypeVar("T")
PEOPLE = 200
"""Number of people of each kind who take turns. The bot limits how quickly one of them may ask."""
LONGEST = 60.0
"""Seconds that a person waits for an answer. The only purpose is to end a hang."""
_TEXT = 10


@dataclass
class Answer:
    """The texts that a person has read so far after one press. All other times are seconds since `opened`."""

    person: int
    """The user id."""
    opened: float = field(default_factory=time.monotonic)
    """When the press was sent, in seconds of time.monotonic()."""
    acknowledged: float | None = None
    texts: list[tuple[float, str]] = field(default_factory=list)
    """Each text of the answer, with the time of its arrival."""

    def note(self, text: str) -> None:
        after = time.monotonic() - self.opened
        self.acknowledged = self.acknowledged if self.acknowledged is not None else after
        if text:
            self.texts.append((after, text))

    def first(self, words: str) -> float:
        """Return when these words were first read.

        Raises: AssertionError.
        """
        for after, text in self.texts:
            if words in text:
                return after
        raise AssertionError(f"nobody read {words!r}: {self.texts}")

    def complete(self, *, without: str = "") -> float:
        """Return the time at which the person had read every line of the last text.

        `without`: lines with this word do not count. Nor does the last line, which says when the answer was made.
        """

        def lines(text: str) -> set[str]:
            return {line for line in text.splitlines()[:-1] if not without or without not in line}

        wanted = lines(self.texts[-1][1])
        return next(after for after, text in self.texts if wanted <= lines(text))


class BenchDiscord(DiscordServer):
    """A Discord that waits until a press is acknowledged, not for its answer, and notes all texts of the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.ack_limit = LONGEST  # a late acknowledgement is measured, not refused
        self.answers: dict[int, Answer] = {}
        """The answer to each press, by the id of the interaction."""
        self._by_token: dict[str, Answer] = {}
        self._waiting: dict[int, asyncio.Future[None]] = {}

    def opened(self, record: Press) -> None:
        super().opened(record)
        self.answers[record.id] = Answer(record.user_id)
        self._waiting[record.id] = asyncio.get_running_loop().create_future()

    async def answered(self, record: Press) -> None:
        await asyncio.wait_for(self._waiting[record.id], LONGEST)
        del self._waiting[record.id]

    def _answer(self, call: Call) -> Any:
        if call.path.startswith("/interactions/"):
            _, _, number, token, _ = call.path.split("/")
            answer = self._by_token[token] = self.answers[int(number)]
            answer.note(_text_of((call.body or {}).get("data")))
            waiting = self._waiting.get(int(number))
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        elif call.path.startswith("/webhooks/"):
            self._by_token[call.path.split("/")[3]].note(_text_of(call.body))
        return super()._answer(call)


def _text_of(message: object) -> str:
    if not isinstance(message, Mapping):
        return ""
    found = [str(message.get("content") or "")]
    found += [
        str(one.get("content", "")) for one in walk(message.get("components")) if one.get("type") == _TEXT
    ]
    return "\n".join(part for part in found if part)


class Town(HomeGuild):
    """A guild with many people who take turns: administrators, and people who may see only some guests."""

    server: BenchDiscord

    def __init__(self, server: BenchDiscord) -> None:
        super().__init__(server)
        self.admin, self.narrow = self.guild.create_role("admin"), self.guild.create_role("narrow")
        self._admins, self._narrow = (
            itertools.cycle(
                [
                    server.person(self.guild, f"{role.name}{n}", locale="en-US", roles=[role])
                    for n in range(PEOPLE)
                ]
            )
            for role in (self.admin, self.narrow)
        )

    def next_people(self, count: int) -> list[Person]:
        """Return the administrators whose turn it is."""
        return list(itertools.islice(self._admins, count))

    def next_narrow(self, count: int) -> list[Person]:
        """Return the people with limited access whose turn it is."""
        return list(itertools.islice(self._narrow, count))

    async def say(self, person: Person, command: str, /, **options: Any) -> Answer:
        """Run a command, and return when it is acknowledged."""
        reply = await self.server.slash(person, self.channel, command, **options)
        return self.server.answers[reply.interaction_id]

    async def type(self, person: Person, command: str, option: str, typed: str) -> Answer:
        """Type into an option, and return when the choices are there."""
        await self.server.autocomplete(person, self.channel, command, option, typed)
        return next(reversed(self.server.answers.values()))

    async def read(self, person: Person, command: str, /, **options: Any) -> Answer:
        """Run a command, and return when its answer has a text."""
        answer = await self.say(person, command, **options)
        end = time.monotonic() + LONGEST
        while not answer.texts:
            assert time.monotonic() < end, f"no answer to /{command}"
            await asyncio.sleep(0.005)
        return answer

    async def settled(self, answers: Sequence[Answer], *, quiet: float = 0.4) -> None:
        """Wait until each answer has a text, and none has received another one for `quiet` seconds."""
        end = time.monotonic() + LONGEST
        while True:
            now = time.monotonic()
            assert now < end, f"no answer: {[one for one in answers if not one.texts][:3]}"
            if all(one.texts and now - one.opened - one.texts[-1][0] > quiet for one in answers):
                return
            await asyncio.sleep(0.02)


async def at_once(asks: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Send all of these as quickly as the playground's Discord can, and return their results."""
    tasks = []
    for ask in asks:
        tasks.append(asyncio.ensure_future(_run(ask)))
        for _ in range(3):  # lets the request be written before the next one is made
            await asyncio.sleep(0)
    return list(await asyncio.gather(*tasks))


async def _run(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value with at least this share of the values at or below it."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def words_typed() -> Iterator[str]:
    """Return typed texts, in turn: nothing, a common beginning, parts of names and numbers, and no match."""
    return itertools.cycle(["", "vm", "vm2", "ct20", "2001", "200", "zzz", "m20 "])
