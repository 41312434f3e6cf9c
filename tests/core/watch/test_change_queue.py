"""Test that changes are made one after the other, each to its end."""

import asyncio

import pytest

from core.watch import change_queue as module
from core.watch.change_queue import ChangeQueue


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)


async def test_a_change_begins_when_those_before_it_are_over() -> None:
    queue, story = ChangeQueue(), list[str]()

    async def change(number: int) -> int:
        story.append(f"{number} begins")
        await asyncio.sleep(0)
        story.append(f"{number} ends")
        return number

    assert await asyncio.gather(*(queue.make(lambda n=number: change(n)) for number in range(3))) == [0, 1, 2]  # type: ignore[misc]  # mypy does not infer the type of a lambda's default
    assert story == [f"{number} {word}" for number in range(3) for word in ("begins", "ends")]


async def test_started_work_continues_and_work_without_a_place_never_starts() -> None:
    queue, over, made = ChangeQueue(), asyncio.Event(), list[str]()

    async def hangs() -> None:
        await over.wait()
        made.append("first")

    async def waits() -> None:
        made.append("second")

    with pytest.raises(TimeoutError):
        await queue.make(hangs)
    with pytest.raises(TimeoutError):
        await queue.make(waits)
    cancelled = asyncio.create_task(queue.make(waits))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait({cancelled})
    assert made == []
    over.set()
    await queue.make(waits)
    assert made == ["first", "second"]


async def test_an_error_is_raised_and_ends_the_turn() -> None:
    queue = ChangeQueue()

    async def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await queue.make(fails)
    await queue.make(lambda: asyncio.sleep(0))
