"""Test that a wait that Discord asked for is kept over a reconnection and a removal, and that bugs end nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.dashboard.world import BoardTrial


@pytest.fixture
async def trial(tmp_path: Path) -> AsyncIterator[BoardTrial]:
    trial = BoardTrial(tmp_path / "journal.db")
    await trial.watch.poll()
    yield trial
    trial.close()


@pytest.mark.parametrize("event", ["reconnect", "removal"])
async def test_a_limit_of_one_channel_outlasts_a_reconnection_and_a_removal(
    trial: BoardTrial, event: str
) -> None:
    dashboard = trial.new(1)
    assert await trial.create(dashboard)
    if event == "removal":
        await trial.keeper.attend()
        trial.clock.advance(60.0)
        trial.proxmox.guests.popitem()
        await trial.watch.poll()
    trial.discord.plan = ["429"]
    trial.discord.requests.clear()
    await trial.keeper.attend()
    assert trial.discord.requests.total() == 1
    if event == "removal":
        await trial.remove(dashboard.mark)
    else:
        trial.keeper.on_reconnect()
    await trial.keeper.attend()
    assert trial.discord.requests.total() == 1
    trial.clock.advance(41.0)
    await trial.keeper.attend()
    assert trial.discord.requests.total() > 1


async def test_a_bug_in_the_read_of_the_tasks_keeps_no_dashboard_from_its_message(trial: BoardTrial) -> None:
    def fail() -> None:
        raise KeyError("upid")

    trial.proxmox.next("cluster_tasks", fail)
    dashboard = trial.new(1)
    assert await trial.create(dashboard)
    trial.keeper.on_poll()
    await trial.keeper.attend()
    assert len(trial.posts(dashboard.mark)) == 1


async def test_a_bug_in_a_round_does_not_end_the_loop(
    trial: BoardTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, failures = trial.keeper._source.prepare, [KeyError("upid")]

    async def fail() -> None:
        if failures:
            raise failures.pop()
        await prepare()

    monkeypatch.setattr(trial.keeper._source, "prepare", fail)
    dashboard = trial.new(1)
    assert await trial.create(dashboard)
    running = asyncio.create_task(trial.keeper.run())
    async with asyncio.timeout(5.0):
        while not trial.posts(dashboard.mark):
            trial.keeper.wake()
            trial.clock.advance(1.0)
            await asyncio.sleep(0)
    await trial.keeper.finish()
    await running
