"""Show the nodes of clusters in pages, and one node in detail."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from discord import ui

from core.errors import BotError
from core.guest import Cluster, Guest, Node, State
from core.proxmox import HaStatus, NodeStatus
from core.proxmox_errors import MissingPrivilege
from ui.bars import usage_bar
from ui.cards import Item, card
from ui.cluster.rows import SLOTS, fill, node_row
from ui.formatting import ALARM, OK, UNSURE, WARNING, Colour, code, format_duration, timestamp
from ui.guests.figures import cores_of
from ui.guests.lists.cards import list_footer, totals_line
from ui.guests.lists.filters import counted_as
from ui.i18n import N_, Marked, Text
from ui.interaction.buttons import list_buttons, node_chart_button
from ui.interaction.selects import node_menu
from ui.messages.errors import reason_of
from ui.phone_lines import SMALL, SMALL_PRINT, phone_lines
from ui.sites.sections import Section, page_text, rows_on
from ui.sizes import format_usage
from ui.web_links import node_page, web_links

PAGE = "nodes"
"""The word of these pages in a `custom_id`."""
AUDIT = "Sys.Audit"


@dataclass(frozen=True, slots=True)
class SiteNodes:
    """The nodes of one site, as a person may see them. `note`: why the read is not fresh, "" if it is."""

    site: str
    cluster: Cluster | None
    note: str = ""

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes. Those that are offline or without new data come first: they would be hard to find among many."""
        nodes = self.cluster.nodes if self.cluster else ()
        return sorted(nodes, key=lambda node: (node.online, node.known))

    def section(self, t: Text, head: str) -> Section:
        nodes = self.nodes
        note = f"-# {self.note}" if self.note else ""
        head = "\n".join(filter(None, (head, note)))
        if self.cluster is None or not nodes:
            return Section(head, 1, lambda _: t("No nodes to show."))
        guests = Counter((each.node, counted_as(each)) for each in self.cluster.guests)
        return Section(head, len(nodes), lambda place: _row(t, nodes[place], guests))


def _row(t: Text, node: Node, guests: Mapping[tuple[str, State | None], int]) -> str:
    """Show a node in at most 450 characters."""
    row = node_row(t, node)
    if node.online and (used := fill(node.disk, node.disk_total)) is not None:
        row += f"\n{usage_bar(used)} {t('root disk')}"
    count = sum(number for (name, _), number in guests.items() if name == node.name)
    small = [t.plural("{n} guest", "{n} guests", count)]
    small += [t("{n} running", n=running)] if (running := guests.get((node.name, State.RUNNING), 0)) else []
    small += [t("up {time}", time=format_duration(t, node.uptime))] if node.uptime else []
    return f"{row}\n{phone_lines(small, SMALL_PRINT, SMALL)}"


def node_list_card(
    t: Text, sites: Sequence[SiteNodes], named: str, page: int, now: float, *, several: bool
) -> ui.LayoutView:
    """Build one page. `named`: the site in the buttons. `several`: each site has its heading."""
    sections = [each.section(t, f"### {each.site}" if several else "") for each in sites]
    text, page, pages = page_text(sections, page, SLOTS)
    ordered = [each.nodes for each in sites]
    nodes = list(chain.from_iterable(ordered))
    head = f"### {t('Nodes')} · {sum(node.online for node in nodes)}/{len(nodes)} {t('online')}"
    online = [node for node in nodes if node.online]
    if any(node.known and node.cpu is None and node.memory is None for node in online):
        head += f"\n-# {lacking(t, AUDIT)}"
    colour = Colour.BAD if len(online) < len(nodes) else Colour.BUSY
    if colour is not Colour.BAD and (not nodes or any(each.note for each in sites)):
        colour = Colour.WARN
    buttons = list_buttons(t, PAGE, page, pages, ("", "", ""), named)
    shown = [
        (sites[section].site, ordered[section][row])
        for section, row in rows_on(sections, page, SLOTS)
        if ordered[section]
    ]
    menu = node_menu(t, shown, named)
    return card(head, text, list_footer(t, page, pages, now), colour=colour, more=[menu, buttons])


