"""Test that people's reads never delay the watch or a change: each has reserved places for its calls to Proxmox."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.proxmox.transport.http import threads
from adapters.proxmox.transport.slots import SLOTS, RequestSlots
from core.operations import Operation
from core.proxmox import Lane
from playground.pve.server import Pve
from tests.support import stage
from tests.support.client_stage import EMPTY_LIST, STARTED, VM, HeldAnswer, Rude, client_of, until
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

IN_TIME = 10.0
"""Seconds for an undelayed call on a busy machine. A call that hangs holds its place for longer."""


async def test_the_watch_and_changes_do_not_queue_behind_reads(tmp_path: Path) -> None:
    with Rude(tmp_path, *[HeldAnswer(EMPTY_LIST)] * 4, EMPTY_LIST, STARTED) as rude:
        client = client_of(rude)
        reads = [asyncio.create_task(client.cluster()) for _ in range(40)]
        await until(lambda: rude.held == SLOTS[Lane.READS])
        async with asyncio.timeout(IN_TIME):
            await client.in_lane(Lane.WATCH).cluster()
            assert await client.in_lane(Lane.CHANGES).power(VM, Operation.START)
        assert rude.held == SLOTS[Lane.READS]
        for read in reads:
            read.cancel()
        await asyncio.wait(reads)


@pytest.mark.parametrize("lane", [Lane.WATCH, Lane.CHANGES])
async def test_a_lane_that_is_full_takes_places_that_no_reader_needs(tmp_path: Path, lane: Lane) -> None:
    """A hung node must not hold up the changes of the others."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads(1)))
    with Rude(tmp_path, HeldAnswer(EMPTY_LIST)) as rude:
        client = client_of(rude)
        most = SLOTS[lane] + SLOTS[Lane.READS]
        calls = [asyncio.create_task(client.in_lane(lane).cluster()) for _ in range(most + 3)]
        await until(lambda: rude.held == most)
        other = Lane.CHANGES if lane is Lane.WATCH else Lane.WATCH
        others = [asyncio.create_task(client.in_lane(other).cluster()) for _ in range(SLOTS[other])]
        await until(lambda: rude.held == most + SLOTS[other])
        rude.release.set()
        await asyncio.gather(*calls, *others)
        assert rude.most_held <= sum(SLOTS.values())


async def test_a_storage_is_asked_among_the_reads_whoever_asks() -> None:
    lanes = RequestSlots()
    given = [await lanes.acquire(Lane.CHANGES, node="pve1", may_hang=True) for _ in range(2)]
    third = asyncio.create_task(lanes.acquire(Lane.CHANGES, node="pve1", may_hang=True))
    rest = [await lanes.acquire(Lane.CHANGES, may_hang=False) for _ in range(2)]
    await asyncio.sleep(0)
    assert not third.done()
    for give_back in given:
        give_back()
    (await third)()
    for give_back in rest:
        give_back()


async def test_a_request_withdrawn_before_its_turn_is_never_sent(tmp_path: Path) -> None:
    with Rude(tmp_path, HeldAnswer(EMPTY_LIST)) as rude:
        client = client_of(rude)
        calls = [asyncio.create_task(client.cluster()) for _ in range(200)]
        await until(lambda: rude.held == SLOTS[Lane.READS])
        for call in calls[4:]:
            call.cancel()
        await asyncio.wait(calls[4:])
        rude.release.set()
        await asyncio.gather(*calls[:4])
        await client.cluster()
        assert len(rude.received) == 5


async def test_names_are_looked_up_while_every_place_is_held(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(threads(1)))
    with Rude(tmp_path, HeldAnswer(EMPTY_LIST)) as rude:
        client = client_of(rude)
        calls = [asyncio.create_task(client.in_lane(lane).cluster()) for lane in Lane for _ in range(9)]
        await until(lambda: rude.held == sum(SLOTS.values()))
        async with asyncio.timeout(IN_TIME):
            await loop.getaddrinfo("localhost", 443, type=socket.SOCK_STREAM)
        rude.release.set()
        await asyncio.gather(*calls)


@pytest.mark.usefixtures("scene")
async def test_the_bot_has_threads_for_all_places_and_more() -> None:
    """The bot sets this number at its own start, whatever the number of processors."""
    executor = asyncio.get_running_loop()._default_executor  # type: ignore[attr-defined]  # asyncio shows it nowhere
    assert executor._max_workers == threads(1) > sum(SLOTS.values()) + 5


async def test_the_real_watch_and_a_real_change_pass_by_hanging_reads(scene: Stage, pve: Pve) -> None:
    pve.hang("/qemu/103/config", 25.0)
    try:
        guest = scene.site.cluster_cache.find(103)
        assert guest is not None
        proxmox = scene.site.proxmox
        hanging = [asyncio.create_task(proxmox.config(guest)) for _ in range(20)]
        await scene.until(lambda: len(scene.sent("GET", "/qemu/103/config")) == SLOTS[Lane.READS])
        async with asyncio.timeout(IN_TIME):
            await scene.poll()
            assert scene.site.watch.read_error is None
        async with asyncio.timeout(IN_TIME):
            await scene.say(scene.emma, "start", vmid=104)
        assert pve.guest(104).status == "running"
        assert not any(call.done() for call in hanging)
        for call in hanging:
            call.cancel()
        await asyncio.wait(hanging)
    finally:
        pve.hang("/qemu/103/config", 0)
        scene.site.proxmox.close()  # ends the hung calls
