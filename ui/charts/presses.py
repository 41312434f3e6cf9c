"""Answer the buttons of charts."""

import re

from core.audit.record import format_options
from core.charts.series import ChartTopic
from core.operations import Operation
from core.proxmox import Period
from ui.charts.commands import show_guest_chart, show_node_chart
from ui.charts.view import Wish
from ui.interaction.attempt import Attempt, recording
from ui.interaction.context import Interaction, services_of
from ui.interaction.reply import Reply
from ui.sites.pages import page_reply


def chart_operation(match: re.Match[str]) -> Operation | None:
    return Operation.GRAPH_NODE if match["node"] else Operation.GRAPH_GUEST


async def on_chart_press(interaction: Interaction, match: re.Match[str], attempt: Attempt) -> None:
    """Replace the chart in its message. A scoped user's chart of a node may be a new private message (`page_reply`).

    A guest's chart is the same for everybody who may see it, so that it is always replaced.
    """
    services, node, what = services_of(interaction), match["node"], match["topic"] or ""
    period, topic = Period(match["period"]), ChartTopic(what) if what else None
    async with page_reply(services, interaction, attempt) if node else Reply(services, interaction) as reply:
        with recording(attempt, format_options({"node": node or "", "period": period.value, "what": what})):
            if node:
                await show_node_chart(reply, node, period, topic)
            else:
                vmid = int(match["vmid"])
                await show_guest_chart(attempt.site, reply, vmid, Wish.of_guest(vmid, period, topic))
