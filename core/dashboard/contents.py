"""Gather the contents of a dashboard from the last read, the tasks and the state of the watch. Pure functions."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from heapq import nlargest

from core.access.guest_index import GuestIndex
from core.access.policy import AccessRules, Actor, Place, Scope, ScopeKind
from core.access.rows import Rows
from core.dashboard.model import Extent
from core.errors import BotError
from core.guest import Cluster, Guest, State, TaskSummary
from core.levels import Level
from core.watch.incidents.model import Incident
from core.watch.subjects import concerns, visible_part

BUSIEST_MOST, MENU_MOST = 6, 25
"""Maximum number of running guests that are listed, and of guests in the menu (as many as Discord allows)."""
_CONSOLES = frozenset({"vncproxy", "vncshell", "spiceproxy", "spiceshell", "termproxy", "vzconsole"})
"""Tasks that run as long as somebody looks at a console: they are not work of the cluster."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a dashboard.

    `cluster`: the part of the last read within its extent, None if nothing current is known.
    `counts`: the number of its guests in each state; None stands for the templates.
    `busiest`: running guests, the busiest first. `menu`: the guests to choose from, in the order of their VMIDs.
    `tasks`: the running tasks, None if they are not known.
    `fault`: why nothing current is known. `since`: Unix seconds of the last good read, else of the first failed one;
    None if neither is known.
    `true_at`: Unix seconds of the read, None if nothing current is known.
    """

    cluster: Cluster | None
    incidents: tuple[Incident, ...]
    counts: Mapping[State | None, int]
    busiest: tuple[Guest, ...] = ()
    menu: tuple[Guest, ...] = ()
    tasks: tuple[TaskSummary, ...] | None = None
    fault: BotError | None = None
    since: float | None = None
    true_at: float | None = None


@dataclass(frozen=True, slots=True)
class ReadPart:
    """The part of one read within an extent. The fields are those of `Contents`."""

    cluster: Cluster
    counts: Mapping[State | None, int]
    busiest: tuple[Guest, ...]
    menu: tuple[Guest, ...]


def part_of(extent: Extent, rules: AccessRules, guest_index: GuestIndex) -> ReadPart:
    """Return the part of a read within an extent. That takes some milliseconds in a large cluster."""
    cluster = _narrowed_cluster(extent, rules, guest_index)
    by_state: Counter[State | None] = Counter(
        None if guest.template else guest.state for guest in cluster.guests
    )
    running = (guest for guest in cluster.guests if guest.state is State.RUNNING and not guest.template)
    busy = tuple(nlargest(MENU_MOST, running, key=_busyness))
    return ReadPart(cluster, by_state, busy[:BUSIEST_MOST], _menu(cluster.guests, busy))


def contents_of(
    extent: Extent,
    part: ReadPart,
    incidents: Iterable[Incident],
    tasks: Collection[TaskSummary] | None,
    true_at: float,
) -> Contents:
    """Return the contents from a read of the cluster. `tasks`: the cluster's task list, None if it is unknown."""
    return Contents(
        cluster=part.cluster,
        incidents=_incidents_within(extent, part.cluster, incidents),
        counts=part.counts,
        busiest=part.busiest,
        menu=part.menu,
        tasks=None if tasks is None else _running_tasks(extent, part.cluster, tasks),
        true_at=true_at,
    )


def contents_without_read(
    extent: Extent,
    rules: AccessRules,
    index: GuestIndex | None,
    incidents: Iterable[Incident],
    fault: BotError,
    since: float | None,
) -> Contents:
    """Return the contents while nothing current is known: the open incidents, and no figures.

    `index`: the last read of this run, None if there was none: the guests of an extent are then unknown.
    """
    known = _narrowed_cluster(extent, rules, index) if index else None
    found = tuple(incidents) if extent.is_whole else _incidents_within(extent, known, incidents)
    return Contents(None, found, {}, fault=fault, since=since)


