"""Handle presses on the buttons of alerts. Access is decided for the person who presses."""

import re

from core.actions.order import Order
from core.errors import IncidentOver
from core.operations import Operation
from core.proxmox import Period
from core.watch.incidents.model import Incident, Topic
from core.watch.incidents.offers import guest_of, has_log
from ui.cards import notice
from ui.charts.commands import show_guest_chart, show_node_chart
from ui.charts.view import Wish
from ui.formatting import OK, Colour
from ui.guests.act import act, show_panel
from ui.i18n import Text
from ui.interaction.attempt import Attempt, recording
from ui.interaction.buttons import MUTES
from ui.interaction.context import Interaction, services_of, site_of
from ui.interaction.gate import reply_privately
from ui.interaction.reply import Reply
from ui.watch.access import authorize_incident
from ui.watch.backup_logs import show_backup_logs
from ui.watch.incidents.details import acked_line, muted_line


async def on_alert_press(interaction: Interaction, match: re.Match[str], attempt: Attempt) -> None:
    """Handle an alert's button. Only the delivery edits the alert, after the watch has stored the answer.

    Raises: IncidentOver, JournalFailed.
    """
    services, what = services_of(interaction), match["what"]
    incident = await attempt.site.journal.incident(int(match["incident"]))
    if incident is None:
        raise IncidentOver
    attempt.vmid, attempt.detail = guest_of(incident), incident.subject
    if what == "details" and has_log(incident):
        async with Reply(services, interaction, private=True, anew=True) as reply:
            with recording(attempt):
                await authorize_incident(attempt, incident)
                await show_backup_logs(reply, attempt.site, incident)
    elif what == "details":
        vmid = _vmid_of(incident)
        async with Reply(services, interaction, private=True, anew=True) as reply:
            with recording(attempt):
                await show_panel(attempt.site, reply, vmid)
    elif what in ("chart", "nodechart"):
        await _show_chart(attempt, incident, of_node=what == "nodechart")
    elif what == "start":
        if incident.topic is not Topic.GUEST:
            raise IncidentOver
        async with Reply(services, interaction, anew=True) as reply:
            fact = incident.guests[0]
            order = Order(Operation.START, fact.vmid, attempt.actor, fingerprint=fact.fingerprint)
            await act(attempt.site, reply, order)
    else:
        async with Reply(services, interaction) as reply:
            detail = f"{incident.subject} {MUTES[what]} s" if what in MUTES else incident.subject
            with recording(attempt, detail):
                await authorize_incident(attempt, incident)
                await reply.accept()
                await attempt.start()
                text = await _answered(interaction, incident, what, reply.reader)
            if match["unedited"]:
                await reply_privately(interaction, notice(f"{OK} {text}", Colour.GOOD))


async def _answered(interaction: Interaction, incident: Incident, what: str, t: Text) -> str:
    """Store an acknowledgement, a mute or the end of a mute, and return the text to show."""
    watch, user = site_of(interaction).watch, interaction.user
    if what == "unmute":
        await watch.alerts.unmute_incident(incident)
        return t("Unmuted.")
    if what != "ack":
        muted = await watch.alerts.mute_incident(incident.id, MUTES[what], user.display_name, user.id)
        return muted_line(t, muted)
    first = await watch.alerts.acknowledge(incident.id, user.display_name, user.id)
    if first.acked_by_id != user.id:
        return acked_line(t, first)
    return t("Acknowledged. No more reminders for this incident.")


async def _show_chart(attempt: Attempt, incident: Incident, *, of_node: bool) -> None:
    """Show the last hour in a public chart under the alert, or in a private one soon after a public one.

    Without this limit one person could fill the channel with pictures, until nobody sees the alerts in it.
    """
    services, key = attempt.services, (attempt.site.name, incident.id)
    first = services.alert_charts.take(key)
    async with Reply(services, attempt.interaction, private=not first, anew=True) as reply:
        try:
            with recording(attempt, f"period={Period.HOUR.value}"):
                if of_node:
                    await show_node_chart(reply, incident.node, Period.HOUR)
                else:
                    vmid = _vmid_of(incident)
                    await show_guest_chart(attempt.site, reply, vmid, Wish.of_guest(vmid, Period.HOUR))
        except BaseException:
            if first:
                services.alert_charts.give_back(key)
            raise


def _vmid_of(incident: Incident) -> int:
    """Return the VMID of an incident about one guest.

    Raises: IncidentOver, for any other incident. Only a forged button asks for that.
    """
    vmid = guest_of(incident)
    if vmid is None:
        raise IncidentOver
    return vmid


def alert_operation(match: re.Match[str]) -> Operation:
    """Return the operation that an alert's button asks for."""
    return {
        "start": Operation.START,
        "details": Operation.INFO,
        "chart": Operation.GRAPH_GUEST,
        "nodechart": Operation.GRAPH_NODE,
        "ack": Operation.ACKNOWLEDGE,
        "unmute": Operation.MONITOR_UNMUTE,
    }.get(match["what"], Operation.MONITOR_MUTE)
