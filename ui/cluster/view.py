"""Show a cluster on one card: guests by state, open incidents, nodes and storages with bars.

Each part has its share of the message, so that a cluster of any size fits. What is left out is counted, and of many
nodes or storages those are shown that need attention most.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from discord import ui

from core.guest import Cluster, Node, Storage
from core.watch.incidents.model import Incident, Severity
from ui.cards import card
from ui.cluster.rows import fill, fill_of, listed_storages, node_row, storage_name, storage_row
from ui.formatting import (
    ALARM,
    MESSAGE_MOST,
    OK,
    UNSURE,
    WARNING,
    Colour,
    fit_lines,
    more_word,
    timestamp,
)
from ui.guests.filters import counted_as
from ui.guests.lists import none_at_all, totals_line
from ui.i18n import Text
from ui.interaction.buttons import status_button
from ui.sites.sections import fit_sections
from ui.watch.incidents.text import short_text, sign_of

T = TypeVar("T")

NODES_MOST, STORAGES_MOST, INCIDENTS_MOST = 8, 6, 5
"""How many of them are shown of one site."""
_GRAVITY = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
_ROOM = 3300
"""Maximum characters of the parts below the totals."""


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """What a person may know of one site now.

    `cluster`: the last read, None if there is none. `narrowed`: parts of it may be hidden from the person.
    `read_at`: Unix seconds of the read. `incidents`: the open ones.
    `note`: why there is no newer read, "" if it is fresh. `blind`: what the watch does not see now.
    """

    name: str
    cluster: Cluster | None
    narrowed: bool
    read_at: float | None
    incidents: tuple[Incident, ...]
    note: str = ""
    blind: tuple[str, ...] = ()

    @property
    def sees_nodes(self) -> bool:
        """Whether Proxmox has figures of every node that is online."""
        return self.cluster is not None and all(node.known for node in self.cluster.nodes if node.online)

    @property
    def colour(self) -> Colour:
        nodes = self.cluster.nodes if self.cluster else ()
        if any(incident.level is Severity.CRITICAL for incident in self.incidents):
            return Colour.BAD
        if not all(node.online for node in nodes):
            return Colour.BAD
        shown = self.cluster is not None and (bool(self.cluster.guests) or self.narrowed)
        well = shown and self.sees_nodes and not self.note and not self.blind
        return Colour.GOOD if well and not self.incidents else Colour.WARN


def cluster_status_card(t: Text, status: ClusterStatus, site: str) -> ui.LayoutView:
    """Build the card of one site. `site`: its name in the button, "" if there is only one."""
    head = f"### {t('Cluster status')}\n{_totals(t, status)}"
    parts = _parts(t, status, _ROOM, 1)
    return card(head, *parts, _footer(t, status), colour=status.colour, buttons=[status_button(t, site)])


def cluster_statuses_card(t: Text, statuses: Sequence[ClusterStatus], site: str) -> ui.LayoutView:
    """Build the card of several sites, with a section for each. Those that do not fit are shown in brief."""
    room = MESSAGE_MOST - 200
    share = max(300, room // max(1, len(statuses)) - 250)
    sections = [_section(t, each, share, len(statuses)) for each in statuses]
    body = fit_sections(sections, room, f"-# {t('Choose one in `site` for the details.')}")
    colours = {each.colour for each in statuses}
    colour = next((each for each in (Colour.BAD, Colour.WARN) if each in colours), Colour.GOOD)
    return card(f"### {t('Cluster status')}", body, colour=colour, buttons=[status_button(t, site)])


def _section(t: Text, status: ClusterStatus, room: int, sites: int) -> tuple[str, str]:
    """Return the section of a site in full and in brief."""
    parts = (f"### {status.name}", _totals(t, status), *_parts(t, status, room, sites), _footer(t, status))
    sign = {Colour.GOOD: OK, Colour.BAD: ALARM}.get(status.colour, WARNING)
    return "\n".join(filter(None, parts)), f"{sign} **{status.name}**"


def _totals(t: Text, status: ClusterStatus) -> str:
    if status.cluster is None:
        return "" if status.note else t("Cannot read from Proxmox right now.")
    if not status.cluster.guests and not status.narrowed:
        return none_at_all(t)
    return totals_line(t, Counter(map(counted_as, status.cluster.guests)))


def _footer(t: Text, status: ClusterStatus) -> str:
    return f"-# {t('updated {time}', time=timestamp(status.read_at))}" if status.read_at else ""


def _parts(t: Text, status: ClusterStatus, room: int, sites: int) -> list[str]:
    """Return the parts below the totals, in `room` characters in all. `sites`: how many share the message."""
    trouble = "\n".join(filter(None, (status.note, *status.blind)))
    parts = [trouble, _incidents(t, status, room // 4)]
    room -= sum(map(len, parts))
    if status.cluster is not None:
        parts.append(_nodes(t, status.cluster.nodes, room * 3 // 5, max(2, NODES_MOST // sites)))
        room -= len(parts[-1])
        parts.append(_storages(t, status.cluster.storages, room - 50, max(2, STORAGES_MOST // sites)))
    return parts


def _incidents(t: Text, status: ClusterStatus, room: int) -> str:
    """Return the open incidents, the gravest and newest first. None is no good news while something is not seen."""
    incidents = sorted(status.incidents, key=lambda each: (_GRAVITY.index(each.level), -each.opened))
    if not incidents:
        unsure = status.blind or status.note or not status.sees_nodes
        return f"{UNSURE} {t('No known open incidents')}" if unsure else f"{OK} {t('No open incidents')}"
    head = f"**{t('Open incidents')}** {t('{incidents}', incidents=len(incidents))}"
    rows = [
        f"{sign_of(each)} {short_text(t, each)} · {timestamp(each.opened)}"
        for each in incidents[:INCIDENTS_MOST]
    ]
    return f"{head}\n{_folded(t, rows, len(incidents), room)}"


def _nodes(t: Text, nodes: Sequence[Node], room: int, most: int) -> str:
    if not nodes:
        return ""

    def urgency(node: Node) -> tuple[float, ...]:
        return not node.online, not node.known, max(node.cpu or 0, fill(node.memory, node.memory_total) or 0)

    rows = [node_row(t, node) for node in _worst(nodes, most, urgency)]
    return f"**{t('Nodes')}**\n{_folded(t, rows, len(nodes), room)}"


def _storages(t: Text, storages: Iterable[Storage], room: int, most: int) -> str:
    """Return the storages, a shared one once. Those without figures stand in one line."""
    once = [each.storage for each in listed_storages(storages)]
    measured = [each for each in once if fill_of(each) is not None]
    unknown = [storage_name(t, each) for each in once if fill_of(each) is None]
    rows = [storage_row(t, each) for each in _worst(measured, most, lambda each: (fill_of(each) or 0,))]
    parts = [_folded(t, rows, len(measured), room * 4 // 5)] if rows else []
    if unknown:
        parts.append(f"{UNSURE} {t('unknown')}: {fit_lines(t, unknown, max(60, room // 5), t(', '))}")
    return "\n".join((f"**{t('Storages')}**", *parts)) if parts else ""


def _worst(items: Sequence[T], most: int, urgency: Callable[[T], tuple[float, ...]]) -> list[T]:
    """Return at most `most` items, those with the greatest urgency, in their own order."""
    ranked = sorted(range(len(items)), key=lambda place: urgency(items[place]), reverse=True)
    return [items[place] for place in sorted(ranked[:most])]


def _folded(t: Text, rows: Sequence[str], total: int, room: int) -> str:
    """Join as many rows as fit into `room` characters, and count the rest of `total`."""
    kept: list[str] = []
    for row in rows:
        if sum(len(each) + 1 for each in (*kept, row)) + 40 > room:
            break
        kept.append(row)
    left = total - len(kept)
    return "\n".join([*kept, more_word(t, left)] if left else kept)