def lacking(t: Text, privilege: str) -> str:
    """Say that some values are left out because the token lacks this privilege."""
    message = t(
        "Some figures are left out: the API token lacks the privilege {privilege}.", privilege=code(privilege)
    )
    return f"{WARNING} {message}"


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node as a person may see it. `status` and `ha`: as read, or why they could not be.

    `guests`: those on the node that the person may see. `read_at`: Unix seconds.
    """

    node: Node
    guests: Sequence[Guest]
    status: NodeStatus | BotError
    ha: HaStatus | BotError
    read_at: float


def node_card(t: Text, view: NodeView, site: str, web_url: str | None = None) -> ui.LayoutView:
    """Build the card of one node. Unreadable parts are left out, with the reason."""
    node = view.node
    status = view.status if isinstance(view.status, NodeStatus) else NodeStatus()
    ha = view.ha if isinstance(view.ha, HaStatus) else None
    word, sign = (t("online"), "🟢") if node.known else (t("no new data"), UNSURE)
    if not node.online:
        word, sign = t("offline"), ALARM
    facts = [f"**{word}**"]
    facts += (
        [t("up {time}", time=format_duration(t, status.uptime or node.uptime or 0))] if node.uptime else []
    )
    facts += [f"Proxmox VE {code(status.version, 30)}"] if status.version else []
    body = "\n".join(f"**{name}** {value}" for name, value in _rows(t, view, status, ha) if value)
    counts = Counter(map(counted_as, view.guests))
    reasons = "\n".join(f"-# {line}" for line in dict.fromkeys(_reasons(t, view)))
    buttons: list[Item] = [*list_buttons(t, PAGE, 0, 1, ("", "", node.name), site)]
    buttons += [node_chart_button(t, node.name, site)] if node.online else []
    buttons += web_links(t, web_url, node_page(node.name))
    return card(
        f"### {sign} {code(node.name)}\n{phone_lines(facts)}",
        body,
        totals_line(t, counts),
        reasons,
        f"-# {t('updated {time}', time=timestamp(view.read_at))}",
        colour=_colour(node, ha),
        buttons=buttons,
    )


def _colour(node: Node, ha: HaStatus | None) -> Colour:
    if not node.online or (ha and ha.quorate is False):
        return Colour.BAD
    disarmed = ha is not None and ha.armed in ("disarming", "disarmed")
    return Colour.GOOD if node.known and ha and not disarmed else Colour.WARN


def _rows(t: Text, view: NodeView, status: NodeStatus, ha: HaStatus | None) -> list[tuple[str, str]]:
    node = view.node
    if not node.online:
        return [(t("Quorum"), _quorum(t, ha)), (t("HA"), _ha(t, ha, node.name))]
    cpu = status.cpu if status.cpu is not None else node.cpu
    cores = cores_of(t, status.cpus or node.cpus or 0) if status.cpus or node.cpus else ""
    return [
        (t("CPU"), f"{usage_bar(cpu)} {cores}" if cpu is not None else cores),
        (t("Load"), " ".join(f"{each:.2f}" for each in status.load)),
        (t("Memory"), _used(status.memory or node.memory, status.memory_total or node.memory_total)),
        (t("Swap"), _used(status.swap, status.swap_total)),
        (t("Root disk"), _used(status.root or node.disk, status.root_total or node.disk_total)),
        (t("Kernel"), code(status.kernel, 60) if status.kernel else ""),
        (t("Quorum"), _quorum(t, ha)),
        (t("HA"), _ha(t, ha, node.name)),
    ]


def _used(used: int | None, total: int | None) -> str:
    part = fill(used, total)
    return "" if part is None else f"{usage_bar(part)}\n-# {format_usage(used, total)}"


def _quorum(t: Text, ha: HaStatus | None) -> str:
    if ha is None or ha.quorate is None:
        return ""
    return f"{OK} {t('yes')}" if ha.quorate else f"{ALARM} {t('no: nothing can be changed')}"


_HA_STATES: Mapping[str, Marked] = {
    "active": N_("active"),
    "idle": N_("idle"),
    "maintenance mode": N_("maintenance"),
    "wait_for_agent_lock": N_("waiting for its lock"),
    "lost_agent_lock": N_("lost its lock"),
    "old timestamp - dead?": N_("not reporting"),
    "unable to read lrm status": N_("not reporting"),
}
_ARMED: Mapping[str, Marked] = {
    "standby": N_("standby"),
    "disarming": N_("being disarmed"),
    "disarmed": N_("disarmed: guests are not recovered, and starts and stops through HA do nothing"),
}


def _ha(t: Text, ha: HaStatus | None, node: str) -> str:
    if ha is None:
        return ""
    word = ha.nodes.get(node)
    state = t("not in use") if word is None else code(word, 60)
    if word is not None and word in _HA_STATES:
        state = t(_HA_STATES[word])
    armed = f"{WARNING} {t(_ARMED[ha.armed])}" if ha.armed in _ARMED else ""
    return " · ".join(filter(None, (state, armed)))


def _reasons(t: Text, view: NodeView) -> list[str]:
    """Say why parts are missing. The missing status of an offline node needs no reason."""
    errors = [view.status] if view.node.online else []
    lines = []
    for error in (*errors, view.ha):
        if isinstance(error, MissingPrivilege):
            lines.append(lacking(t, error.privilege or AUDIT))
        elif isinstance(error, BotError):
            said = t("Some figures are left out: {reason}", reason=reason_of(t, str(error)))
            lines.append(f"{WARNING} {said}")
    return lines
