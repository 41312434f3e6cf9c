"""Test that the bot ends at once with exit code 0, before anything has begun and while a call cannot be cancelled."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.process_stage import SOON, ProcessStage, process_stage

SLOW_NAMES = """
import socket, time
true = socket.getaddrinfo
def slow(host, *others, **named):
    if str(host) == "slow.example":
        print("looking up", flush=True)
        time.sleep(60)
    return true(host, *others, **named)
socket.getaddrinfo = slow
"""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        made.cold = True
        yield made


async def test_a_silent_name_server_does_not_delay_the_end(stage: ProcessStage) -> None:
    """A thread that looks up a name cannot be cut, and Python waits for its threads at exit."""
    (stage.directory / "sitecustomize.py").write_text(SLOW_NAMES)
    bot = await stage.launch(PROXMOX_HOST="slow.example", PYTHONPATH=str(stage.directory))
    await stage.until(
        lambda: "connected to Discord" in bot.output() and "looking up" in bot.output(),
        "a look-up",
        alive=True,
    )
    code, seconds = await bot.end()
    assert (code, seconds < SOON) == (0, True), seconds


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="whether signals are caught is read there")
async def test_a_signal_before_anything_has_begun_is_an_orderly_end(stage: ProcessStage) -> None:
    """The signal comes while the packages are imported.

    The first process of a container would otherwise ignore it.
    """
    bot = await stage.launch()
    status = Path(f"/proc/{bot.process.pid}/status")

    def listens() -> bool:
        caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)

    await stage.until(listens, "signals to be caught", alive=True)
    assert await bot.end() < (0, SOON)
    assert not stage.pve.requests, "nothing had begun"
    assert not stage.server.journal
