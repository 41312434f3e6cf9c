"""Answer the buttons of guests, and the choice of a guest in a menu."""

import re
from collections.abc import Awaitable, Callable, Mapping

from core.actions.order import Order
from core.operations import OPERATIONS, Operation
from core.proxmox import Period
from ui.charts.commands import show_guest_chart
from ui.charts.view import Wish
from ui.guests.act import act_on_panel, show_panel
from ui.guests.confirm import ask_first
from ui.guests.snapshots import show_snapshots
from ui.guests.storage_view import show_storage_of
from ui.interaction.attempt import Attempt, recording
from ui.interaction.context import Interaction, is_private, services_of
from ui.interaction.reply import Reply
from ui.interaction.services import Site


async def _show_day(site: Site, reply: Reply, vmid: int) -> None:
    await show_guest_chart(site, reply, vmid, Wish.of_guest(vmid, Period.DAY))


_READS: Mapping[str, tuple[Operation, Callable[[Site, Reply, int], Awaitable[None]]]] = {
    "refresh": (Operation.INFO, show_panel),
    "details": (Operation.INFO, show_panel),
    "snapshots": (Operation.SNAPSHOT_LIST, show_snapshots),
    "chart": (Operation.GRAPH_GUEST, _show_day),
    "disks": (Operation.INFO, show_storage_of),
}
"""The operation and the view of each button of a guest that only reads, by its word in the `custom_id`."""


def guest_operation(match: re.Match[str]) -> Operation | None:
    if match["read"]:
        return _READS[match["what"]][0]
    return Operation(match["action"])


async def on_guest_press(interaction: Interaction, match: re.Match[str], attempt: Attempt) -> None:
    """Handle the button of a guest.

    A button that only reads shows a new private message, except the refresh of a panel. An action that always asks
    shows its question in a new message, which is private if the one with the button is. Any other action turns the
    message with the button into the guest's panel.
    """
    services = services_of(interaction)
    vmid = int(match["read"] or match["vmid"])
    services.recent_guests.note(interaction.user.id, attempt.site.name, vmid)
    if match["read"]:
        apart = match["what"] != "refresh"
        async with Reply(services, interaction, private=apart, anew=apart) as reply:
            with recording(attempt, ""):
                await _READS[match["what"]][1](attempt.site, reply, vmid)
        return
    operation = Operation(match["action"])
    asks = OPERATIONS[operation].asks
    async with Reply(services, interaction, private=is_private(interaction), anew=asks) as reply:
        order = Order(operation, vmid, attempt.actor, fingerprint=match["fingerprint"])
        await (ask_first if asks else act_on_panel)(attempt.site, reply, order)


async def on_guest_choice(interaction: Interaction, match: re.Match[str], attempt: Attempt) -> None:
    """Open the panel of the guest that was chosen in a list, only for the person who chose."""
    async with Reply(services_of(interaction), interaction, private=True, anew=True) as reply:
        with recording(attempt, ""):
            await show_panel(attempt.site, reply, int(match["vmid"]))
