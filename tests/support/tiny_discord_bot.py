"""Run a small discord.py bot as a separate process, for the tests of the demo Discord."""

from __future__ import annotations

import asyncio
import io
import logging
import os
from typing import Any

import aiohttp
import discord
import yarl
from discord import app_commands

GUILD = discord.Object(int(os.environ.get("GUILD_ID", "1")))


class CountButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"count:(?P<n>\d+)"):
    """Count presses. The button works after a restart, because its whole state is in its custom_id."""

    def __init__(self, n: int) -> None:
        super().__init__(discord.ui.Button(label=f"Count {n}", custom_id=f"count:{n}"))
        self.n = n

    @classmethod
    async def from_custom_id(cls, _interaction: Any, _item: Any, match: Any, /) -> CountButton:
        return cls(int(match["n"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.edit_message(view=panel(self.n + 1))


class NameForm(discord.ui.Modal, title="名前を入力"):
    """Show an explanation and, below it, one text field."""

    hint: discord.ui.TextDisplay[Any] = discord.ui.TextDisplay("元に戻せません")
    name: discord.ui.Label[Any] = discord.ui.Label(
        text="名前", component=discord.ui.TextInput(custom_id="name", max_length=20)
    )

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        assert isinstance(self.name.component, discord.ui.TextInput)
        await interaction.response.send_message(f"deleted {self.name.component.value}", ephemeral=True)


def panel(n: int) -> discord.ui.LayoutView:
    row: discord.ui.ActionRow[Any] = discord.ui.ActionRow(CountButton(n))
    container: discord.ui.Container[Any] = discord.ui.Container(
        discord.ui.TextDisplay(f"## web01\ncount {n}"), row, accent_colour=0x00AA00
    )
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(container)
    return view


class TinyBot(discord.Client):
    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True), guild_ready_timeout=0.1)
        self.tree = app_commands.CommandTree(self)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(CountButton)
        await self.tree.sync(guild=GUILD)


bot = TinyBot()
snapshot = app_commands.Group(name="snapshot", description="Snapshots", guild_ids=[GUILD.id])


@snapshot.command(description="Create a snapshot")
async def create(interaction: discord.Interaction[Any], vmid: int, name: str) -> None:
    await interaction.response.defer()
    await interaction.edit_original_response(content=f"{vmid} {name} {interaction.locale.value}")
    await interaction.followup.send(f"guild {interaction.guild_locale}", ephemeral=True)


@create.autocomplete("name")
async def names(_interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
    count = 26 if current == "many" else 2
    label = "x" * 101 if current == "long" else f"{current}-"
    return [app_commands.Choice(name=f"{label}{i}", value=f"{current}{i}") for i in range(count)]


@bot.tree.command(guild=GUILD, description="Show a panel")
async def show(interaction: discord.Interaction[Any]) -> None:
    await interaction.response.send_message(view=panel(0))


@bot.tree.command(guild=GUILD, description="Ask for a name")
async def form(interaction: discord.Interaction[Any], title: str = "名前を入力") -> None:
    modal = NameForm()
    modal.title = title
    await interaction.response.send_modal(modal)
    print("the form is known", flush=True)  # noqa: T201  # discord.py accepts a submission only from now on


@bot.tree.command(guild=GUILD, description="Answer late")
async def late(interaction: discord.Interaction[Any], seconds: float, after_ack: float = 0.0) -> None:
    await asyncio.sleep(seconds)
    try:
        await interaction.response.defer()
        await asyncio.sleep(after_ack)
        await interaction.edit_original_response(content="done")
    except discord.HTTPException as error:
        assert isinstance(interaction.channel, discord.abc.Messageable)
        await interaction.channel.send(f"failed {error.status} {error.code}")


@bot.tree.command(guild=GUILD, description="Post in the channel")
async def post(
    interaction: discord.Interaction[Any], text: str, times: int = 1, nonce: int | None = None
) -> None:
    await interaction.response.defer(ephemeral=True)
    assert isinstance(interaction.channel, discord.abc.Messageable)
    more: dict[str, Any] = {} if nonce is None else {"nonce": nonce}
    outcome = []
    for _ in range(times):
        try:
            await interaction.channel.send(text, **more)
            outcome.append("sent")
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            outcome.append(f"{type(error).__name__} {getattr(error, 'status', '')}".strip())
    await interaction.edit_original_response(content=", ".join(outcome))


@bot.tree.command(guild=GUILD, description="Who and where")
async def where(interaction: discord.Interaction[Any]) -> None:
    assert isinstance(interaction.user, discord.Member)
    assert isinstance(interaction.channel, discord.TextChannel | discord.Thread)
    roles = ",".join(role.name for role in interaction.user.roles if not role.is_default())
    channel = interaction.channel if isinstance(interaction.channel, discord.TextChannel) else None
    parent = interaction.channel.parent if isinstance(interaction.channel, discord.Thread) else channel
    category = parent.category.name if parent is not None and parent.category is not None else "none"
    await interaction.response.send_message(f"{interaction.user.display_name} [{roles}] in {category}")


@bot.tree.command(guild=GUILD, description="Send a file")
async def file(interaction: discord.Interaction[Any]) -> None:
    attached = discord.File(io.BytesIO(b"\x89PNG"), "chart.png", description="CPU")
    embed = discord.Embed(title="CPU", description="one hour").set_image(url="attachment://chart.png")
    await interaction.response.send_message(embed=embed, file=attached)


@bot.tree.command(guild=GUILD, description="Break a limit")
async def broken(interaction: discord.Interaction[Any], what: str) -> None:
    assert isinstance(interaction.channel, discord.abc.Messageable)
    await interaction.response.defer(ephemeral=True)
    view = discord.ui.View()
    layout = discord.ui.LayoutView()
    try:
        match what:
            case "label":
                view.add_item(discord.ui.Button(label="x" * 81, custom_id="a"))
                await interaction.channel.send("hello", view=view)
            case "content":
                await interaction.channel.send("x" * 2001)
            case "text":
                layout.add_item(discord.ui.TextDisplay("x" * 3000))
                layout.add_item(discord.ui.TextDisplay("x" * 1001))
                await interaction.channel.send(view=layout)
            case "mixed":
                layout.add_item(discord.ui.TextDisplay("x"))
                message = await interaction.channel.send(view=layout)
                await message.edit(content="y")
        await interaction.edit_original_response(content="accepted")
    except discord.HTTPException as error:
        await interaction.edit_original_response(content=f"refused {error.status} {error.code}")


bot.tree.add_command(snapshot)

if __name__ == "__main__":
    discord.http.Route.BASE = os.environ["DISCORD_API_BASE"]
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD_GATEWAY_URL"])
    bot.run(os.environ["DISCORD_TOKEN"], log_level=logging.INFO)
