"""Declare /dashboard create, remove and list."""

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from core.dashboard.model import Extent
from core.operations import Operation
from ui.dashboard.commands import create_dashboard, list_dashboards, remove_dashboard
from ui.dashboard.options import complete_dashboards
from ui.guests.lists.choices import complete_nodes, complete_pools, complete_tags
from ui.guests.lists.filters import Filters
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Interaction
from ui.interaction.reply import Reply
from ui.interaction.services import Services
from ui.sites.option import SITE, SiteName, choose_typed_site


class Dashboards(
    commands.GroupCog,
    group_name="dashboard",
    group_description=locale_str("Pinned messages that stay up to date"),
):
    """Create, remove and list dashboards."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @app_commands.command(description=locale_str("Pin a message that shows the cluster and stays up to date"))
    @app_commands.describe(
        channel=locale_str("Where (default: this channel)"),
        site=SITE,
        node=locale_str("Only this node"),
        tag=locale_str("Only guests with this tag"),
        pool=locale_str("Only guests in this pool"),
    )
    @app_commands.autocomplete(node=complete_nodes, tag=complete_tags, pool=complete_pools)
    async def create(
        self,
        interaction: Interaction,
        channel: discord.TextChannel | None = None,
        site: SiteName = "",
        node: str = "",
        tag: str = "",
        pool: str = "",
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            await create_dashboard(reply, channel, site, Filters(node=node), Extent(tag=tag, pool=pool))

    @app_commands.command(description=locale_str("Remove a dashboard and its message"))
    @app_commands.describe(dashboard=locale_str("Dashboard, or the link to its message"))
    @app_commands.autocomplete(dashboard=complete_dashboards)
    async def remove(self, interaction: Interaction, dashboard: str) -> None:
        async with Reply(self._services, interaction) as reply:
            await remove_dashboard(reply, dashboard)

    @app_commands.command(name="list", description=locale_str("List the dashboards"))
    @app_commands.describe(site=SITE)
    async def list_dashboards(self, interaction: Interaction, site: SiteName = "") -> None:
        async with Reply(self._services, interaction, private=True) as reply:
            with record_attempt(interaction, Operation.DASHBOARD_LIST):
                choose_typed_site(interaction, site)
                await list_dashboards(reply)
