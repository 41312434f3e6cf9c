"""Declare /node list, /node info and /storage."""

from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from core.audit.record import format_options
from core.operations import Operation
from ui.cluster.infrastructure import show_node, show_nodes, show_storages
from ui.guests.lists.choices import complete_nodes
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Interaction
from ui.interaction.reply import Reply
from ui.interaction.services import Services
from ui.sites.option import SITE, SiteName, choose_typed_site


class Nodes(commands.Cog):
    """Show nodes and storages."""

    node = app_commands.Group(name="node", description=locale_str("Show nodes"))

    def __init__(self, services: Services) -> None:
        self._services = services

    @node.command(name="list", description=locale_str("List nodes and their usage"))
    @app_commands.describe(site=SITE)
    async def list_nodes(self, interaction: Interaction, site: SiteName = "") -> None:
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.NODE_LIST):
                choose_typed_site(interaction, site)
                await show_nodes(reply)

    @node.command(name="info", description=locale_str("Show a node in detail"))
    @app_commands.describe(node=locale_str("Node"))
    @app_commands.autocomplete(node=complete_nodes)
    async def node_info(self, interaction: Interaction, node: str) -> None:
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.NODE_INFO, detail=format_options({"node": node})):
                await show_node(reply, node)

    @app_commands.command(description=locale_str("List storages, and when they will be full"))
    @app_commands.describe(site=SITE)
    async def storage(self, interaction: Interaction, site: SiteName = "") -> None:
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.STORAGE):
                choose_typed_site(interaction, site)
                await show_storages(reply)
