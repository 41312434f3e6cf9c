"""Show a person's permissions: on a guest, on one site or on all."""

from core.access.policy import Actor
from core.cluster.cache import FRESH_SECONDS
from core.guest import Guest
from ui.access.view import access_card, access_of_sites_card, access_texts
from ui.interaction.attempt import Attempt
from ui.interaction.context import chosen_site, visible_sites
from ui.interaction.reply import Reply
from ui.messages.operations import operation_named
from ui.options.completions import cluster_for_completion
from ui.sites.reads import read_sites


async def show_access(reply: Reply, attempt: Attempt, action: str) -> None:
    """Show what the person may do to the attempt's guest, else on the chosen site, else on all sites they may see.

    `action`: show only this action; "": all.
    Raises: UnknownOperation, GuestNotFound, ProxmoxError.
    """
    services, actor, t = attempt.services, attempt.actor, reply.t
    wanted = operation_named(services.texts, action) if action.strip() else None
    site, seen = chosen_site(reply.interaction), visible_sites(reply.interaction)
    if site is None and attempt.vmid is None and seen:
        reads = await read_sites(seen)
        texts = [
            (read.site.name, access_texts(t, read.site.authorizer, actor, None, wanted, read.cluster))
            for read in reads
        ]
        await reply.show(access_of_sites_card(t, texts))
        return
    if site is None and not seen:
        anywhere = next(iter(services.sites))
        await reply.show(access_card(t, anywhere.authorizer, actor, None, wanted))
        return
    site = attempt.site
    guest = None if attempt.vmid is None else await _guest(attempt, actor, attempt.vmid)
    cluster = await cluster_for_completion(site)
    await reply.show(access_card(t, site.authorizer, actor, guest, wanted, cluster))


async def _guest(attempt: Attempt, actor: Actor, vmid: int) -> Guest:
    site = attempt.site
    # as fresh as the list on which a change is decided
    age = 0.0 if site.authorizer.has_hidden_guests(actor) else FRESH_SECONDS
    guest = await site.planner.finder.locate(vmid, attempt.check, max_age=age)
    return await site.planner.with_protection(guest)
