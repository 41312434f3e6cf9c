"""List the guests of one site in pages."""

from collections.abc import Mapping

from discord import ui

from core.access.policy import Actor
from core.guest import Cluster, Guest, State
from ui.cards import card
from ui.formatting import (
    STATE_EMOJI,
    TEMPLATE_EMOJI,
    WARNING,
    Colour,
    code,
    emoji_of,
    format_duration,
    format_percent,
    kind_word,
    state_word,
    timestamp,
    title,
)
from ui.guests.figures import memory_of
from ui.guests.lists.filters import Filters, Selection, filters_line, select, share
from ui.i18n import Text
from ui.interaction.buttons import list_buttons
from ui.interaction.context import actor_of
from ui.interaction.reply import Reply
from ui.interaction.selects import guest_menu
from ui.interaction.services import Site
from ui.messages.task_words import lock_word
from ui.phone_lines import SMALL, SMALL_PRINT, phone_lines
from ui.sizes import format_usage

ROWS = 10
"""Number of rows on a page of a list: guests of one site, incidents or attempts."""


def guest_list_card(
    t: Text,
    selection: Selection,
    page: int,
    now: float,
    *,
    site: str,
    empty: bool = False,
) -> ui.LayoutView:
    """Build one page of the guests that match the filters of the selection.

    `page`: counts from 0. A page beyond the last shows the last.
    `site`: name of the site, "" if there is only one.
    `empty`: Proxmox shows no guests at all, although the reader may see every guest.
    """
    filters, (page, pages) = selection.filters, page_of(page, len(selection.guests))
    shown = selection.guests[page * ROWS : page * ROWS + ROWS]
    rows = [guest_row(t, guest, filters.sort) for guest in shown]
    if not rows:
        rows = [none_at_all(t) if empty else t("No matching guests.")]
    totals = totals_line(t, selection.counts)
    head = f"### {totals}{filters_line(t, filters)}"
    colour = Colour.WARN if empty else Colour.BUSY
    menu = guest_menu(t, [(site, guest) for guest in shown], site)
    buttons = list_buttons(t, "list", page, pages, filters.parts, site, empty=not shown)
    foot = list_footer(t, page, pages, now)
    return card(head, "\n".join(rows), foot, colour=colour, more=(menu, buttons))


def none_at_all(t: Text) -> str:
    """Warn that the token may lack VM.Audit. A cluster without guests is rare.

    For such a token Proxmox' Cluster.pm leaves out the guests, and still answers 200.
    """
    return f"{WARNING} " + t("Proxmox shows no guests. The API token may lack the privilege `VM.Audit`.")


def totals_line(t: Text, counts: Mapping[State | None, int]) -> str:
    """Show the number of guests, and below it the number in each state. These also explain the dots of the list.

    `counts`: by state. None stands for the templates.
    """
    whole = t.plural("{n} guest", "{n} guests", sum(counts.values()))
    parts = [
        f"{STATE_EMOJI[each]} {state_word(t, each)} {counts[each]}" for each in State if counts.get(each)
    ]
    parts += [f"{TEMPLATE_EMOJI} {t('template')} {counts[None]}"] if counts.get(None) else []
    return "\n".join(filter(None, (whole, phone_lines(parts))))


def guest_row(t: Text, guest: Guest, sort: str = "") -> str:
    """Show a guest in one line, and below it its figures in small print.

    The dot shows the state. `totals_line` explains the dots.
    `sort`: order of the list. If a figure decides the order, it is the first figure.
    """
    parts = [kind_word(t, guest.kind)]
    if guest.template:
        parts.insert(0, t("template"))
    elif guest.state not in (State.RUNNING, State.STOPPED):
        parts.insert(0, state_word(t, guest.state))
    if guest.state is State.RUNNING and not guest.template:
        parts += _figures(t, guest, sort)
    if guest.lock:
        parts.append(f"🔒 {lock_word(t, guest.lock)}")
    figures = phone_lines(parts, SMALL_PRINT, SMALL)
    return f"{emoji_of(guest)} {title(guest)} · {code(guest.node)}\n{figures}"


def _figures(t: Text, guest: Guest, sort: str) -> list[str]:
    """Return the figures of a running guest that fit one line of a phone."""
    if sort == "memory" and (used := share(guest.memory, guest.memory_total)) is not None:
        return [t("memory {value}", value=format_percent(used)), memory_of(t, guest)]
    if sort == "disk" and (used := share(guest.disk, guest.disk_total)) is not None:
        usage = format_usage(guest.disk, guest.disk_total)
        return [t("disk {value}", value=f"{format_percent(used)} ({usage})")]
    cpu = t("CPU {value}", value=format_percent(guest.cpu))
    if sort == "uptime" and guest.uptime:
        return [t("up {time}", time=format_duration(t, guest.uptime)), cpu]
    return [cpu, t("memory {value}", value=memory_of(t, guest))]


def page_of(page: int, count: int) -> tuple[int, int]:
    """Return the nearest page that exists, and the number of pages, at least one."""
    pages = max(1, -(-count // ROWS))
    return max(0, min(page, pages - 1)), pages


def list_footer(t: Text, page: int, pages: int, now: float) -> str:
    parts = [f"{page + 1}/{pages}"] if pages > 1 else []
    return f"-# {' · '.join([*parts, t('updated {time}', time=timestamp(now))])}"


async def show_guests(site: Site, reply: Reply, filters: Filters, page: int = 0) -> None:
    """Show one page of the filtered list, without the guests hidden from this person.

    Raises: ProxmoxError.
    """
    cluster = await site.cluster_cache.read()
    selection, empty = select_visible(site, actor_of(reply.interaction), cluster, filters)
    now = site.services.clock.now()
    await reply.show(guest_list_card(reply.t, selection, page, now, site=site.name, empty=empty))


def select_visible(site: Site, actor: Actor, cluster: Cluster, filters: Filters) -> tuple[Selection, bool]:
    """Return the matching guests that the person may see, and whether Proxmox shows no guests at all.

    The second value is False for a person from whom guests may be hidden.
    """
    authorizer = site.authorizer
    rows = authorizer.visible_rows(actor, cluster)
    empty = not rows and not authorizer.has_hidden_guests(actor)
    return select(authorizer.guest_index(cluster), rows, filters, site.watch.disks.known()), empty
