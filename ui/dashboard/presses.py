"""Answer the buttons of a dashboard."""

import contextlib

from discord import ui

from core.errors import BotError, JournalFailed
from core.operations import Operation
from core.wanted_errors import NoSuchDashboard
from core.watch.incidents.model import Severity
from ui.cards import card
from ui.cluster.commands import cluster_status_of
from ui.cluster.paragraphs import incidents_text
from ui.cluster.view import ClusterStatus
from ui.dashboard.messages import delete_orphan
from ui.discord.failures import DISCORD_ERRORS
from ui.formatting import MESSAGE_MOST, Colour, fit_lines
from ui.i18n import Text
from ui.interaction.attempt import Attempt, recording
from ui.interaction.context import Interaction, actor_of, services_of
from ui.interaction.reply import Reply
from ui.sites.reads import read_one

RENEWAL_SECONDS = 5.0
"""Maximum seconds to wait until the message is renewed."""
ALERTS_MOST = 15
"""Maximum number of incidents that the button lists."""
TROUBLE_MOST = 1600
"""Maximum characters of the lines that say, below the incidents, what is not read, sent or stored."""


async def on_dashboard_press(interaction: Interaction, what: str, mark: str, attempt: Attempt) -> None:
    """Renew the message, or show the open incidents that the person may see."""
    services = services_of(interaction)
    if what == "alerts":
        async with Reply(services, interaction, private=True, anew=True) as reply:
            with recording(attempt, ""):
                await _show_incidents(reply, attempt)
        return
    async with Reply(services, interaction) as reply:
        with recording(attempt, ""):
            keeper = attempt.site.dashboards
            if keeper.find(mark) is None:
                await _delete_orphan(interaction, attempt)
                raise NoSuchDashboard(mark)
            await reply.accept()
            with contextlib.suppress(BotError):  # the dashboard itself shows that the read failed
                await attempt.site.cluster_cache.read()
            await keeper.refresh(mark, RENEWAL_SECONDS)


async def _delete_orphan(interaction: Interaction, attempt: Attempt) -> None:
    """Delete the pressed message if its dashboard is not stored. Does not raise."""
    with contextlib.suppress(JournalFailed, *DISCORD_ERRORS):
        if interaction.message is not None:
            await delete_orphan(interaction.message, attempt.site)


async def _show_incidents(reply: Reply, attempt: Attempt) -> None:
    status = await cluster_status_of(reply.t, await read_one(attempt.site), actor_of(reply.interaction))
    await reply.show(incidents_card(reply.t, status, reply.mention(Operation.MONITOR_HISTORY)))


def incidents_card(t: Text, status: ClusterStatus, steps: str) -> ui.LayoutView:
    """Build the card: open incidents, then what is not read, sent or stored. `steps`: a line with the next steps."""
    unsure = bool(status.faults or status.note or not status.sees_nodes)
    trouble = fit_lines(t, filter(None, (status.note, *status.faults)), TROUBLE_MOST)
    room = MESSAGE_MOST - 200 - len(trouble)
    text = incidents_text(t, status.incidents, room, unsure=unsure, most=ALERTS_MOST)
    colour = Colour.WARN if status.incidents or unsure else Colour.GOOD
    if any(each.level is Severity.CRITICAL for each in status.incidents):
        colour = Colour.BAD
    return card(text, trouble, steps, colour=colour)
