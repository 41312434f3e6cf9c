"""Test how many turns one person gets, and how often something may happen for all people together."""

import asyncio

import pytest

from core.access.rate_limit import KEYS_MOST, Cooldown
from core.access.turns import Turns
from core.errors import TooQuick
from core.proxmox import asker
from tests.support.fakes import FakeClock


async def test_many_requests_of_one_person_wait_behind_single_ones_and_get_few_places() -> None:
    turns, go, had = Turns(2, own_most=3), asyncio.Event(), list[int]()

    async def takes(person: int) -> None:
        asker.set(person)
        async with turns.take():
            had.append(person)
            await go.wait()

    greedy = [asyncio.create_task(takes(1)) for _ in range(10)]
    await asyncio.sleep(0)
    others = [asyncio.create_task(takes(person)) for person in (2, 3)]
    await asyncio.sleep(0)
    refused = [each for each in greedy if each.done()]
    assert len(refused) == 7
    for each in refused:
        with pytest.raises(TooQuick):
            each.result()
    go.set()
    await asyncio.gather(*others, *(each for each in greedy if each not in refused))
    assert had == [1, 2, 3, 1, 1]
    await takes(1)
    assert not turns._wanted


def test_a_cooldown_counts_for_everybody_together() -> None:
    clock = FakeClock()
    cooldown = Cooldown(clock, 600.0)
    assert [cooldown.take("a"), cooldown.take("a"), cooldown.take("b")] == [True, False, True]
    cooldown.give_back("a")
    assert cooldown.take("a")
    clock.advance(600.0)
    assert cooldown.take("a")
    for number in range(3 * KEYS_MOST):
        cooldown.take(number)
    assert len(cooldown._taken) == KEYS_MOST
