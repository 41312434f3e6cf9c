"""Show the guests that a person may see."""

from ui.guests.lists import Filters, guest_list_card
from ui.interaction.context import Services
from ui.interaction.gate import actor_of
from ui.interaction.reply import Reply


async def show_guests(services: Services, reply: Reply, filters: Filters, page: int = 0) -> None:
    """Show one page of the filtered list, without the guests hidden from this person.

    Raises: ProxmoxError.
    """
    authorizer, actor = services.authorizer, actor_of(reply.interaction)
    cluster = authorizer.visible_cluster(actor, await services.cluster_cache.read())
    now = services.clock.now()
    await reply.show(
        guest_list_card(reply.t, cluster, filters, page, now, narrowed=authorizer.has_hidden_guests(actor))
    )
