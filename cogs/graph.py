"""Declare the group /graph: charts of the past usage of guests and nodes."""

from discord import app_commands
from discord.app_commands import Choice, locale_str
from discord.ext import commands

from core.audit.record import format_options
from core.charts.series import ChartTopic
from core.operations import Operation
from core.proxmox import Period
from ui.charts.commands import show_guest_chart, show_node_chart
from ui.charts.view import Wish
from ui.charts.words import PERIODS, TOPICS
from ui.guests.lists.choices import complete_nodes
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Interaction
from ui.interaction.reply import Reply
from ui.interaction.services import Services
from ui.options.completions import VMID
from ui.options.guest import GuestOption
from ui.options.typed_guest import find_guest

PERIOD_CHOICES = [Choice(name=locale_str(label), value=period.value) for period, label in PERIODS.items()]
TOPIC_CHOICES = [Choice(name=locale_str(label), value=topic.value) for topic, label in TOPICS.items()]
PERIOD, TOPIC = locale_str("How far back (default: a day)"), locale_str("What to show (default: four charts)")


class Graph(
    commands.GroupCog,
    group_name="graph",
    group_description=locale_str("Charts of guests and nodes"),
):
    """Show charts. The answer is public, like that of /info."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @app_commands.command(name="guest", description=locale_str("Show a chart of a guest's usage"))
    @app_commands.describe(vmid=VMID, period=PERIOD, what=TOPIC)
    @app_commands.choices(period=PERIOD_CHOICES, what=TOPIC_CHOICES)
    async def graph_guest(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption()],
        period: str = Period.DAY.value,
        what: str = "",
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            guest = await find_guest(interaction, vmid, Operation.GRAPH_GUEST)
            detail = format_options({"period": period, "what": what})
            with record_attempt(interaction, Operation.GRAPH_GUEST, guest.vmid, detail):
                wish = Wish.of_guest(guest.vmid, Period(period), _topic(what))
                await show_guest_chart(guest.site, reply, guest.vmid, wish)

    @app_commands.command(name="node", description=locale_str("Show a chart of a node's usage"))
    @app_commands.describe(node=locale_str("Node"), period=PERIOD, what=TOPIC)
    @app_commands.choices(period=PERIOD_CHOICES, what=TOPIC_CHOICES)
    @app_commands.autocomplete(node=complete_nodes)
    async def graph_node(
        self, interaction: Interaction, node: str, period: str = Period.DAY.value, what: str = ""
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            detail = format_options({"node": node, "period": period, "what": what})
            with record_attempt(interaction, Operation.GRAPH_NODE, detail=detail):
                await show_node_chart(reply, node, Period(period), _topic(what))


def _topic(what: str) -> ChartTopic | None:
    return ChartTopic(what) if what else None
