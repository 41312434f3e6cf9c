"""Run the bot through a whole day in accelerated time, and look for anything that piles up: part of `make soak`.

    python -m tests.long_runs.day [--guests N] [--minutes N] [--commands N] [--incidents N] [--faults N] [--seed N]

The real bot runs in this process on the clock of `tests/support/stage_clock.py`, between a Discord and a Proxmox on
loopback. It polls once a minute. Meanwhile people give commands, guests stop and come back, and Proxmox and Discord
fail in turn. In the second half of the day the memory of the bot, the number of open files and sockets, and that of
tasks must hardly grow. No warning may be logged again within a minute, and each stop of a guest must be noticed. The
exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import CoroutineType, FrameType, ModuleType
from typing import Any

from playground.cluster.demo_cluster import NODES
from playground.discord.people import Person
from playground.pve.server import Pve
from tests.support.home_guild import PATIENCE
from tests.support.stage import Stage, stage

ROOT = Path(__file__).resolve().parents[2]
FIRST = 1000
"""First VMID. The guests that stop come first and are watched; people act on the last ones."""
OPERATED = 50
"""Number of guests on which people act."""
DOWN_MINUTES, FAULT_MINUTES = 8, 3
MEMORY_MOST = 2.0
"""Maximum growth of the bot's memory in the second half, in MiB."""
OPEN_MOST = 8
"""Maximum growth of the number of open files and sockets, and of tasks: connections come and go."""
CLOSE_SECONDS = 10.0
"""Real seconds that the servers have to notice that the ended bot's connections are closed."""
WARNING_SECONDS = 60.0
PACKAGES = (
    "core",
    "adapters",
    "ui",
    "cogs",
    "startup",
    "bot",
    "bootstrap",
    "proxmox_client",
    "monitor_store",
)
ASIDE = ("tests", "playground", "simcord", "fakepve", "asyncio", "_asyncio", "threading")
"""Packages whose objects are not counted: the bot points to them, and they point to everything."""
NODE = "pve3"


@dataclass(frozen=True)
class DaySize:
    """The size of a day."""

    guests: int = 1000
    minutes: int = 1440
    commands: int = 2000
    incidents: int = 500
    faults: int = 50

    @property
    def watched(self) -> range:
        return range(FIRST, FIRST + self.incidents)

    @property
    def operated(self) -> range:
        return range(FIRST + self.guests - OPERATED, FIRST + self.guests)


@dataclass(frozen=True)
class Resources:
    """The bot's memory in MiB, and the files and tasks of this process, at one moment."""

    memory: float
    files: int
    tasks: int

    def grown_to(self, later: Resources) -> list[str]:
        """Return a sentence for each thing that has grown too much."""
        limits = {"memory": MEMORY_MOST, "files": OPEN_MOST, "tasks": OPEN_MOST}
        return [
            f"{name} grew from {getattr(self, name):.1f} to {getattr(later, name):.1f} in the second half"
            for name, most in limits.items()
            if getattr(later, name) - getattr(self, name) > most
        ]


