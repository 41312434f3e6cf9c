"""The stage of the tests: the real bot between a Discord and a Proxmox cluster on loopback.

Real discord.py over real sockets to SimCord's model, real proxmoxer over HTTPS to fakepve. Only time is short:
the bot's waits are cut to a fraction.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import discord
import yarl

from bot import ProxmoxBot
from core.clock import Clock
from playground.discord_people import Person, Reply
from playground.discord_posts import Post
from playground.discord_server import DiscordServer
from playground.pve import Pve
from settings import load

QUESTION_SECONDS = 60.0
"""What a question waits for, on the stage's own clock."""


class FastClock(Clock):
    """Waits a fiftieth of the time; a minute is over in 1.2 s."""

    speed = 50.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)


class Stage:
    """Everything a test acts on. `say` runs a command as a person and waits for the end of the answer."""

    def __init__(self, pve: Pve, discord_server: DiscordServer, directory: Path) -> None:
        self.pve, self.server, self.directory = pve, discord_server, directory
        self.guild = discord_server.guild("Test")
        self.category = self.guild.create_category("Proxmox")
        self.channel = self.guild.create_text_channel("proxmox", category=self.category)
        self.alerts = self.guild.create_text_channel("alerts", category=self.category)
        self.outside = self.guild.create_text_channel("lobby")
        self.akiko = discord_server.person(self.guild, "akiko", display="Akiko", locale="ja")
        self.emma = discord_server.person(self.guild, "emma", display="Emma", locale="en-US")
        self.settings: dict[str, str] = {}
        self.bot: ProxmoxBot | None = None
        self._running: asyncio.Task[None] | None = None

    def environment(self) -> dict[str, str]:
        """The bot's whole configuration."""
        return {
            **self.server.environment(),
            "GUILD_ID": str(self.guild.id),
            "ALLOWED_CATEGORY_ID": str(self.category.id),
            "ALERT_CHANNEL_ID": str(self.alerts.id),
            "PROXMOX_HOST": f"{self.pve.host}:{self.pve.port}",
            "PROXMOX_USER": "discordbot@pve",
            "PROXMOX_TOKEN_NAME": "bot",
            "PROXMOX_TOKEN_VALUE": self.token,
            "PROXMOX_VERIFY_SSL": str(self.pve.ca_file),
            "NODE_NAME": "pve1",
            "MONITOR_VM_IDS": "",
            "MONITOR_INTERVAL_SECONDS": "3600",
            "LANGUAGE": "en",
            "DATA_DIR": str(self.directory),
            **self.settings,
        }

    async def start_bot(self, **settings: str) -> None:
        """A new bot in this process, connected and with its commands registered."""
        self.settings = settings
        bot = ProxmoxBot(load(self.directory / "config.py", self.environment()), FastClock())
        bot.services.questions.__init__(QUESTION_SECONDS)  # type: ignore[misc]  # a fresh one, same object
        self.bot = bot
        self._running = asyncio.create_task(bot.start(self.server.environment()["DISCORD_TOKEN"]))
        await self.server.wait_ready()
        await bot.wait_until_ready()

    async def stop_bot(self) -> None:
        if self.bot is not None and self._running is not None:
            await self.bot.close()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self.bot = None

    async def restart_bot(self) -> None:
        await self.stop_bot()
        await self.start_bot(**self.settings)

    @property
    def token(self) -> str:
        return self._token

    @token.setter
    def token(self, value: str) -> None:
        self._token = value

    async def say(self, person: Person, command: str, /, **options: Any) -> Reply:
        """Run a command in the bot's channel."""
        return await self.server.slash(person, self.channel, command, **options)

    async def choices(self, person: Person, command: str, option: str, typed: str = "", **filled: Any) -> list[str]:
        """The labels offered while typing."""
        found = await self.server.autocomplete(person, self.channel, command, option, typed, **filled)
        return [choice["name"] for choice in found]

    def alerts_told(self) -> list[Post]:
        return self.server.messages(self.alerts)


@contextlib.asynccontextmanager
async def stage(pve: Pve, directory: Path) -> AsyncIterator[Stage]:
    """Discord's side up, discord.py pointed at it; the bot is started by the test."""
    async with DiscordServer() as server:
        route, gateway = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
        discord.http.Route.BASE = server.api_base
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway_url)
        try:
            scene = Stage(pve, server, directory)
            yield scene
            await scene.stop_bot()
        finally:
            discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = route, gateway
