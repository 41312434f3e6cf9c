"""Test the thread that waits for the disk: order, withdrawal, a hung disk, and the end."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from adapters.files import disk_thread
from adapters.files.disk_thread import DiskHung, DiskThread


@pytest.fixture
async def disk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DiskThread]:
    monkeypatch.setattr(disk_thread, "HUNG_SECONDS", 0.05)
    made = DiskThread("tested")
    yield made
    await made.close(seconds=60.0)


class Hang:
    """A call that does not return before `over` is set."""

    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.over.wait(60.0)
        return "made"


async def test_calls_are_made_in_their_order_in_one_thread(disk: DiskThread) -> None:
    made: list[tuple[int, int]] = []

    def call(number: int) -> int:
        made.append((number, threading.get_ident()))
        return number

    results = await asyncio.gather(*(disk.run(lambda n=number: call(n)) for number in range(50)))  # type: ignore[misc]  # mypy does not infer the type of a lambda's default
    assert results == [number for number, _ in made] == list(range(50))
    assert {thread for _, thread in made} != {threading.get_ident()}
    assert len({thread for _, thread in made}) == 1


async def test_an_error_is_raised_where_it_is_awaited(disk: DiskThread) -> None:
    with pytest.raises(ZeroDivisionError):
        await disk.run(lambda: 1 / 0)
    assert await disk.run(lambda: 7) == 7


async def test_waiting_work_is_withdrawn_and_running_work_is_awaited(disk: DiskThread) -> None:
    hang, made = Hang(), list[str]()
    certain = asyncio.create_task(disk.run(hang, certain=True))
    await asyncio.to_thread(hang.begun.wait)
    for is_certain in (False, True):
        with pytest.raises(DiskHung):
            await disk.run(lambda: made.append("too late"), certain=is_certain)
    cancelled = asyncio.create_task(disk.run(lambda: made.append("cancelled")))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait({cancelled})
    assert not certain.done()
    hang.over.set()
    assert await certain == "made"
    await disk.run(lambda: made.append("in time"))
    assert made == ["in time"]


async def test_nobody_waits_for_a_call_that_hangs(disk: DiskThread) -> None:
    hang = Hang()
    with pytest.raises(DiskHung):
        await disk.run(hang)
    hang.over.set()


async def test_the_end_waits_for_queued_writes_but_not_for_a_hung_disk() -> None:
    disk, made = DiskThread("tested"), list[int]()
    for number in range(20):
        disk.submit(lambda n=number: made.append(n))  # type: ignore[misc]  # as above
    assert await disk.close(lambda: made.append(99))
    assert made == [*range(20), 99]
    with pytest.raises(DiskHung):
        disk.submit(made.clear)
    hung, hang = DiskThread("hung"), Hang()
    hung.submit(hang)
    assert not await hung.close(seconds=0.05)
    hang.over.set()
