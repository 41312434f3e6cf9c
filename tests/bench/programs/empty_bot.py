"""Run a bot with discord.py and proxmoxer and nothing in it: the floor of memory, start and answers."""

from __future__ import annotations

import os
from typing import Any

import discord
import yarl
from discord import app_commands
from proxmoxer import ProxmoxAPI

GUILD = discord.Object(int(os.environ["GUILD_ID"]))


class EmptyBot(discord.Client):
    def __init__(self) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
        )
        self.tree = app_commands.CommandTree(self)
        self.proxmox = ProxmoxAPI(
            os.environ["PROXMOX_HOST"], user="a@pve", token_name="a", token_value="a", verify_ssl=False
        )

    async def setup_hook(self) -> None:
        await self.tree.sync(guild=GUILD)

    async def on_connect(self) -> None:
        print("ready", flush=True)


bot = EmptyBot()


@bot.tree.command(guild=GUILD, description="Answer at once")
async def ping(interaction: discord.Interaction[Any], word: str = "") -> None:
    await interaction.response.send_message(f"pong {word}")


@ping.autocomplete("word")
async def words(_interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=f"{current} {i}", value=str(i)) for i in range(25)]


if __name__ == "__main__":
    discord.http.Route.BASE = os.environ["DISCORD_API_BASE"]
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD_GATEWAY_URL"])
    bot.run(os.environ["DISCORD_TOKEN"])
