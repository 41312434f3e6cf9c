"""Answer people who ask for a chart: decide access, read Proxmox, and have the picture drawn."""

from collections.abc import Callable, Sequence
from functools import partial

from core.access.policy import Actor
from core.charts.markers import Marker, markers_of
from core.charts.series import PRESSURE_KINDS, ChartTopic, PanelKind, build_chart, has_pressure
from core.errors import FilesRefused, JournalFailed, PressureUnknown
from core.guest import Cluster, Guest, Kind, State
from core.guest_errors import TemplateRefused
from core.operations import Operation
from core.proxmox import Measure, Period, Sample
from core.proxmox_errors import NodeUnreachable
from core.watch.incidents.model import Incident
from ui.cards import card
from ui.charts.drawing import ChartSubject, description, drawing_of
from ui.charts.view import FILE_NAME, ChartPicture, Wish, chart_card
from ui.formatting import WARNING, Colour, code, plain, title
from ui.i18n import Text
from ui.interaction.answer import Attachment
from ui.interaction.context import actor_of
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.sites.typed_node import find_node

INCIDENTS_MOST = 100
"""Number of newest incidents to search for those of a chart."""
_USUAL = (PanelKind.CPU, PanelKind.MEMORY, PanelKind.NETWORK)
_TOPICS = {
    ChartTopic.CPU: (PanelKind.CPU,),
    ChartTopic.MEMORY: (PanelKind.MEMORY,),
    ChartTopic.NETWORK: (PanelKind.NETWORK,),
    ChartTopic.PRESSURE: PRESSURE_KINDS,
}


async def show_guest_chart(site: Site, reply: Reply, vmid: int, wish: Wish) -> None:
    """Show the past usage of a guest.

    Raises: GuestNotFound, Refused, ProxmoxError, ChartFailed, ChartTooSlow.
    """
    _ensure_files(reply)
    check = site.authorizer.check_for(actor_of(reply.interaction), Operation.GRAPH_GUEST)

    async def read(guest: Guest) -> tuple[Guest, ChartPicture]:
        if guest.template:
            raise TemplateRefused(guest.vmid, guest.label, Operation.GRAPH_GUEST.value)
        key = ("guest", site.name, guest.vmid, guest.fingerprint, guest.node, wish, reply.t.language)
        make = partial(_draw_guest, site, reply.t, guest, wish)
        return guest, await site.services.pictures.take(key, make)

    guest, picture = await site.planner.finder.run_on_listed(vmid, read, check)
    is_off = picture.empty and guest.state is State.STOPPED
    note = reply.t("The guest was not running in this period.") if is_off else ""
    await _send(reply, title(guest), picture, wish, site, note)


async def show_node_chart(reply: Reply, typed: str, period: Period, topic: ChartTopic | None = None) -> None:
    """Show the past usage of a node that the person may see.

    Raises: UnknownNode, SeveralTargets, Refused, ProxmoxError, ChartFailed, ChartTooSlow.
    """
    _ensure_files(reply)
    actor = actor_of(reply.interaction)
    site, cluster, node = await find_node(reply.interaction, typed)
    name = node.name
    site.authorizer.authorize(actor, Operation.GRAPH_NODE)
    if not node.online:
        raise NodeUnreachable(name)
    wish, seen = Wish.of_node(name, period, topic), _seen_guests(site, actor, cluster)
    key = ("node", site.name, name, wish, reply.t.language, seen)
    picture = await site.services.pictures.take(key, partial(_draw_node, site, reply.t, name, wish, seen))
    await _send(reply, f"**{code(name)}**", picture, wish, site)


def _seen_guests(site: Site, actor: Actor, cluster: Cluster) -> frozenset[int] | None:
    """Return the guests whose incidents the person may see, None for all incidents."""
    if not site.authorizer.has_hidden_guests(actor):
        return None
    return frozenset(site.authorizer.visible_cluster(actor, cluster).vmids)


def _ensure_files(reply: Reply) -> None:
    """Check that the bot may send a picture here. A private answer needs no permission.

    Raises: FilesRefused.
    """
    if not reply.is_private and not reply.interaction.app_permissions.attach_files:
        raise FilesRefused


