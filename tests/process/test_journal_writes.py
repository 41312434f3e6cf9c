"""Kill and end a real process around its writes: acknowledged changes survive, and a lock does not delay the end."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.process_stage import SOON, ProcessStage, process_stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        yield made


def rows(directory: Path, query: str) -> list[str]:
    with contextlib.closing(sqlite3.connect(directory / "journal.db")) as journal:
        return [row[0] for row in journal.execute(query).fetchall()]


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(directory / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_confirmed_changes_outlive_kill_9(stage: ProcessStage) -> None:
    await stage.start(MONITOR_VM_IDS="101")
    for number in range(1, 4):
        reply = await stage.say(stage.akiko, "monitor mute", target="node/pve1", duration=f"{number}h")
        await reply.until(lambda shown: shown.text)
        await stage.restart(signal.SIGKILL)
        mutes = rows(
            stage.directory, "SELECT CAST(value AS TEXT) FROM records WHERE CAST(key AS TEXT) LIKE 'mute%'"
        )
        assert len(mutes) == 1
        asked = rows(stage.directory, "SELECT step FROM audit WHERE step = 'asked'")
        assert len(asked) == number
        reply = await stage.say(stage.emma, "monitor status")
        await reply.until("pve1")


async def test_a_request_is_never_ahead_of_its_record(stage: ProcessStage) -> None:
    await stage.start()
    stage.server.answer_wait = 0.0
    stage.pve.hang("/status/start", 60.0, acts=True, method="POST")
    await stage.say(stage.akiko, "start", vmid=104)
    await stage.until(
        lambda: any(method == "POST" for method, _, _ in list(stage.pve.requests)), "the request", alive=True
    )
    assert rows(stage.directory, "SELECT step FROM audit ORDER BY id") == ["asked", "sending"]
    assert await stage.bot.end(signal.SIGKILL)
    assert rows(stage.directory, "SELECT step FROM audit ORDER BY id") == ["asked", "sending"]


async def test_a_lock_does_not_delay_the_end_and_everything_is_written_after_it(stage: ProcessStage) -> None:
    await stage.start()
    with locked(stage.directory):
        reply = await stage.say(stage.akiko, "info", vmid=104)
        await reply.until("palworld")
        code, seconds = await stage.bot.end()
        assert (code, seconds < SOON) == (0, True), seconds
    assert "could not be written" in stage.bot.output(), "it is in the log at least"
    await stage.until(lambda: not stage.server.gateway.connected, "Discord to notice")
    await stage.start()
    reply = await stage.say(stage.akiko, "info", vmid=104)
    await reply.until("palworld")
    await stage.until(
        lambda: "info" in rows(stage.directory, "SELECT CAST(operation AS TEXT) FROM audit"), "its record"
    )
