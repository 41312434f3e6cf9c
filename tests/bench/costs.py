"""Measure the bot's memory, CPU, event loop, dashboards, charts and start. See tests/bench/answers.py."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path

from playground.cluster.demo_cluster import NODES
from tests.bench.answers import Figures, milliseconds, next_vmids
from tests.bench.discord_side import percentile
from tests.bench.floors import json_cpu_seconds
from tests.bench.processes import PATIENCE, program
from tests.bench.programs.proxmox_server import TAG
from tests.bench.stage import CONNECTED, HASTE, INTERVAL, Stage, empty_environment

LIST = "/cluster/resources"
SETTLED_READS = 12
"""Reads of the cluster after which the memory counts as settled."""
PAUSE_SECONDS = 1.0
"""Seconds for the bot to finish its current work, before its memory is measured."""
CPU_READS = 8
LOCKED_SECONDS = 0.25
"""Seconds for which another process holds the journal's write lock, and seconds in between."""
LOCKED_TIMES = 6
EXTENTS: tuple[dict[str, str], ...] = (
    {},
    *({"node": node} for node in NODES),
    *({"tag": tag} for tag in ("prod", "dev", "db", "game", "storage", TAG)),
)
"""The options of the ten dashboards that a site may have."""
DASHBOARD_READS = 40
"""Reads of the cluster during which the dashboards are watched. Each dashboard may be edited once in six of them."""


async def _reads(stage: Stage, count: int) -> int:
    """Wait for at least `count` reads of the cluster, and return how many there were."""
    await stage.proxmox.order()
    read, end = 0, time.monotonic() + PATIENCE
    while read < count:
        assert time.monotonic() < end, f"{read} reads within {PATIENCE} s\n{stage.bot.output()}"
        await asyncio.sleep(0.05)
        read += (await stage.proxmox.order()).paths.count(LIST)
    return read


async def memory(stage: Stage) -> Figures:
    """Measure the resident memory after twelve reads, a completion, a list and a panel.

    While it is measured, Proxmox keeps the next read waiting, so that the bot works on none.
    """
    town = stage.town
    await _reads(stage, stage.samples(SETTLED_READS))
    (person,) = town.next_people(1)
    await town.type(person, "info", "vmid", "vm")
    await town.settled([await town.say(person, "list"), await town.say(person, "info", vmid=20_000)])
    pause = 0.1 if stage.small else PAUSE_SECONDS
    await stage.proxmox.order(latency=3 * pause)
    await _reads(stage, 1)
    await asyncio.sleep(pause)
    figures = {"mb": stage.bot.memory_mb(), "floor": stage.empty_bot.memory_mb()}
    await stage.proxmox.order(latency=0)
    return figures


async def idle(stage: Stage) -> Figures:
    """Measure the share of a CPU that the bot uses while nothing happens."""
    began, before = time.monotonic(), stage.bot.cpu_seconds()
    await asyncio.sleep(0.2 if stage.small else 2.0)
    stage.idle_cpu = (stage.bot.cpu_seconds() - before) / (time.monotonic() - began)
    return {"percent": 100 * stage.idle_cpu}


async def reads(stage: Stage) -> Figures:
    """Measure the CPU time of a read of the cluster with all that the watch does with it."""
    await _reads(stage, 1)
    began, before = time.monotonic(), stage.bot.cpu_seconds()
    count = await _reads(stage, stage.samples(CPU_READS))
    used = stage.bot.cpu_seconds() - before - stage.idle_cpu * (time.monotonic() - began)
    body = await stage.raw.body(LIST)
    floor = await asyncio.to_thread(json_cpu_seconds, body)
    return {"cpu": milliseconds(used / count), "floor": milliseconds(floor), "kb": len(body) / 1000}


