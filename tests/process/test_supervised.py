"""Test the bot under systemd and in a container: it runs while Discord is away, says so, and ends when halted."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.process_stage import SOON, ProcessStage, process_stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        yield made


async def test_the_bot_is_ready_while_it_waits_for_discord_and_a_halt_ends_it(stage: ProcessStage) -> None:
    told = list[str]()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(stage.directory / "notify"))
        manager.setblocking(False)

        def lines() -> list[str]:
            try:
                while True:
                    told.extend(manager.recv(4096).decode().splitlines())
            except BlockingIOError:
                return told

        async with stage.server.outage():
            bot = await stage.launch(NOTIFY_SOCKET=manager.getsockname(), WATCHDOG_USEC="300000")
            await stage.until(lambda: lines().count("WATCHDOG=1") > 3, "signs of life", alive=True)
            assert "READY=1" in told
            assert "STATUS=waiting: gateway" in told
        await stage.until(lambda: "STATUS=healthy" in lines(), "the connection", alive=True)
        code, seconds = await bot.end(signal.SIGPWR)
        assert (code, seconds < SOON) == (0, True), seconds
        assert "STOPPING=1" in lines()
