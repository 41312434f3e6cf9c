"""Declare /access, /health, /readonly on and /readonly off."""

from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from core.operations import Operation
from ui.access.commands import show_access
from ui.access.health import show_health
from ui.access.read_only import turn_off, turn_on
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Interaction
from ui.interaction.reply import Reply
from ui.interaction.services import Services
from ui.options.completions import VMID, complete_operations
from ui.options.guest import GuestOption
from ui.sites.option import SITE, SiteName, choose_typed_site, find_vmid


class Access(commands.Cog):
    """Show people what they may do, and admins how well the bot is set up. Turn read-only mode on or off."""

    readonly = app_commands.Group(name="readonly", description=locale_str("Turn read-only mode on or off"))

    def __init__(self, services: Services) -> None:
        self._services = services

    @app_commands.command(description=locale_str("Show which actions you can use"))
    @app_commands.describe(action=locale_str("Only this action"), vmid=VMID, site=SITE)
    @app_commands.autocomplete(action=complete_operations)
    async def access(
        self,
        interaction: Interaction,
        action: str = "",
        vmid: app_commands.Transform[str, GuestOption()] | None = None,
        site: SiteName = "",
    ) -> None:
        async with Reply(self._services, interaction, private=True) as reply:
            number = await find_vmid(interaction, vmid, site, Operation.ACCESS)
            with record_attempt(interaction, Operation.ACCESS, number, action) as attempt:
                choose_typed_site(interaction, site)
                await show_access(reply, attempt, action)

    @app_commands.command(description=locale_str("Check the setup and show how to fix it"))
    @app_commands.describe(site=SITE)
    async def health(self, interaction: Interaction, site: SiteName = "") -> None:
        async with Reply(self._services, interaction, private=True) as reply:
            await show_health(reply, site)

    @readonly.command(name="on", description=locale_str("Turn read-only mode on (blocks changes)"))
    @app_commands.describe(site=SITE)
    async def turn_on(self, interaction: Interaction, site: SiteName = "") -> None:
        async with Reply(self._services, interaction) as reply:
            await turn_on(reply, site)

    @readonly.command(name="off", description=locale_str("Turn read-only mode off"))
    @app_commands.describe(site=SITE)
    async def turn_off(self, interaction: Interaction, site: SiteName = "") -> None:
        async with Reply(self._services, interaction) as reply:
            await turn_off(reply, site)
