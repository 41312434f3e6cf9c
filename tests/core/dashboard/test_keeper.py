"""Test that a wait that Discord asked for is kept over a reconnection and a removal."""

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
