"""Show a cluster on one card: guests by state, open incidents, nodes and storages (ui/cluster/paragraphs.py)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from discord import ui

from core.guest import Cluster
from core.watch.incidents.model import Incident, Severity
from ui.cards import card
from ui.cluster.paragraphs import NODES_MOST, STORAGES_MOST, incidents_text, nodes_text, storages_text
from ui.formatting import ALARM, MESSAGE_MOST, OK, WARNING, Colour, timestamp
from ui.guests.lists.cards import none_at_all, totals_line
from ui.guests.lists.filters import counted_as
from ui.i18n import Text
from ui.interaction.buttons import status_button
from ui.sites.sections import fit_sections

_ROOM = 3300
"""Characters that all parts except the totals share."""


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """The present state of one site, as a person may see it.

    `cluster`: the last read, None if there is none. `narrowed`: parts may be hidden.
    `read_at`: Unix seconds of the read. `incidents`: the open ones.
    `note`: why there is no newer read, "" if it is fresh or if `faults` say why.
    `faults`: lines about what the watch does not read, send or store.
    """

    name: str
    cluster: Cluster | None
    narrowed: bool
    read_at: float | None
    incidents: tuple[Incident, ...]
    note: str = ""
    faults: tuple[str, ...] = ()

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
        well = shown and self.sees_nodes and not self.note and not self.faults
        return Colour.GOOD if well and not self.incidents else Colour.WARN


def cluster_status_card(t: Text, status: ClusterStatus, site: str) -> ui.LayoutView:
    """Build the card of one site. `site`: its name in the button, "" if there is only one."""
    first, *parts = _parts(t, status, _ROOM, 1)
    head = f"### {t('Cluster status')}\n{first}"
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
    parts = (f"### {status.name}", *_parts(t, status, room, sites), _footer(t, status))
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
    """Return the parts of a site, problems first. The parts except the totals have about `room` characters.

    `sites`: number of sites that share the message.
    """
    trouble = "\n".join(filter(None, (status.note, *status.faults)))
    unsure = bool(status.faults or status.note or not status.sees_nodes)
    wrong = incidents_text(t, status.incidents, room // 4, unsure=unsure)
    parts = ["\n".join(filter(None, (trouble, wrong)))]
    room -= len(parts[0])
    parts.append(_totals(t, status))
    if status.cluster is not None:
        parts.append(nodes_text(t, status.cluster.nodes, room * 3 // 5, max(2, NODES_MOST // sites)))
        room -= len(parts[-1])
        parts.append(storages_text(t, status.cluster.storages, room - 50, max(2, STORAGES_MOST // sites)))
    return parts
