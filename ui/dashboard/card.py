"""Write the message of a dashboard. Its view is without the time of the read, because each new view is an edit."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from discord import ui

from core.dashboard.contents import Contents
from core.dashboard.model import Dashboard, Extent
from core.guest import Guest, Node, TaskSummary
from core.watch.incidents.model import Severity
from ui.bars import usage_bar
from ui.cards import card
from ui.cluster.paragraphs import (
    NODES_MOST,
    STORAGES_MOST,
    fold_rows,
    incidents_text,
    nodes_text,
    storages_text,
)
from ui.discord.blocked import blocked_note, without_foreign
from ui.formatting import UNSURE, WARNING, WORKING, Colour, code, timestamp, title
from ui.guests.lists.cards import none_at_all, totals_line
from ui.i18n import Text
from ui.interaction.buttons import dashboard_buttons
from ui.interaction.selects import guest_menu
from ui.messages.errors import reason_of
from ui.messages.task_words import task_word

ROOM = 3300
"""Maximum characters of all parts except the totals."""
TASKS_MOST, ROLES_MOST = 5, 3


@dataclass(frozen=True, slots=True)
class DashboardView:
    """The message without the time of its read. Equal views look the same. `menu`: guests, without their figures."""

    texts: tuple[str, ...]
    colour: Colour
    menu: tuple[Guest, ...] = ()


def dashboard_view(t: Text, dashboard: Dashboard, contents: Contents) -> DashboardView:
    head = f"### {t('Cluster status')}{_extent_line(t, dashboard.extent)}"
    if contents.cluster is None:
        return DashboardView((head, *_without_figures(t, contents)), Colour.BAD)
    cluster, room = contents.cluster, ROOM
    sees_nodes = all(node.known for node in cluster.nodes if node.online)
    incidents = incidents_text(t, contents.incidents, room // 4, unsure=not sees_nodes)
    tasks = _tasks(t, contents, room // 6)
    busiest = _busiest(t, contents.busiest, room // 4)
    room -= len(incidents) + len(tasks) + len(busiest)
    nodes = nodes_text(t, cluster.nodes, room * 3 // 5, NODES_MOST)
    storages = storages_text(t, cluster.storages, room - len(nodes) - 50, STORAGES_MOST)
    texts = (f"{head}\n{incidents}", _totals(t, dashboard, contents), nodes, busiest, storages, tasks)
    return DashboardView(tuple(filter(None, texts)), _colour(contents), _shown_in_menu(contents.menu))


def dashboard_card(
    t: Text, dashboard: Dashboard, view: DashboardView, true_at: float | None, site: str
) -> ui.LayoutView:
    """Build the message. `true_at`: Unix seconds of the read. `site`: name of the site, "" if there is only one."""
    foot = f"-# {t('as of {time}', time=timestamp(true_at))}" if true_at else ""
    menu = guest_menu(t, [(site, guest) for guest in view.menu], site)
    buttons = dashboard_buttons(t, dashboard.mark, site)
    return card(*view.texts, foot, colour=view.colour, more=(menu, buttons))


def without_names(t: Text, view: DashboardView) -> DashboardView:
    """Return the view without foreign text, because Discord blocks it."""
    texts = (*map(without_foreign, view.texts), f"-# {blocked_note(t)}")
    return replace(view, texts=texts, menu=tuple(replace(guest, name=None, node="") for guest in view.menu))


def extent_words(t: Text, extent: Extent) -> str:
    """Return the limits of a dashboard, "" for the whole cluster."""
    words = [
        t("{word} {value}", word=word, value=code(value))
        for word, value in ((t("Node"), extent.node), (t("Tag"), extent.tag), (t("Pool"), extent.pool))
        if value
    ]
    if extent.roles:
        roles = [f"<@&{role}>" for role in extent.roles[:ROLES_MOST]]
        roles += ["…"] if len(extent.roles) > ROLES_MOST else []
        words.append(t("guests of {roles}", roles=t(", ").join(roles)))
    return " · ".join(words)


def _extent_line(t: Text, extent: Extent) -> str:
    words = extent_words(t, extent)
    return f"\n-# {words}" if words else ""


def _without_figures(t: Text, contents: Contents) -> Iterable[str]:
    """Yield the lines for a lost connection: since when, why, and the open incidents."""
    told = (
        t("No connection to Proxmox since {time}.", time=timestamp(contents.since))
        if contents.since
        else t("No connection to Proxmox.")
    )
    reason = f"\n-# {reason_of(t, str(contents.fault))}" if contents.fault else ""
    yield f"{WARNING} {told}{reason}"
    yield incidents_text(t, contents.incidents, ROOM // 2, unsure=True)


def _totals(t: Text, dashboard: Dashboard, contents: Contents) -> str:
    if contents.counts or dashboard.extent.node:
        return totals_line(t, contents.counts)
    return none_at_all(t) if dashboard.extent.is_whole else t("No matching guests.")


def _busiest(t: Text, guests: tuple[Guest, ...], room: int) -> str:
    rows = [f"{usage_bar(guest.cpu)} {title(guest)}" for guest in guests]
    if not rows:
        return ""
    rows = [row for place, row in enumerate(rows) if sum(len(each) + 1 for each in rows[: place + 1]) < room]
    return "\n".join((f"**{t('Busiest guests')}** · {t('CPU')}", *rows))


def _tasks(t: Text, contents: Contents, room: int) -> str:
    if contents.tasks is None:
        return f"{UNSURE} {t('Running tasks: unknown')}"
    if not contents.tasks:
        return ""
    rows = [_task(t, contents, task) for task in contents.tasks[:TASKS_MOST]]
    return f"**{t('Running tasks')}**\n{fold_rows(t, rows, len(contents.tasks), room)}"


def _task(t: Text, contents: Contents, task: TaskSummary) -> str:
    guest = contents.cluster.find(int(task.id)) if contents.cluster and task.id.isdecimal() else None
    about = title(guest) if guest else code(task.node) if task.node else ""
    return " · ".join(filter(None, (f"{WORKING} {task_word(t, task.type)}", about, timestamp(task.started))))


def _colour(contents: Contents) -> Colour:
    nodes: tuple[Node, ...] = contents.cluster.nodes if contents.cluster else ()
    if any(each.level is Severity.CRITICAL for each in contents.incidents):
        return Colour.BAD
    if not all(node.online for node in nodes):
        return Colour.BAD
    well = bool(contents.counts or nodes) and all(node.known for node in nodes)
    return Colour.GOOD if well and not contents.incidents else Colour.WARN


def _shown_in_menu(guests: tuple[Guest, ...]) -> tuple[Guest, ...]:
    """Keep the guests' fields that a menu shows: without figures, which would change all the time."""
    return tuple(
        Guest(each.vmid, each.kind, each.node, each.state, each.name, template=each.template)
        for each in guests
    )
