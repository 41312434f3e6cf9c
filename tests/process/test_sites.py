"""Test a bot with three sites as a process: one hangs, one refuses the token, one is fine."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from playground.cluster.demo_cluster import NODES, build_demo
from playground.pve.server import Pve
from tests.support.home_guild import PATIENCE
from tests.support.process_stage import INTERVAL, ProcessStage, process_stage

WRONG_TOKEN = "12345678-1234-1234-1234-123456789abc"
DELAY_SECONDS = 5.0
"""Maximum seconds by which the trouble may delay the end. A hanging read takes 18 s."""


def demo_cluster() -> Iterator[Pve]:
    with Pve(nodes=NODES) as cluster:
        build_demo(cluster)
        cluster.auth_delay = 0.0
        yield cluster


hanging = pytest.fixture(demo_cluster, name="hanging")
refusing = pytest.fixture(demo_cluster, name="refusing")


@pytest.fixture
async def stage(tmp_path: Path, hanging: Pve) -> AsyncIterator[ProcessStage]:
    hanging.listeners[0].hung = True
    async with process_stage(tmp_path) as made:
        yield made


async def wait_until_known(stage: ProcessStage, vmid: int) -> None:
    """Wait until the bot has stored the state of a guest."""

    def known() -> bool:
        with contextlib.closing(sqlite3.connect(stage.directory / "journal.db")) as journal:
            seen = journal.execute("SELECT CAST(key AS TEXT) FROM records").fetchall()
        return (f"guest/{vmid}",) in seen

    await stage.until(known, "a first poll of the fine site", alive=True)


async def test_trouble_at_two_sites_loses_and_repeats_nothing(
    hanging: Pve, refusing: Pve, stage: ProcessStage
) -> None:
    settings = {"MONITOR_INTERVAL_SECONDS": str(INTERVAL)}
    await stage.start(MONITOR_VM_IDS="101", **settings)
    await wait_until_known(stage, 101)
    _, alone = await stage.bot.end()

    lab = stage.guild.create_text_channel("lab", category=stage.category)
    colo = stage.guild.create_text_channel("colo", category=stage.category)
    stage.add_site("home", stage.pve, MONITOR_VM_IDS="101")
    stage.add_site("colo", hanging, ALERT_CHANNEL_ID=str(colo.id))
    stage.add_site("lab", refusing, ALERT_CHANNEL_ID=str(lab.id), PROXMOX_TOKEN_VALUE=WRONG_TOKEN)
    await stage.until(lambda: not stage.server.gateway.connected, "Discord to notice")
    await stage.start(FIRST_SITE="home", **settings)
    ready = "ready: colo: not ready · home: 17 guests, 3 nodes · lab: not ready"
    await stage.until(lambda: ready in stage.bot.output(), "ready", alive=True)
    for _ in range(5):
        await stage.polled()
    # a second request would mean that the first one has run into its timeout
    assert len(hanging.listeners[0].requests) == 1

    refused = await stage.server.wait_message(lab, "token", PATIENCE)
    stage.pve.crash(101)
    await stage.server.wait_message(stage.alerts, "stopped unexpectedly", PATIENCE)
    await stage.bot.end(signal.SIGKILL)
    stage.pve.revive(101)
    await stage.until(lambda: not stage.server.gateway.connected, "Discord to notice")
    await stage.start(FIRST_SITE="home", **settings)
    await stage.server.wait_message(stage.alerts, "recovered after", PATIENCE)
    assert len(stage.alerts_told()) == 2, "the alert, and that it is over"
    before = len(refusing.listeners[0].requests)
    await stage.until(lambda: len(refusing.listeners[0].requests) >= before + 4, "more polls", alive=True)
    assert [post.text for post in stage.server.messages(lab)] == [refused.text]

    code, seconds = await stage.bot.end()
    assert code == 0
    assert seconds < alone + DELAY_SECONDS, "the hanging read is cut"