class Warnings(logging.Handler):
    """Note each warning that was logged within a minute of the same one, by the bot's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(logging.WARNING)
        self._now, self._last = now, dict[str, float]()
        self.repeated = Counter[str]()

    def emit(self, record: logging.LogRecord) -> None:
        text, now = f"{record.name}: {record.getMessage()}", self._now()
        if now - self._last.get(text, -WARNING_SECONDS) < WARNING_SECONDS:
            self.repeated[text] += 1
        self._last[text] = now


Options = Callable[[random.Random, int], Mapping[str, Any]]
COMMANDS: tuple[tuple[str, Options], ...] = (
    ("info", lambda _dice, vmid: {"vmid": vmid}),
    ("info", lambda _dice, vmid: {"vmid": vmid}),
    ("list", lambda _dice, _vmid: {}),
    ("list", lambda _dice, _vmid: {"node": NODE}),
    ("start", lambda _dice, vmid: {"vmid": vmid}),
    ("shutdown", lambda _dice, vmid: {"vmid": vmid}),
    ("stop", lambda _dice, vmid: {"vmid": vmid}),
    ("snapshot create", lambda dice, vmid: {"vmid": vmid, "name": f"s{dice.randrange(10**6)}"}),
    ("snapshot list", lambda _dice, vmid: {"vmid": vmid}),
    ("monitor list", lambda _dice, _vmid: {}),
    ("monitor history", lambda _dice, _vmid: {}),
    ("monitor status", lambda _dice, _vmid: {}),
    ("audit", lambda _dice, _vmid: {}),
    ("help", lambda _dice, _vmid: {}),
    ("info", lambda dice, _vmid: {"vmid": dice.randrange(10**5, 10**6)}),
)
"""The commands, taken in turn, each with the function that chooses its options from the dice and a VMID."""

Fault = Callable[[Stage], Awaitable[None]]


async def _drop_gateway(scene: Stage) -> None:
    await scene.server.drop_gateway()
    await scene.until(lambda: not scene.server.gateway.connected, "the end of the connection")
    await scene.server.wait_ready(PATIENCE)


def _at_once(cause: Callable[[Stage], object]) -> Fault:
    async def fault(scene: Stage) -> None:
        cause(scene)

    return fault


FAULTS: Mapping[str, Fault] = {
    "Proxmox: no route": _at_once(
        lambda s: s.pve.fail("GET", "/cluster/resources", 595, "No route", times=4)
    ),
    "Discord: alerts refused": _at_once(
        lambda s: s.server.fail("POST", f"/channels/{s.alerts.id}/messages", 500, times=3)
    ),
    "Proxmox: a page": _at_once(lambda s: s.pve.html_instead_of_json(3)),
    "Discord: an answer lost": _at_once(lambda s: s.server.reset("PATCH", "/webhooks/")),
    "Proxmox: a node lost": _at_once(lambda s: s.pve.node_offline(NODE)),
    "Discord: the gateway dropped": _drop_gateway,
    "Proxmox: a hung pvestatd": _at_once(lambda s: s.pve.hang_pvestatd("pve2")),
    "Discord: a first answer refused": _at_once(lambda s: s.server.fail("POST", "/callback", 503)),
}
"""The faults, taken in turn. Those that do not end by themselves end after `FAULT_MINUTES`."""


def end_faults(scene: Stage) -> None:
    scene.pve.failures.clear()
    scene.pve.html_instead_of_json(0)
    scene.pve.node_online(NODE)
    scene.pve.free_pvestatd("pve2")


@dataclass
class Day:
    """Hold a day in progress, and its findings."""

    scene: Stage
    size: DaySize
    dice: random.Random
    people: list[Person]
    figures: Counter[str] = field(default_factory=Counter)
    half: Resources | None = None
    end: Resources | None = None
    wrong: list[str] = field(default_factory=list)
    _later: dict[int, list[Callable[[], object]]] = field(default_factory=dict)

    async def run(self) -> None:
        for minute in range(self.size.minutes):
            if minute == self.size.minutes // 2:
                self.half = await self.resources()
            for work in self._later.pop(minute, ()):
                work()
            for kind, do in (
                ("faults", self._fault),
                ("incidents", self._incident),
                ("commands", self._command),
            ):
                most, to_the_end = getattr(self.size, kind), kind == "commands"
                for _ in range(self._due(most, minute, to_the_end=to_the_end)):
                    await do(minute)
                    self.figures[kind] += 1
            await self.scene.poll()
        await self.scene.delivered()
        self.end = await self.resources()
        assert self.half is not None
        self.wrong += self.half.grown_to(self.end)

    def _due(self, most: int, minute: int, *, to_the_end: bool) -> int:
        """Return how many of `most` are due in this minute.

        Without `to_the_end` none is due in the last tenth of the day.
        """
        minutes = self.size.minutes if to_the_end else self.size.minutes * 9 // 10
        return 0 if minute >= minutes else most * (minute + 1) // minutes - most * minute // minutes

    async def _fault(self, minute: int) -> None:
        name = list(FAULTS)[self.figures["faults"] % len(FAULTS)]
        await FAULTS[name](self.scene)
        self._at(minute + FAULT_MINUTES, lambda: end_faults(self.scene))

    async def _incident(self, minute: int) -> None:
        vmid = self.size.watched[self.figures["incidents"]]
        self.scene.pve.crash(vmid)
        self._at(minute + DOWN_MINUTES, lambda: self.scene.pve.revive(vmid))

    async def _command(self, _minute: int) -> None:
        done = self.figures["commands"]
        command, options = COMMANDS[done % len(COMMANDS)]
        person = self.people[done % len(self.people)]
        vmid = self.dice.choice(self.size.operated)
        await self.scene.say(person, command, **options(self.dice, vmid))

    def _at(self, minute: int, work: Callable[[], object]) -> None:
        self._later.setdefault(minute, []).append(work)

    async def resources(self) -> Resources:
        """Return the bot's resources now, once all its work has ended."""
        self.scene.clock.skip(3600.0)  # questions expire
        await self.scene.settled()
        await self.scene.poll()
        await asyncio.sleep(0.2)
        return Resources(bot_memory(self.scene.bot), open_files(), len(lasting_tasks()))