async def _send(
    reply: Reply, head: str, picture: ChartPicture, wish: Wish, site: Site, note: str = ""
) -> None:
    """Send the picture, or say that Discord did not accept it."""
    t = reply.t
    shown = chart_card(t, f"### {head}", picture, wish, site.name, note)
    lost = f"{WARNING} {t('Discord did not accept the chart. Try again in a moment.')}"
    without = card(f"### {head}", lost, colour=Colour.WARN)
    await reply.show_file(shown, Attachment(FILE_NAME, picture.png), without)


async def _draw_guest(site: Site, t: Text, guest: Guest, wish: Wish) -> ChartPicture:
    samples = await site.proxmox.guest_history(guest, wish.period)
    entry, limits = site.watch.find(guest.vmid), dict[PanelKind, float]()
    if entry is not None:
        wanted = {PanelKind.CPU: entry.cpu, PanelKind.DISK_USE: entry.disk, PanelKind.MEMORY: entry.memory}
        if guest.memory_seen_by_host:  # the watch does not judge such a figure
            del wanted[PanelKind.MEMORY]
        limits = {kind: float(limit) for kind, limit in wanted.items() if limit is not None}
    now = site.services.clock.now()
    started = now - guest.uptime if guest.uptime else None
    markers = markers_of(await _incidents(site, frozenset({guest.vmid}), lambda _incident: True), started)
    subject = ChartSubject(plain(f"{guest.vmid} {guest.name or ''}"), host_view=guest.memory_seen_by_host)
    kinds = _kinds(wish, samples, (PanelKind.DISK_RATE,))
    # Proxmox does not know how full the disks of a VM are.
    if wish.topic is ChartTopic.DISK and guest.kind is Kind.LXC:
        kinds = (PanelKind.DISK_USE, *kinds)
    return await _draw(site, t, samples, wish, kinds, subject, limits, markers)


async def _draw_node(site: Site, t: Text, name: str, wish: Wish, seen: frozenset[int] | None) -> ChartPicture:
    samples = await site.proxmox.node_history(name, wish.period)
    markers = markers_of(await _incidents(site, seen, lambda incident: incident.node == name), None)
    kinds = _kinds(wish, samples, (PanelKind.DISK_USE,))
    return await _draw(site, t, samples, wish, kinds, ChartSubject(plain(name), is_node=True), {}, markers)


def _kinds(wish: Wish, samples: Sequence[Sample], disk: tuple[PanelKind, ...]) -> tuple[PanelKind, ...]:
    """Return the panels that a person wants to see.

    Raises: PressureUnknown, if only pressure is wanted, and a guest or node that ran has none.
    """
    if wish.topic is None:
        return (*_USUAL, *disk)
    ran = any(Measure.CPU in sample.values for sample in samples)
    if wish.topic is ChartTopic.PRESSURE and ran and not has_pressure(samples):
        raise PressureUnknown
    return _TOPICS.get(wish.topic, disk)


async def _incidents(
    site: Site, vmids: frozenset[int] | None, fits: Callable[[Incident], bool]
) -> list[Incident]:
    """Return those among the newest incidents of these guests (None: of everything) for which `fits` is true.

    Return none if the journal cannot be read: a chart without markers is better than no chart.
    """
    try:
        found, _ = await site.journal.history(vmids, 0, INCIDENTS_MOST)
    except JournalFailed:
        return []
    return [incident for incident in found if fits(incident)]


async def _draw(
    site: Site,
    t: Text,
    samples: Sequence[Sample],
    wish: Wish,
    kinds: Sequence[PanelKind],
    subject: ChartSubject,
    limits: dict[PanelKind, float],
    markers: Sequence[Marker],
) -> ChartPicture:
    services = site.services
    now = services.clock.now()
    chart = build_chart(samples, wish.period, now, kinds, limits=limits, markers=markers)
    await services.clock.sleep(0)  # a long history is a lot of work, so other tasks run in between
    png = await services.renderer.draw(drawing_of(t, chart, subject, services.timezone))
    empty = not any(panel.lines for panel in chart.panels)
    return ChartPicture(png, description(t, chart, subject), now, empty)
