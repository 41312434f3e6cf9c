"""Measure how much one person's flood of requests delays everybody else.

    python -m tests.long_runs.flood [--guests N] [--seconds S] [--a-second N] [flood ...]

The bot is a real process with 10,000 guests. Proxmox takes 100 ms for each answer. After a time without a flood, for
comparison, one flood follows the other. In each, one person sends 20 requests a second of one kind: panels,
completions, commands that they may not use, details of nodes, presses on a dashboard, checks of the setup, or exports
of the audit trail. Charts are wanted by seven people. Meanwhile guests stop, and another person lists guests, opens
panels, starts guests and wants charts. The run prints how long the alerts and this person's answers take, and the
growth of memory and journal. The exit code is 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Container, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from playground.pve.network.http import Values
from playground.pve.server import Pve
from tests.support.process_stage import INTERVAL, ProcessStage, process_stage

LATENCY = 0.1
"""Seconds that Proxmox takes for each answer."""
FIRST = 20_000
"""First VMID of the many guests. The lowest of them are watched."""
CALM = "nothing"
FLOODS = (
    CALM,
    "reads",
    "completions",
    "refusals",
    "nodes",
    "charts",
    "dashboards",
    "health",
    "exports",
)
CROWD = 7
"""Number of people who flood together with charts."""
RATIO_MOST, ACK_MOST, START_MOST, LIST_MOST, CHART_MOST = 1.5, 1.0, 5.0, 1.0, 10.0
"""Goals: the delay of alerts as a multiple of that without a flood, and seconds for the answers to other people."""
MEMORY_MOST, JOURNAL_MOST = 64.0, 1.0
"""Maximum growth in MiB for each minute of a flood."""
PATIENCE = 180.0  # seconds
SAMPLES = 3
"""Minimum number of alerts to measure, however long they take."""
STEP = 2.0
"""Seconds from an alert to the stop of the next guest.

