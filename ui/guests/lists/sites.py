"""Read the filters of /list, and list the guests of one site or of several in pages."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from discord import ui

from core.access.policy import Actor
from core.guest import Guest, State
from core.wanted_errors import UnknownSite
from ui.cards import card
from ui.formatting import Colour
from ui.guests.lists.cards import (
    guest_row,
    list_footer,
    none_at_all,
    select_visible,
    show_guests,
    totals_line,
)
from ui.guests.lists.filters import NO_SELECTION, Filters, Selection, filters_line
from ui.i18n import Text
from ui.interaction.buttons import list_buttons
from ui.interaction.context import Interaction, actor_of, choose_site, chosen_site, services_of
from ui.interaction.custom_ids import ALL_SITES
from ui.interaction.reply import Reply
from ui.interaction.selects import guest_menu
from ui.sites.option import asked_sites, choose_typed_site, find_visible_site
from ui.sites.reads import SiteRead, part_of_each, read_note, read_sites
from ui.sites.sections import Section, page_text, rows_on


def typed_filters(interaction: Interaction, filters: Filters, site: str) -> Filters:
    """Note the site named by the option `site` or by a node such as `home/pve1`, and tidy the filters.

    Return the filters without the site in the node. A node of another site than the chosen one keeps its site, so
    that no guest matches.
    Raises: UnknownSite.
    """
    choose_typed_site(interaction, site)
    tidy = {"node": filters.node.strip(), "tag": filters.tag.strip().casefold(), "pool": filters.pool.strip()}
    filters = replace(filters, **tidy)
    name, slash, node = (part.strip() for part in filters.node.partition("/"))
    if not slash or not services_of(interaction).sites.several:
        return filters
    if chosen_site(interaction) is None:
        found = find_visible_site(interaction, name)
        if found is None:
            raise UnknownSite(name)
        choose_site(interaction, found)
    elif chosen_site(interaction) is not find_visible_site(interaction, name):
        return filters  # a node of another site: nothing matches
    return replace(filters, node=node)


async def list_guests(reply: Reply, filters: Filters, page: int = 0) -> None:
    """Show one page of the filtered guests of the chosen site, or of all sites that the person may see.

    If there are several sites, one that cannot be read is shown with the reason.
    Raises: ProxmoxError, if there is only one site.
    """
    interaction, services = reply.interaction, services_of(reply.interaction)
    if not services.sites.several:
        await show_guests(services.sites.only, reply, filters, page)
        return
    site = chosen_site(interaction)
    actor, reads = actor_of(interaction), await read_sites(asked_sites(interaction))

    async def guests_of(read: SiteRead) -> SiteGuests:
        return _guests_of(reply.t, read, filters, actor)

    listed = await part_of_each(reads, guests_of)
    named = site.name if site else ALL_SITES
    await reply.show(site_lists_card(reply.t, listed, filters, named, page, services.clock.now()))


@dataclass(frozen=True, slots=True)
class SiteGuests:
    """The matching guests of one site.

    `note`: shown below the heading, "" for none. `empty`: shown instead of the guests if there are none.
    """

    site: str
    selection: Selection
    note: str
    empty: str

    @property
    def guests(self) -> tuple[Guest, ...]:
        return self.selection.guests

    def section(self, t: Text) -> Section:
        count = f" · {t.plural('{n} guest', '{n} guests', len(self.guests))}" if self.guests else ""
        head = f"### {self.site}{count}" + (f"\n-# {self.note}" if self.note else "")
        sort = self.selection.filters.sort
        if not self.guests:
            return Section(head, 1, lambda _index: self.empty)
        return Section(head, len(self.guests), lambda index: guest_row(t, self.guests[index], sort))


def _guests_of(t: Text, read: SiteRead, filters: Filters, actor: Actor) -> SiteGuests:
    note = read_note(t, read)
    if read.cluster is None:
        return SiteGuests(read.site.name, NO_SELECTION, "", note or t("Cannot read from Proxmox right now."))
    selection, none = select_visible(read.site, actor, read.cluster, filters)
    return SiteGuests(read.site.name, selection, note, none_at_all(t) if none else t("No matching guests."))


def site_lists_card(
    t: Text, listed: Sequence[SiteGuests], filters: Filters, site: str, page: int, now: float
) -> ui.LayoutView:
    """Build one page of the guests of these sites. `site`: the site's name in the menu and buttons, or ALL_SITES."""
    # a button has long names in their short form: take the full names from a site that has them
    restored = (each.selection.filters for each in listed if not each.selection.filters.is_short)
    filters = next((each for each in restored if each.parts == filters.parts), filters)
    sections = [found.section(t) for found in listed]
    text, page, pages = page_text(sections, page)
    places = [(listed[section], row) for section, row in rows_on(sections, page)]
    shown = [(found.site, found.guests[row]) for found, row in places if found.guests]
    counts = Counter[State | None]()
    for found in listed:
        counts.update(found.selection.counts)
    head = f"{totals_line(t, counts)}{filters_line(t, filters)}"
    buttons = list_buttons(t, "list", page, pages, filters.parts, site, empty=not shown)
    troubled = any(found.note or not found.guests for found in listed) and not filters.narrow
    return card(
        head,
        text or t("No matching guests."),
        list_footer(t, page, pages, now),
        colour=Colour.WARN if troubled else Colour.BUSY,
        more=(guest_menu(t, shown, site), buttons),
    )
