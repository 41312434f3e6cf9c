"""From a person to the guests they may see: the cluster as it exists for them."""

from ui.guests.lists import Filters, guest_list
from ui.interaction.context import Services
from ui.interaction.gate import actor_of
from ui.interaction.reply import Reply


async def show_guests(services: Services, reply: Reply, filters: Filters, page: int = 0) -> None:
    """Raises a ProxmoxError."""
    judge, actor = services.judge, actor_of(reply.interaction)
    cluster = judge.seen(actor, await services.reader.read())
    now = services.clock.now()
    await reply.show(guest_list(reply.t, cluster, filters, page, now, narrowed=judge.narrowed(actor)))
