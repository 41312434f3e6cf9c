"""Declare /audit, and run the tasks around the audit trail.

They post it to its channel, write the counts of repeated requests, and find out how actions ended that were cut off.
"""

import asyncio

from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from core.operations import Operation
from ui.audit.commands import send_audit, show_audit
from ui.audit.filters import choose_trail, complete_people, complete_since, detail_of, filter_of
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Interaction
from ui.interaction.reply import Reply
from ui.interaction.services import Services
from ui.options.completions import complete_operations
from ui.options.guest import GuestOption
from ui.sites.option import SITE, SiteName, find_vmid

COUNTS_EVERY = 15.0  # seconds


class Audit(commands.Cog):
    """Show the audit trail. The answer is private, because it names guests and people."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._delivery: asyncio.Task[None] | None = None
        self._aside: list[asyncio.Task[None]] = []

    async def cog_load(self) -> None:
        self._delivery = asyncio.create_task(self._services.audit_delivery.run(), name="audit")
        self._aside = [
            *(
                asyncio.create_task(site.action_recovery.run(), name="cut off")
                for site in self._services.sites
            ),
            asyncio.create_task(self._counts(), name="audit counts"),
        ]

    async def cog_unload(self) -> None:
        for task in filter(None, (self._delivery, *self._aside)):
            task.cancel()
        for site in self._services.sites:
            site.action_recovery.stop()

    async def _counts(self) -> None:
        """Write the counts of repeated requests once their minute is over, and the records that the disk refused."""
        while True:
            await asyncio.sleep(COUNTS_EVERY)
            for trail in self._services.trails:
                trail.write_late()

    async def finish(self) -> None:
        """Try once more to post the waiting lines before the bot ends."""
        if self._delivery is not None:  # otherwise it was never started
            await self._services.audit_delivery.drain()

    @app_commands.command(description=locale_str("Show who did what"))
    @app_commands.describe(
        vmid=locale_str("Only this guest: VMID or name"),
        who=locale_str("Only this person: name or user ID"),
        action=locale_str("Only this action"),
        since=locale_str("Since when, such as 8h, 30d or 2026-11-01"),
        readings=locale_str("Also show views, such as lists and details"),
        csv=locale_str("Attach everything as a CSV file"),
        site=SITE,
    )
    @app_commands.autocomplete(who=complete_people, action=complete_operations, since=complete_since)
    async def audit(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption()] | None = None,
        who: str = "",
        action: str = "",
        since: str = "",
        readings: bool = False,
        csv: bool = False,
        site: SiteName = "",
    ) -> None:
        services, detail = self._services, detail_of(who, action, since, readings=readings, csv=csv)
        async with Reply(services, interaction, private=True) as reply:
            number = await find_vmid(interaction, vmid, site, Operation.AUDIT)
            with record_attempt(interaction, Operation.AUDIT, number, detail) as asked:
                trail = choose_trail(asked, site)
                wanted = await filter_of(services, number, who, action, since, trail, readings=readings)
                await (send_audit if csv else show_audit)(services, reply, wanted)