Each stop comes equally long before the next poll, because the watch polls every five seconds.
"""


class ManyGuests(Pve):
    """Build the list rows of unchanging guests only once.

    Listing ten thousand guests takes the simulated Proxmox half a second each time. That must not be measured.
    """

    still: str = ""
    vms: list[Any]
    cts: list[Any]

    def hold_still(self, vmids: Container[int]) -> None:
        """Mark guests that will not change."""
        guests = [guest for guest in (*self.vms, *self.cts) if guest.vmid in vmids]
        self.still = ", ".join(json.dumps(self._resource(guest, "root@pam")) for guest in guests)
        self._held = vmids

    async def _cluster_resources(self, v: Values, user: str) -> list[Values]:
        everything = self.vms, self.cts
        self.vms, self.cts = (
            [guest for guest in some if guest.vmid not in self._held] for some in everything
        )
        try:
            return await super()._cluster_resources(v, user)
        finally:
            self.vms, self.cts = everything

    async def _resources(self, request: web.Request) -> web.Response:
        response = await super()._resources(request)
        if response.status == 200 and response.text and self.still:
            response.text = f"{response.text[:-2]}, {self.still}]}}"
        return response


@dataclass
class FloodResult:
    """Hold the waiting times of others during one flood, in seconds, and the growth in MiB.

    `sent`: requests of the flood. `seconds`: its length.
    """

    name: str
    alerts: list[float] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    started: list[float] = field(default_factory=list)
    sent: int = 0
    asked: int = 0
    """Number of requests that reached Proxmox."""
    memory: float = 0.0
    journal: float = 0.0
    seconds: float = 0.0
    worked: float = 0.0
    """Seconds of CPU time that the bot used."""
    listed: list[float] = field(default_factory=list)
    """Seconds until a list was shown."""
    charted: list[float] = field(default_factory=list)

    @property
    def alert(self) -> float:
        return statistics.median(self.alerts)


class Flood:
    """Run one person who floods, one who works, and guests that stop."""

    def __init__(
        self, stage: ProcessStage, a_second: float, seconds: float, guests: int, samples: int
    ) -> None:
        self.stage, self.a_second, self.seconds, self.samples = stage, a_second, seconds, samples
        make = stage.guild.create_role
        self.roles = {name: make(name) for name in ("viewer", "narrow", "admin")}
        person = stage.server.person
        roles = [self.roles["viewer"], self.roles["narrow"]]
        self.mallory = person(stage.guild, "mallory", display="Mallory", locale="en-US", roles=roles)
        self.crowd = itertools.cycle(
            [self.mallory]
            + [
                person(stage.guild, f"m{n}", display=f"M{n}", locale="en-US", roles=roles)
                for n in range(1, CROWD)
            ]
        )
        self.eve = person(stage.guild, "eve", display="Eve", locale="en-US", roles=[self.roles["admin"]])
        self.ada = person(stage.guild, "ada", display="Ada", locale="en-US", roles=[self.roles["admin"]])
        self.vmids = range(FIRST, FIRST + guests)
        self.watched = list(self.vmids[:100])
        self._crashes, self._starts = iter(self.watched), iter(self.vmids[100:400])
        self._targets = itertools.cycle(self.vmids[500:900])
        self._waiting: set[asyncio.Task[Any]] = set()

    @property
    def settings(self) -> dict[str, str]:
        ids = {name: str(role.id) for name, role in self.roles.items()}
        return {
            "VIEWER_ROLE_IDS": ids["viewer"],
            "OPERATOR_ROLE_IDS": ids["narrow"],
            "ADMIN_ROLE_IDS": ids["admin"],
            "ROLE_SCOPES": json.dumps({ids["narrow"]: ["pool:none"]}),
            "MONITOR_VM_IDS": " ".join(map(str, self.watched)),
            "MONITOR_INTERVAL_SECONDS": str(INTERVAL),
        }

    # -- the flood

    def _asks(self, name: str) -> Callable[[], Awaitable[object]] | None:
        server, channel, who = self.stage.server, self.stage.channel, self.mallory
        words = itertools.cycle(["", "vm", "ct2", "e " * 500, "zzz", "1"])
        return {
            CALM: None,
            "reads": lambda: server.slash(who, channel, "info", vmid=next(self._targets)),
            "completions": lambda: server.autocomplete(who, channel, "info", "vmid", next(words)),
            "refusals": lambda: server.slash(who, channel, "start", vmid=next(self._targets)),
            "nodes": lambda: server.slash(who, channel, "node info", node="pve1"),
            "charts": lambda: server.slash(
                next(self.crowd), channel, "graph guest", vmid=next(self._targets)
            ),
            "dashboards": lambda: server.click(who, self._board(), "Refresh"),
            "health": lambda: server.slash(self.eve, channel, "health"),
            "exports": lambda: server.slash(self.eve, channel, "audit", csv=True),
        }[name]

    def _board(self) -> SeenMessage:
        return next(post for post in self.stage.server.messages(self.stage.channel) if post.pinned)

    async def prepare(self) -> None:
        """Create a dashboard, and start the process that draws."""
        server, channel = self.stage.server, self.stage.channel
        for command, options in (("dashboard create", {}), ("graph guest", {"vmid": self.vmids[0]})):
            reply = await server.slash(self.ada, channel, command, **options)
            await self._until(lambda reply=reply: reply.text, command)  # type: ignore[misc]  # mypy does not infer the type of a lambda's default

    async def _flood(self, result: FloodResult) -> None:
        """Send requests at a fixed rate without waiting for the answers."""
        ask, began = self._asks(result.name), time.monotonic()
        if ask is None:
            return
        while True:
            self._aside(ask())
            result.sent += 1
            await asyncio.sleep(max(0.0, began + result.sent / self.a_second - time.monotonic()))

    def _aside(self, work: Awaitable[object]) -> None:
        async def alone() -> None:
            with contextlib.suppress(Exception):  # the answers to the flood do not matter
                await work

        task = asyncio.create_task(alone())
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    # -- the others

    async def _until(self, condition: Callable[[], object], what: str) -> float:
        """Wait until the condition is true and return the seconds until then."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < PATIENCE, f"not within {PATIENCE} s: {what}"
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    async def _alerts(self, result: FloodResult, end: float) -> None:
        """Stop one guest after another. The first stop only finds out when the watch polls."""
        first = True
        while len(result.alerts) < self.samples or time.monotonic() < end:
            vmid = next(self._crashes)
            self.stage.pve.crash(vmid)
            took = await self._until(lambda vmid=vmid: self._told(vmid), f"an alert of {vmid}")  # type: ignore[misc]  # mypy does not infer the type of a lambda's default
            if not first:
                result.alerts.append(took)
            first = False
            await asyncio.sleep(STEP)

    def _told(self, vmid: int) -> bool:
        return any(f"**{vmid}**" in text for text in self.stage.alerts_told()[-5:])

    async def _works(self, result: FloodResult, end: float) -> None:
        """List guests, look at one, start one and see a chart, over and over, as another person."""
        server, channel = self.stage.server, self.stage.channel
        for number in itertools.count():
            if time.monotonic() >= end:
                return
            for command, options, into in (
                ("list", {}, result.listed),
                ("graph guest", {"vmid": self.vmids[950 + number % 50]}, result.charted),
            ):
                began = time.monotonic()
                shown = await server.slash(self.ada, channel, command, **options)
                result.acknowledged.append(shown.ack_seconds or PATIENCE)
                await self._until(lambda shown=shown: is_whole(shown), command)  # type: ignore[misc]  # mypy does not infer the type of a lambda's default
                into.append(time.monotonic() - began)
            looked = await server.slash(self.ada, channel, "info", vmid=self.vmids[-1])
            result.acknowledged.append(looked.ack_seconds or PATIENCE)
            vmid = next(self._starts)
            began = time.monotonic()
            reply = await server.slash(self.ada, channel, "start", vmid=vmid)
            result.acknowledged.append(reply.ack_seconds or PATIENCE)
            await self._until(lambda reply=reply: "was started" in reply.text, reply.text)  # type: ignore[misc]  # mypy does not infer the type of a lambda's default
            result.started.append(time.monotonic() - began)
            await asyncio.sleep(2.0)

    # -- the run

    async def run(self, name: str) -> FloodResult:
        result, stage = FloodResult(name), self.stage
        began = time.monotonic()
        memory, journal, asked = self._memory(), self._journal(), len(stage.pve.requests)
        worked = self._worked()
        flooding = asyncio.create_task(self._flood(result))
        await asyncio.sleep(2.0)  # let the flood reach its full effect
        end = time.monotonic() + self.seconds
        try:
            await asyncio.gather(self._alerts(result, end), self._works(result, end))
        finally:
            flooding.cancel()
            await asyncio.wait({flooding})
        result.seconds = time.monotonic() - began
        result.memory, result.journal = self._memory() - memory, self._journal() - journal
        result.worked = self._worked() - worked
        result.asked = len(stage.pve.requests) - asked
        if self._waiting:
            await asyncio.wait(self._waiting)
        return result

    def _memory(self) -> float:
        """Return the resident memory of the process in MiB."""
        status = Path(f"/proc/{self.stage.bot.process.pid}/status").read_text("utf-8")
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    def _worked(self) -> float:
        """Return the seconds of CPU time that the process has used so far."""
        fields = (
            Path(f"/proc/{self.stage.bot.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _journal(self) -> float:
        """Return the size of the journal in MiB, also of pages that are still in SQLite's other files."""
        with contextlib.closing(sqlite3.connect(self.stage.directory / "journal.db")) as journal:
            ((pages,),), ((size,),) = (
                journal.execute(f"PRAGMA {word}") for word in ("page_count", "page_size")
            )
        return int(pages) * int(size) / 2**20


def is_whole(shown: PressResult) -> bool:
    """Return whether a list or a chart is shown, and not a refusal."""
    post = shown.post
    return post is not None and bool(post.attachments or " guests" in post.text)


def table(found: list[FloodResult]) -> Iterator[tuple[str, bool]]:
    """Yield the figures line by line, each line with whether it meets all goals."""
    calm = found[0]
    yield (
        f"{'flood':12} {'asked/s':>8} {'alert':>7} {'ratio':>6} {'acknowledged':>13} {'start done':>11} "
        f"{'/list':>6} {'chart':>6} "
        f"{'memory/min':>11} {'journal/min':>12} {'Proxmox/s':>10} {'CPU':>5}",
        True,
    )
    for result in found:
        ratio, minutes = result.alert / calm.alert, result.seconds / 60
        memory, journal = result.memory / minutes, result.journal / minutes
        listed, charted = max(result.listed, default=0.0), max(result.charted, default=0.0)
        goals = (
            listed <= LIST_MOST,
            charted <= CHART_MOST,
            ratio <= RATIO_MOST,
            max(result.acknowledged) <= ACK_MOST,
            max(result.started) <= START_MOST,
            result is calm or memory <= MEMORY_MOST,
            journal <= JOURNAL_MOST,
        )
        yield (
            f"{result.name:12} {result.sent / result.seconds:8.1f} {result.alert:6.2f}s {ratio:6.2f} "
            f"{max(result.acknowledged):12.2f}s {max(result.started):10.2f}s {listed:5.2f}s {charted:5.2f}s "
            f"{memory:7.1f} MiB {journal:8.2f} MiB "
            f"{result.asked / result.seconds:10.1f} {result.worked / result.seconds:5.0%}"
            f"{'' if all(goals) else '  missed'}",
            all(goals),
        )
    yield (
        f"{'goal':12} {'':8} {'':7} {RATIO_MOST:6.2f} {ACK_MOST:12.2f}s {START_MOST:10.2f}s {LIST_MOST:5.2f}s "
        f"{CHART_MOST:5.2f}s {MEMORY_MOST:7.1f} MiB {JOURNAL_MOST:8.2f} MiB",
        True,
    )


async def measure(
    guests: int, seconds: float, a_second: float, floods: tuple[str, ...], samples: int = SAMPLES
) -> list[FloodResult]:
    def prepare(pve: ManyGuests) -> None:
        pve.max_requests = 10_000_000
        pve.add_many(guests, first=FIRST)
        pve.hold_still(range(FIRST + 400, FIRST + guests))
        pve.crash_all(range(FIRST + 100, FIRST + 400))  # guests to start later

    with tempfile.TemporaryDirectory() as directory:
        async with process_stage(Path(directory), prepare=prepare, made=ManyGuests) as stage:
            stage.crashes_expected = True  # discord.py logs a traceback for each completion that is too late
            stage.haste = 1.0  # real seconds are measured
            flood = Flood(stage, a_second, seconds, guests, samples)
            await stage.start(**flood.settings)
            await stage.first_poll()
            await flood.prepare()
            stage.pve.hang("/api2", LATENCY)
            found = [await flood.run(name) for name in floods]
            stage.pve.hang("/api2", 0)
            return found


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line. Return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.long_runs.flood", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--guests", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each flood")
    parser.add_argument("--a-second", type=float, default=20.0, help="how often the one who floods asks")
    parser.add_argument(
        "floods",
        nargs="*",
        choices=[*FLOODS, []],  # argparse looks for the empty list among them if none is given
        help="default: all; the first is the comparison",
    )
    options = parser.parse_args(arguments)
    work: Coroutine[Any, Any, list[FloodResult]] = measure(
        options.guests, options.seconds, options.a_second, tuple(options.floods) or FLOODS
    )
    lines = list(table(asyncio.run(work)))
    print("\n".join(line for line, _ in lines))
    return 0 if all(good for _, good in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
