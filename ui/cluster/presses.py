"""Answer the buttons of nodes and of the card of the whole cluster."""

import re

from core.audit.record import format_options
from core.proxmox import Period
from ui.charts.commands import show_node_chart
from ui.cluster.commands import show_cluster_status
from ui.cluster.infrastructure import show_node
from ui.interaction.attempt import Attempt, recording
from ui.interaction.context import Interaction, services_of
from ui.interaction.reply import Reply
from ui.sites.pages import page_reply


async def on_node_press(interaction: Interaction, match: re.Match[str], attempt: Attempt) -> None:
    """Open the card of a node that was chosen in a list, or its chart, only for the person who asks."""
    name = match["chart"] or match["node"]
    async with Reply(services_of(interaction), interaction, private=True, anew=True) as reply:
        with recording(attempt, format_options({"node": name})):
            await (show_node_chart(reply, name, Period.DAY) if match["chart"] else show_node(reply, name))


async def on_status_press(interaction: Interaction, _match: re.Match[str], attempt: Attempt) -> None:
    async with page_reply(services_of(interaction), interaction, attempt) as reply:
        with recording(attempt, ""):
            await show_cluster_status(reply)
