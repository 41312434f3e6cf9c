"""What a press on a lasting button does, also after a restart.

Each press passes the gate here (CommandTree's check does not cover buttons) and is judged by who presses.
"""

import re
from collections.abc import Awaitable, Callable

from core.access import Operation
from core.actions import Verb
from core.errors import BotError, IncidentOver, QuestionOver
from core.order import Order
from core.watch.model import Incident, Topic
from ui.act import act, act_on_panel, show_panel
from ui.alert_text import acked_line, muted_line
from ui.buttons import ALERT, GUEST, HISTORY, MUTES, PAGE, QUESTION, guest_of
from ui.cards import notice
from ui.gate import actor_of, guarded, recorded, refusal_of, tell_privately
from ui.listing import Filters, guest_list
from ui.monitoring import show_history, show_watch_list
from ui.question import pressed
from ui.render import OK, Colour
from ui.reply import Reply
from ui.services import Interaction, services_of
from ui.text import Text


async def _guest(interaction: Interaction, match: re.Match[str]) -> None:
    services = services_of(interaction)
    async with Reply(services, interaction) as reply:
        if match["read"]:
            await show_panel(services, reply, int(match["read"]))
            return
        order = Order(Verb(match["action"]), int(match["vmid"]), actor_of(interaction), mark=match["mark"])
        await act_on_panel(services, reply, order)


async def _alert(interaction: Interaction, match: re.Match[str]) -> None:
    """An alert's button. The alert itself is edited by the delivery alone, once the watch has stored the answer."""
    services, what = services_of(interaction), match["what"]
    incident = services.journal.incident(int(match["incident"]))
    if incident is None:
        raise IncidentOver
    if what == "details":
        async with Reply(services, interaction, private=True, anew=True) as reply:
            await show_panel(services, reply, _vmid_of(incident))
    elif what == "start":
        async with Reply(services, interaction, anew=True) as reply:
            if incident.topic is not Topic.GUEST:
                raise IncidentOver
            fact = incident.guests[0]
            order = Order(Verb.START, fact.vmid, actor_of(interaction), mark=fact.mark)
            await act(services, reply, order)
    else:
        async with Reply(services, interaction) as reply:
            await reply.accept()
            text = _answered(interaction, incident, what, reply.reader)
            if match["unedited"]:
                await tell_privately(interaction, notice(f"{OK} {text}", Colour.GOOD))


def _answered(interaction: Interaction, incident: Incident, what: str, t: Text) -> str:
    """Store an acknowledgement or a mute; what there is to say of it."""
    watch, by = services_of(interaction).watch, interaction.user.display_name
    vmid = guest_of(incident) or 0
    if what == "ack":
        with recorded(interaction, Operation.ACKNOWLEDGE, vmid, incident.subject):
            first = watch.acknowledge(incident.id, by)
        if first.acked_by != by:
            return acked_line(t, first)
        return t("Acknowledged: no more reminders of this.")
    seconds = MUTES[what]
    with recorded(interaction, Operation.MONITOR_MUTE, vmid, f"{incident.subject} {seconds} s"):
        muted = watch.mute_incident(incident.id, seconds, by)
    return muted_line(t, muted)


def _vmid_of(incident: Incident) -> int:
    """The one guest that a button is about; a forged one may ask for a guest where there are many or none."""
    vmid = guest_of(incident)
    if vmid is None:
        raise IncidentOver
    return vmid


def _alert_operation(match: re.Match[str]) -> Operation | None:
    return {
        "start": Operation.START,
        "details": Operation.INFO,
        "ack": Operation.ACKNOWLEDGE,
    }.get(match["what"], Operation.MONITOR_MUTE)


async def _page(interaction: Interaction, match: re.Match[str]) -> None:
    services = services_of(interaction)
    async with Reply(services, interaction) as reply:
        if match["what"] == "list":
            cluster = await services.reader.read()
            filters = Filters(match["status"], match["kind"], match["node"])
            await reply.show(guest_list(reply.t, cluster, filters, int(match["page"]), services.clock.now()))
        else:
            await show_watch_list(services, reply, int(match["page"]))


async def _history(interaction: Interaction, match: re.Match[str]) -> None:
    services, vmid = services_of(interaction), match["vmid"]
    async with Reply(services, interaction) as reply:
        await show_history(services, reply, int(vmid) if vmid else None, int(match["page"]))


async def _question(interaction: Interaction, match: re.Match[str]) -> None:
    await pressed(interaction, match["answer"], match["nonce"])


def _guest_operation(match: re.Match[str]) -> Operation | None:
    return Operation.INFO if match["read"] else Operation(match["action"])


def _page_operation(match: re.Match[str]) -> Operation | None:
    return Operation.LIST if match["what"] == "list" else Operation.MONITOR_LIST


Does = Callable[[Interaction, re.Match[str]], Awaitable[None]]
Asks = Callable[[re.Match[str]], Operation | None]

_FAMILIES: tuple[tuple[re.Pattern[str], Asks, Does], ...] = (
    (GUEST, _guest_operation, _guest),
    (ALERT, _alert_operation, _alert),
    (PAGE, _page_operation, _page),
    (HISTORY, lambda match: Operation.MONITOR_HISTORY, _history),
    (QUESTION, lambda match: None, _question),  # which action it is stands in the question, not in the button
)


async def press(interaction: Interaction, custom_id: str) -> None:
    """A press on the button with this custom_id."""
    await guarded(interaction, lambda: _pressed(interaction, custom_id))


async def _pressed(interaction: Interaction, custom_id: str) -> BotError | None:
    """Do it, or say why not. A custom_id that fits no pattern was forged, or made by another version."""
    services = services_of(interaction)
    for pattern, asks, does in _FAMILIES:
        match = pattern.fullmatch(custom_id)
        if match is not None:
            refusal = refusal_of(services, interaction, asks(match))
            if refusal is None:
                await does(interaction, match)
            return refusal
    return refusal_of(services, interaction) or QuestionOver()