def _extent_rows(extent: Extent, rules: AccessRules, guest_index: GuestIndex) -> Rows:
    """Return the guests within an extent. The scopes of its roles are those in the settings now."""
    table = guest_index.table
    rows = table.everyone
    if extent.roles:
        holder = Actor(0, "", Place(None, None), frozenset(extent.roles))
        rows &= table.at_level(rules, holder, Level.ADMIN)
    for kind, value in (
        (ScopeKind.NODE, extent.node),
        (ScopeKind.TAG, extent.tag),
        (ScopeKind.POOL, extent.pool),
    ):
        if value:
            rows &= table.in_scopes([(Scope(kind, value),)])
    return rows


def _narrowed_cluster(extent: Extent, rules: AccessRules, guest_index: GuestIndex) -> Cluster:
    """Return the part of a read within an extent: its guests, and the nodes that host them.

    For an extent that is a whole node, also return the node's storages, and the node even if it hosts no guests.
    """
    if extent.is_whole:
        return guest_index.cluster
    rows = _extent_rows(extent, rules, guest_index)
    narrowed: Cluster = guest_index.views.get(
        ("dashboard", extent.node if _is_node(extent) else "", rows),
        lambda: _narrowed(extent, guest_index, rows),
    )
    return narrowed


def _narrowed(extent: Extent, guest_index: GuestIndex, rows: Rows) -> Cluster:
    cluster, guests = guest_index.cluster, tuple(guest_index.guests_in(rows))
    shown = {extent.node} if _is_node(extent) else {guest.node for guest in guests}
    return replace(
        cluster,
        guests=guests,
        nodes=tuple(node for node in cluster.nodes if node.name in shown),
        storages=tuple(each for each in cluster.storages if _is_node(extent) and each.node in shown),
    )


def _is_node(extent: Extent) -> bool:
    """Return whether the extent is a whole node."""
    return bool(extent.node) and extent == Extent(node=extent.node)


def _incidents_within(
    extent: Extent, cluster: Cluster | None, incidents: Iterable[Incident]
) -> tuple[Incident, ...]:
    """Return the incidents that concern the extent, without guests outside of it. `cluster`: the extent's part."""
    if extent.is_whole:
        return tuple(incidents)
    vmids = cluster.vmids if cluster else frozenset[int]()

    def is_inside(vmid: int) -> bool:
        return vmid in vmids

    return tuple(
        visible_part(each, is_inside, cluster)
        for each in incidents
        if concerns(each, is_inside) or (_is_node(extent) and each.node == extent.node)
    )


def _running_tasks(extent: Extent, cluster: Cluster, tasks: Iterable[TaskSummary]) -> tuple[TaskSummary, ...]:
    """Return the running tasks that concern the extent, the oldest first."""
    found = [
        task
        for task in tasks
        if task.status is None
        and task.type not in _CONSOLES
        and (
            extent.is_whole
            or (_is_node(extent) and task.node == extent.node)
            or (task.id.isdecimal() and int(task.id) in cluster.vmids)
        )
    ]
    return tuple(sorted(found, key=lambda task: (task.started, task.upid)))


def _busyness(guest: Guest) -> tuple[float, float, int]:
    """Return the sort key of a running guest: its CPU use as a share of its cores, then its memory use."""
    memory = (guest.memory or 0) / guest.memory_total if guest.memory_total else 0.0
    return guest.cpu or 0.0, memory, -guest.vmid


def _menu(guests: tuple[Guest, ...], busy: tuple[Guest, ...]) -> tuple[Guest, ...]:
    """Return the guests of the menu, ordered by VMID.

    All if they fit, else the busiest, and then the first of the others.
    """
    if len(guests) <= MENU_MOST:
        return guests
    chosen = {guest.vmid: guest for guest in busy}
    for guest in guests:
        if len(chosen) >= MENU_MOST:
            break
        chosen.setdefault(guest.vmid, guest)
    return tuple(chosen[vmid] for vmid in sorted(chosen))