def bot_memory(bot: object) -> float:
    """Return the memory of everything that the bot and its modules hold on to, in MiB.

    Tracing all allocations would make the day twenty times as long.
    """
    gc.collect()
    modules = {id(vars(module)): module.__name__ for module in list(sys.modules.values())}
    own = [module for name, module in sys.modules.items() if name.partition(".")[0] in PACKAGES]
    seen, found = set[int](), 0
    waiting: list[object] = [bot, *(value for module in own for value in vars(module).values())]
    while waiting:
        each = waiting.pop()
        number, package = id(each), type(each).__module__.partition(".")[0]
        if number in seen or number in modules or package in ASIDE or isinstance(each, _NOT_ENTERED):
            continue
        seen.add(number)
        found += sys.getsizeof(each)
        waiting += gc.get_referents(each)
    return found / 2**20


_NOT_ENTERED = (ModuleType, type, FrameType, CoroutineType, asyncio.AbstractEventLoop)


def lasting_tasks() -> list[str]:
    """Return the names of all tasks but discord.py's timers of views.

    Those end after three minutes of real time, in which hours of the day pass.
    """
    names = [str(getattr(task.get_coro(), "__qualname__", "")) for task in asyncio.all_tasks()]
    return [name for name in names if "timeout_task" not in name]


def open_files() -> int:
    """Return the number of open files and sockets of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def incidents_in(journal: Path) -> int:
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM incidents").fetchall()
    return int(count)


async def run_day(size: DaySize, seed: int, directory: Path) -> Day:
    """Run one day and return it with all that was wrong."""
    with Pve(nodes=NODES) as pve:
        pve.auth_delay = 0.0
        pve.max_requests = 1000
        pve.add_many(size.guests, first=FIRST)
        async with stage(pve, directory) as scene:
            people = [
                scene.server.person(scene.guild, f"p{at}", display=f"P{at}", locale=("ja", "en-US")[at % 2])
                for at in range(20)
            ]
            day = Day(scene, size, random.Random(seed), people)  # noqa: S311 - harmless randomness
            warnings = Warnings(scene.clock.monotonic)
            logging.getLogger().addHandler(warnings)
            before = open_files()
            try:
                await scene.start_bot(
                    MONITOR_VM_IDS=" ".join(map(str, size.watched)), CHANGES_PER_MINUTE="0", LANGUAGE="en"
                )
                await day.run()
                clients = [site.proxmox for site in scene.services.sites]
                await scene.stop_bot()
                for client in clients:
                    client.close()  # as bot.py does last
                del client, clients
                gc.collect()
            finally:
                logging.getLogger().removeHandler(warnings)
            end = time.monotonic() + CLOSE_SECONDS
            while (still := open_files() - before) > 0:
                if time.monotonic() > end:
                    day.wrong.append(f"{still} files or sockets stayed open")
                    break
                await asyncio.sleep(0.05)
            day.wrong += [f"logged {n + 1} times: {text}" for text, n in warnings.repeated.items()]
            told = incidents_in(directory / "journal.db")
            if told < size.incidents:
                day.wrong.append(f"only {told} of {size.incidents} incidents were noticed")
            return day


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line. Return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.long_runs.day", description=__doc__.splitlines()[0]
    )
    for each in fields(DaySize):
        parser.add_argument(f"--{each.name}", type=int, default=each.default)
    parser.add_argument("--seed", type=int, default=1)
    options = vars(parser.parse_args(arguments))
    seed, began = options.pop("seed"), time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        day = asyncio.run(run_day(DaySize(**options), seed, Path(directory)))
    print("\n".join(day.wrong))
    print(
        f"seed {seed}: {dict(day.figures)} in {day.size.minutes} minutes with {day.size.guests} guests; "
        f"half {day.half}, end {day.end}; wrong {len(day.wrong)}; {time.monotonic() - began:.0f} s"
    )
    return 1 if day.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
