"""What a press on a lasting button does, also after a restart.

Each press passes the gate here (CommandTree's check does not cover buttons) and is judged by who presses.
"""

import re
from collections.abc import Awaitable, Callable

from core.access import Operation
from core.actions import Verb
from core.errors import BotError, QuestionOver
from core.order import Order
from ui.act import act_on_panel, show_panel
from ui.buttons import GUEST, PAGE, QUESTION
from ui.gate import actor_of, guarded, refusal_of
from ui.listing import Filters, guest_list, watch_list
from ui.question import pressed
from ui.reply import Reply
from ui.services import Interaction, services_of


async def _guest(interaction: Interaction, match: re.Match[str]) -> None:
    services = services_of(interaction)
    async with Reply(services, interaction) as reply:
        if match["read"]:
            await show_panel(services, reply, int(match["read"]))
            return
        order = Order(Verb(match["action"]), int(match["vmid"]), actor_of(interaction), mark=match["mark"])
        await act_on_panel(services, reply, order)


async def _page(interaction: Interaction, match: re.Match[str]) -> None:
    services = services_of(interaction)
    page, now = int(match["page"]), services.clock.now()
    async with Reply(services, interaction) as reply:
        cluster = await services.reader.read()
        if match["what"] == "list":
            filters = Filters(match["status"], match["kind"], match["node"])
            await reply.show(guest_list(reply.t, cluster, filters, page, now))
        else:
            await reply.show(watch_list(reply.t, services.watch, cluster, page, now))


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
    (PAGE, _page_operation, _page),
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
