"""Test who waits for which picture."""

import asyncio

import pytest

from core.charts.pictures import AT_ONCE, OWN_MOST, PEOPLE_MOST, SHARED_SECONDS, SPARE_MOST, Pictures
from core.errors import ChartFailed, ChartsBusy
from core.proxmox import asker
from tests.support.fakes import FakeClock


class Studio:
    """Make pictures that are done when a test says so."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.pictures = Pictures[str](self.clock)
        self.begun: list[str] = []
        self.done = asyncio.Event()
        self.error: Exception | None = None

    def take(self, key: str, person: int = 1) -> "asyncio.Task[str]":
        async def make() -> str:
            self.begun.append(key)
            await self.done.wait()
            if self.error is not None:
                raise self.error
            return f"picture of {key}"

        async def taken() -> str:
            asker.set(person)
            return await self.pictures.take(key, make)

        return asyncio.create_task(taken())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_same_picture_is_made_once_and_shared_for_some_seconds() -> None:
    studio = Studio()
    asked = [studio.take("101", person) for person in range(5)]
    await settle()
    studio.done.set()
    assert set(await asyncio.gather(*asked)) == {"picture of 101"}
    assert studio.begun == ["101"]
    await studio.take("101", 9)
    assert studio.begun == ["101"]
    studio.clock.advance(SHARED_SECONDS)
    await studio.take("101", 9)
    assert studio.begun == ["101", "101"]


async def test_each_person_has_one_made_at_a_time_and_few_wait() -> None:
    studio = Studio()
    asked = [studio.take(str(number)) for number in range(OWN_MOST)]
    await settle()
    assert studio.begun == ["0"]
    with pytest.raises(ChartsBusy):
        await studio.take("one more")
    other = studio.take("other", 2)
    await settle()
    assert studio.begun == ["0", "other"]
    studio.done.set()
    assert await asyncio.gather(*asked, other) == [*(f"picture of {n}" for n in range(3)), "picture of other"]


async def test_a_flood_takes_nobodys_place_and_nothing_of_it_remains() -> None:
    """Seven people who want three pictures each fill the spare places.

    Everybody else still gets a first picture in turn.
    """
    studio = Studio()
    asked = [studio.take(f"{person} {n}", person) for n in range(OWN_MOST) for person in range(7)]
    await settle()
    assert len(studio.begun) == AT_ONCE
    refused = [each for each in asked if each.done()]
    assert len(asked) - len(refused) == SPARE_MOST
    for each in refused:
        with pytest.raises(ChartsBusy):
            each.result()
    late = studio.take("late", 99)
    more = [studio.take(f"{person}", person) for person in range(100, 100 + PEOPLE_MOST - 8)]
    await settle()
    with pytest.raises(ChartsBusy):
        await studio.take("too many people", 999)
    studio.done.set()
    assert await late == "picture of late"
    assert studio.begun.index("late") < 7 + 1, "one of each who was there before"
    assert await studio.take("late", 0) == "picture of late", "a picture that is there takes no place"
    await asyncio.gather(*more, *(each for each in asked if each not in refused))
    assert await studio.take("more", 99) == "picture of more"
    assert not studio.pictures._wanted


async def test_a_failure_is_not_kept_and_a_caller_that_leaves_disturbs_nobody() -> None:
    studio = Studio()
    studio.error = ChartFailed()
    studio.done.set()
    with pytest.raises(ChartFailed):
        await studio.take("101")
    studio.error = None
    studio.done.clear()
    leaves, stays = studio.take("101"), studio.take("101", 2)
    await settle()
    leaves.cancel()
    await settle()
    studio.done.set()
    assert await stays == "picture of 101"
    assert studio.begun == ["101", "101"]
