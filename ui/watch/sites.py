"""Show the watch lists and the status of several sites."""

from collections.abc import Sequence

from core.watch.incidents.model import WatchEntry
from ui.cards import card
from ui.formatting import WARNING, Colour
from ui.guests.lists.cards import list_footer
from ui.i18n import Text
from ui.interaction.buttons import list_buttons
from ui.interaction.context import actor_of, chosen_site, services_of
from ui.interaction.custom_ids import ALL_SITES
from ui.interaction.reply import Reply
from ui.interaction.selects import guest_menu
from ui.messages.errors import reason_of
from ui.sites.option import asked_sites
from ui.sites.reads import SiteRead, read_note, read_sites
from ui.sites.sections import Section, page_text, rows_on
from ui.watch.commands import (
    incident_counts,
    show_status,
    show_watch_list,
    visible_status,
    watched_entries,
    without_gone,
)
from ui.watch.status.cards import SiteStatus, status_of_sites_card
from ui.watch.views import watch_row


async def list_watched(reply: Reply, page: int = 0) -> None:
    """Show the watch list of the chosen site, or of all sites that the person may see."""
    interaction, services = reply.interaction, services_of(reply.interaction)
    if not services.sites.several:
        await show_watch_list(services.sites.only, reply, page)
        return
    actor, site, now = actor_of(interaction), chosen_site(interaction), services.clock.now()
    reads = await read_sites(asked_sites(interaction))
    entries = [watched_entries(read.site, actor, read.cluster) for read in reads]
    sections = [
        await _section(reply.t, read, watched, now) for read, watched in zip(reads, entries, strict=True)
    ]
    troubled = any(read.site.watch.read_error for read in reads)
    text, page, pages = page_text(sections, page)
    count = sum(map(len, entries))
    named = site.name if site else ALL_SITES
    places = [(reads[section], entries[section], row) for section, row in rows_on(sections, page)]
    shown = [(read.site.name, read.cluster, watched[row]) for read, watched, row in places if watched]
    guests = [
        (name, guest) for name, cluster, entry in shown if cluster and (guest := cluster.find(entry.vmid))
    ]
    view = card(
        f"**{reply.t.plural('{n} watched guest', '{n} watched guests', count)}**",
        text,
        list_footer(reply.t, page, pages, now),
        colour=Colour.WARN if troubled else Colour.BUSY,
        more=(
            guest_menu(reply.t, guests, named),
            list_buttons(reply.t, "watch", page, pages, ("", "", ""), named),
        ),
    )
    await reply.show(view)


async def _section(t: Text, read: SiteRead, watched: Sequence[WatchEntry], now: float) -> Section:
    watch, counts = read.site.watch, await incident_counts(read.site)
    error = watch.read_error
    note = f"{WARNING} {reason_of(t, str(error))}" if error else read_note(t, read)
    head = f"### {read.site.name}" + (f"\n-# {note}" if note else "")
    if not watched:
        return Section(head, 1, lambda _index: t("No watched guests yet. Add one with `/monitor add`."))

    def row(index: int) -> str:
        entry = watched[index]
        return watch_row(t, watch, read.cluster, entry, now, counts.get(entry.vmid, 0))

    return Section(head, len(watched), row)


async def report_status(reply: Reply) -> None:
    """Show the status of the watch of the chosen site, or of all sites that the person may see."""
    interaction, services = reply.interaction, services_of(reply.interaction)
    if not services.sites.several:
        await show_status(services.sites.only, reply)
        return
    actor = actor_of(interaction)
    reads = await read_sites(asked_sites(interaction))
    statuses = await without_gone(
        reply, [await visible_status(read.site, actor, read.cluster) for read in reads]
    )
    sites = [
        SiteStatus(read.site.name, status, read.cluster) for read, status in zip(reads, statuses, strict=True)
    ]
    await reply.show(status_of_sites_card(reply.t, sites, services.heartbeat_sites, services.clock.now()))