async def dashboards(stage: Stage) -> Figures:
    """Keep as many dashboards as a site may have. Count the requests to Proxmox and the edits in an interval.

    Then draw a chart, and measure the process that draws: its memory, and after how many seconds of the bot's clock
    it is gone. The bot's memory is measured while it has all the dashboards.
    """
    town, server, wanted = stage.town, stage.town.server, EXTENTS[: stage.samples(len(EXTENTS))]
    for options in wanted:
        await town.read(town.next_people(1)[0], "dashboard create", **options)
    posts = [post for post in server.messages(town.channel) if post.pinned]
    assert len(posts) == len(wanted), f"{len(posts)} dashboards"
    await stage.proxmox.order()
    edits, began, asked = (
        len(server.requests("PATCH", f"/channels/{town.channel.id}/")),
        time.monotonic(),
        list[str](),
    )
    while asked.count(LIST) < stage.samples(DASHBOARD_READS):
        assert time.monotonic() < began + PATIENCE, f"no more reads\n{stage.bot.output()}"
        await asyncio.sleep(0.05)
        asked += (await stage.proxmox.order()).paths
    intervals = (time.monotonic() - began) * HASTE / INTERVAL
    edits = len(server.requests("PATCH", f"/channels/{town.channel.id}/")) - edits
    asked_for = town.read(town.next_people(1)[0], "graph guest", vmid=next_vmids(stage, 1)[0])
    chart, worker = asyncio.create_task(asked_for), 0.0
    while not chart.done():  # on a busy machine the process may be gone before the answer is read
        worker = max([*stage.bot.children_mb(), worker])
        await asyncio.sleep(0.02)
    drawn = time.monotonic()
    await chart
    assert worker, stage.bot.output()
    figures = {
        "reads": asked.count(LIST) / intervals,
        "others": (len(asked) - asked.count(LIST)) / intervals,
        "edits": edits / len(wanted) / intervals,
        "mb": stage.bot.memory_mb(),
        "floor": stage.empty_bot.memory_mb(),
        "worker mb": worker,
    }
    while stage.bot.children_mb() and not stage.small:  # noqa: ASYNC110 - another process sets no events
        await asyncio.sleep(0.05)
    return figures | {"gone": (time.monotonic() - drawn) * HASTE}


async def charts(stage: Stage) -> Figures:
    """Look at the charts of different guests, one after the other. The first one starts the process that draws."""
    took = list[float]()
    for vmid in next_vmids(stage, 1 + stage.samples(10)):
        answer = await stage.town.read(stage.town.next_people(1)[0], "graph guest", vmid=vmid)
        took.append(milliseconds(answer.texts[0][0]))
    return {"first": took[0], "p50": percentile(took[1:], 0.5)}


async def loop(stage: Stage) -> Figures:
    """Let the event loop tick while the cluster is read, people ask, and the journal's lock is held by others.

    The floor is the loop of the empty bot in the same seconds.
    """
    times = stage.samples(LOCKED_TIMES)
    holding = asyncio.create_task(asyncio.to_thread(_hold_lock, stage.journal, times))
    over = asyncio.Event()  # not a cancellation: in Python 3.11 `wait_for` may swallow it
    asking = asyncio.create_task(_ask(stage, over))
    seconds = times * 2 * LOCKED_SECONDS
    late, floor = await asyncio.gather(stage.bot.tick(seconds), stage.empty_bot.tick(seconds))
    await holding
    over.set()
    await asking
    return {
        "p99": milliseconds(percentile(late, 0.99)),
        "worst": milliseconds(max(late)),
        "floor p99": milliseconds(percentile(floor, 0.99)),
        "floor worst": milliseconds(max(floor)),
    }


async def _ask(stage: Stage, over: asyncio.Event) -> None:
    """Send commands that are written to the journal, until `over` is set."""
    while not over.is_set():
        (person,) = stage.town.next_people(1)
        await stage.town.say(person, "list")
        await asyncio.sleep(LOCKED_SECONDS / 2)


def _hold_lock(journal: Path, times: int) -> None:
    with contextlib.closing(sqlite3.connect(journal, timeout=5.0, isolation_level=None)) as other:
        for _ in range(times):
            other.execute("BEGIN IMMEDIATE")
            time.sleep(LOCKED_SECONDS)
            other.execute("ROLLBACK")
            time.sleep(LOCKED_SECONDS)


async def start(stage: Stage) -> Figures:
    """Measure the seconds from the start of the process until its commands can be used.

    discord.py waits 2 s more for further guilds before it lets the bot check them and write `ready:`.
    """
    command = ("bot.py", "--config", str(stage.directory / "no config.py"))
    async with program(stage.environment(), stage.directory, *command, haste=0) as bot:
        seconds = await bot.until_written(CONNECTED)
    environment = empty_environment(stage.empty_town)
    directory = stage.directory / f"empty {stage.starts}"
    directory.mkdir()
    async with program(environment, directory, "tests/bench/programs/empty_bot.py", haste=0) as empty:
        floor = await empty.until_written("ready")
    return {"seconds": seconds, "floor": floor}
