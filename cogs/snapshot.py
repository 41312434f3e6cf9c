"""Declare /snapshot create, list, rollback and delete."""

from dataclasses import replace

from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from core.operations import Operation
from core.validation import DESCRIPTION_MOST
from ui.formatting import plain
from ui.guests.act import act
from ui.guests.confirm import ask_first
from ui.guests.snapshots import show_snapshots
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Interaction
from ui.interaction.reply import Reply
from ui.interaction.services import Services
from ui.options.completions import DRY_RUN, VMID
from ui.options.guest import GuestOption
from ui.options.snapshot import complete_snapshots
from ui.options.typed_guest import find_guest

NAME = locale_str("Snapshot to use")


class Snapshots(
    commands.GroupCog, group_name="snapshot", group_description=locale_str("Snapshots of a guest")
):
    """Take, list, roll back to and delete snapshots."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @app_commands.command(description=locale_str("Create a snapshot"))
    @app_commands.describe(
        vmid=VMID,
        name=locale_str("Name: a letter, then letters, digits, - and _"),
        description=locale_str("Description"),
        with_memory=locale_str("Include RAM (running VMs only)"),
    )
    async def create(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption(Operation.SNAPSHOT_CREATE)],
        name: str,
        description: app_commands.Range[str, 0, DESCRIPTION_MOST] = "",
        with_memory: bool = False,
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            guest = await find_guest(interaction, vmid, Operation.SNAPSHOT_CREATE)
            order = replace(
                guest.order(interaction, Operation.SNAPSHOT_CREATE),
                snapshot=name.strip(),
                description=self._signed(description, interaction),
                with_memory=with_memory,
            )
            await act(guest.site, reply, order)

    def _signed(self, description: str, interaction: Interaction) -> str:
        """Add the person's name to the description, because Proxmox only shows the bot's API token."""
        t, user = self._services.texts.public, interaction.user
        who = f"{plain(user.display_name)} ({user.id})"
        if not description:
            return t("by {name} via Discord", name=who)
        return t("{description} (by {name} via Discord)", description=description, name=who)

    @app_commands.command(name="list", description=locale_str("List snapshots"))
    @app_commands.describe(vmid=VMID)
    async def list_snapshots(
        self, interaction: Interaction, vmid: app_commands.Transform[str, GuestOption()]
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            found = await find_guest(interaction, vmid, Operation.SNAPSHOT_LIST)
            with record_attempt(interaction, Operation.SNAPSHOT_LIST, found.vmid):
                await show_snapshots(found.site, reply, found.vmid)

    @app_commands.command(description=locale_str("Roll back to a snapshot (asks for confirmation)"))
    @app_commands.describe(vmid=VMID, name=NAME, dry_run=DRY_RUN)
    @app_commands.autocomplete(name=complete_snapshots)
    async def rollback(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption(Operation.SNAPSHOT_ROLLBACK)],
        name: str,
        dry_run: bool = False,
    ) -> None:
        await self._ask(interaction, Operation.SNAPSHOT_ROLLBACK, vmid, name, dry_run=dry_run)

    @app_commands.command(description=locale_str("Delete a snapshot (asks for confirmation)"))
    @app_commands.describe(vmid=VMID, name=NAME)
    @app_commands.autocomplete(name=complete_snapshots)
    async def delete(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption(Operation.SNAPSHOT_DELETE)],
        name: str,
    ) -> None:
        await self._ask(interaction, Operation.SNAPSHOT_DELETE, vmid, name)

    async def _ask(
        self, interaction: Interaction, operation: Operation, vmid: str, name: str, *, dry_run: bool = False
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            guest = await find_guest(interaction, vmid, operation)
            order = replace(guest.order(interaction, operation), snapshot=name.strip(), dry_run=dry_run)
            await ask_first(guest.site, reply, order)
