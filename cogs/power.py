"""Declare /start, /reboot, /shutdown, /stop, /suspend, /resume and /reset."""

from dataclasses import replace

from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from core.operations import Operation
from ui.guests.confirm import act_or_ask, ask_first
from ui.interaction.context import Interaction
from ui.interaction.reply import Reply
from ui.interaction.services import Services
from ui.options.completions import DRY_RUN, VMID
from ui.options.guest import GuestOption
from ui.options.typed_guest import find_guest


class Power(commands.Cog):
    """Start, stop and pause guests."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def _act(self, interaction: Interaction, operation: Operation, vmid: str) -> None:
        async with Reply(self._services, interaction) as reply:
            guest = await find_guest(interaction, vmid, operation)
            await act_or_ask(guest.site, reply, guest.order(interaction, operation))

    async def _ask(self, interaction: Interaction, operation: Operation, vmid: str, *, dry_run: bool) -> None:
        async with Reply(self._services, interaction) as reply:
            guest = await find_guest(interaction, vmid, operation)
            order = replace(guest.order(interaction, operation), dry_run=dry_run)
            await ask_first(guest.site, reply, order)

    @app_commands.command(description=locale_str("Start a guest"))
    @app_commands.describe(vmid=VMID)
    async def start(
        self, interaction: Interaction, vmid: app_commands.Transform[str, GuestOption(Operation.START)]
    ) -> None:
        await self._act(interaction, Operation.START, vmid)

    @app_commands.command(description=locale_str("Reboot a guest"))
    @app_commands.describe(vmid=VMID)
    async def reboot(
        self, interaction: Interaction, vmid: app_commands.Transform[str, GuestOption(Operation.REBOOT)]
    ) -> None:
        await self._act(interaction, Operation.REBOOT, vmid)

    @app_commands.command(description=locale_str("Shut down a guest cleanly"))
    @app_commands.describe(vmid=VMID)
    async def shutdown(
        self, interaction: Interaction, vmid: app_commands.Transform[str, GuestOption(Operation.SHUTDOWN)]
    ) -> None:
        await self._act(interaction, Operation.SHUTDOWN, vmid)

    @app_commands.command(description=locale_str("Force-stop a guest (asks for confirmation)"))
    @app_commands.describe(vmid=VMID, dry_run=DRY_RUN)
    async def stop(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption(Operation.STOP)],
        dry_run: bool = False,
    ) -> None:
        await self._ask(interaction, Operation.STOP, vmid, dry_run=dry_run)

    @app_commands.command(description=locale_str("Pause a VM"))
    @app_commands.describe(vmid=VMID)
    async def suspend(
        self, interaction: Interaction, vmid: app_commands.Transform[str, GuestOption(Operation.SUSPEND)]
    ) -> None:
        await self._act(interaction, Operation.SUSPEND, vmid)

    @app_commands.command(description=locale_str("Resume a paused VM"))
    @app_commands.describe(vmid=VMID)
    async def resume(
        self, interaction: Interaction, vmid: app_commands.Transform[str, GuestOption(Operation.RESUME)]
    ) -> None:
        await self._act(interaction, Operation.RESUME, vmid)

    @app_commands.command(description=locale_str("Reset a VM (asks for confirmation)"))
    @app_commands.describe(vmid=VMID, dry_run=DRY_RUN)
    async def reset(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption(Operation.RESET)],
        dry_run: bool = False,
    ) -> None:
        await self._ask(interaction, Operation.RESET, vmid, dry_run=dry_run)
