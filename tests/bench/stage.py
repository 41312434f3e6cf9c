"""Put the bot between the two servers, and a bot that does nothing beside it."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from playground.demo import clean_environment
from tests.bench.discord_side import BenchDiscord, Town
from tests.bench.floors import RawProxmox
from tests.bench.processes import Program, Proxmox, program, proxmox
from tests.bench.programs.proxmox_server import TAG

INTERVAL = 5
"""Seconds between two polls of Proxmox; the minimum that the bot allows."""
HASTE = 20.0
"""Seconds that pass on the clock of a polling bot in each second."""
CONNECTED = "connected to Discord as"
READY = "ready:"


class Running(Enum):
    """How the bot runs in a measurement."""

    NO_BOT = "no bot"
    CALM = "real time, one poll at the start"
    POLLING = f"a poll each {INTERVAL / HASTE:.2f} s"


@dataclass
class Stage:
    """Everything that a measurement uses. `running` is the bot, None while it does not run."""

    guests: int
    directory: Path
    proxmox: Proxmox
    raw: RawProxmox
    town: Town
    empty_town: Town
    empty_bot: Program
    small: bool
    """Whether the measurement only has to work, as in a test."""
    running: Program | None = None
    idle_cpu: float = 0.0
    """Share of a CPU that the bot uses while nothing happens."""
    starts: int = 0
    """Number of data directories made so far. The bot that runs has the last one."""

    @property
    def bot(self) -> Program:
        assert self.running is not None, "no bot runs"
        return self.running

    def samples(self, count: int) -> int:
        return 2 if self.small else count

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the whole environment of the bot. It gets a new data directory each time."""
        self.starts += 1
        data = self.directory / f"data {self.starts}"
        data.mkdir(mode=0o700)
        town = self.town
        return {
            **clean_environment(),
            "LANG": "C.UTF-8",
            **town.server.environment(),
            "GUILD_ID": str(town.guild.id),
            "ALLOWED_CATEGORY_ID": str(town.category.id),
            "ALERT_CHANNEL_ID": str(town.alerts.id),
            "PROXMOX_HOST": f"{self.proxmox.host}:{self.proxmox.port}",
            "PROXMOX_USER": "discordbot@pve",
            "PROXMOX_TOKEN_NAME": "bot",
            "PROXMOX_TOKEN_VALUE": self.proxmox.token,
            "PROXMOX_VERIFY_SSL": self.proxmox.ca_file,
            "NODE_NAME": "pve1",
            "MONITOR_INTERVAL_SECONDS": "3600",
            "ADMIN_ROLE_IDS": str(town.admin.id),
            "OPERATOR_ROLE_IDS": str(town.narrow.id),
            "ROLE_SCOPES": json.dumps({str(town.narrow.id): [f"tag:{TAG}"]}),
            "CHANGES_PER_MINUTE": "0",
            "LANGUAGE": "en",
            "DATA_DIR": str(data),
            **settings,
        }

    @property
    def journal(self) -> Path:
        return self.directory / f"data {self.starts}" / "journal.db"

    @contextlib.asynccontextmanager
    async def started(self, how: Running) -> AsyncIterator[None]:
        """Run the bot in this way, or none. The block begins once it is connected and has read the cluster.

        If `small`, the read is not waited for.
        """
        if how is Running.NO_BOT:
            yield
            return
        polls = how is Running.POLLING
        settings = {"MONITOR_INTERVAL_SECONDS": str(INTERVAL)} if polls else {}
        command = ("bot.py", "--config", str(self.directory / "no config.py"))
        haste = HASTE if polls else 1.0
        async with program(self.environment(**settings), self.directory, *command, haste=haste) as bot:
            await bot.until_written(CONNECTED)
            if not self.small:
                await bot.until_written(READY)
            self.running = bot
            try:
                yield
            finally:
                self.running = None


def empty_environment(town: Town) -> dict[str, str]:
    return {
        **clean_environment(),
        **town.server.environment(),
        "GUILD_ID": str(town.guild.id),
        "PROXMOX_HOST": "127.0.0.1",
    }


@contextlib.asynccontextmanager
async def bench_stage(guests: int, *, small: bool = False) -> AsyncIterator[Stage]:
    """Start the servers with this number of guests, and the empty bot."""
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        cluster = await enter(proxmox(guests))
        town, empty_town = Town(await enter(BenchDiscord())), Town(await enter(BenchDiscord()))
        empty = await enter(
            program(empty_environment(empty_town), directory, "tests/bench/programs/empty_bot.py")
        )
        await empty.until_written("ready")
        raw = stack.enter_context(RawProxmox(cluster))
        yield Stage(guests, directory, cluster, raw, town, empty_town, empty, small)
