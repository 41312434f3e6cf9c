"""Find guests and nodes without new data, because pvestatd hangs or a guest does not answer.

Such a watched guest is queried individually. If its state stays unknown for half an hour, that is reported.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from operator import attrgetter

from core.guest import Cluster, Guest, Kind, Node, State
from core.watch.incidents.model import (
    GuestEvent,
    GuestFact,
    Incident,
    Severity,
    Topic,
    WatchEntry,
    node_subject,
)
from core.watch.incidents.state import GuestState, NodeState, WatchState
from core.watch.incidents.transition import Transition

BLIND_SECONDS = 1800.0
"""Seconds for which the state of a watched guest may be unknown before an incident opens."""
STALE_POLLS = 2
"""Polls in a row without new figures after which a node is reported."""
STORAGES_LEAST = 2
"""Minimum number of storages of a node for their missing figures to count."""


def unknown_guests(entries: Iterable[WatchEntry], read: Cluster) -> list[Guest]:
    """Return the watched guests that are listed without a state although their node is online."""
    listed = (read.find(entry.vmid) for entry in entries)
    return [
        guest
        for guest in listed
        if guest and guest.state is State.UNKNOWN and guest.node and read.node_online(guest.node)
    ]


def stale_nodes(read: Cluster) -> frozenset[str]:
    """Return the online nodes that have no new figures.

    A node has none if its own figures, those of all its VMs, of all its containers or of all its storages are
    missing. The storages count only if there are several and one is not shared, because a single one may just
    be offline.
    """
    unknown = _all_unknown(read)
    return frozenset(node.name for node in read.nodes if node.online and _is_stale(read, node, unknown))


def _all_unknown(read: Cluster) -> set[tuple[str, Kind]]:
    """Return the pairs of node and kind whose guests are all unknown."""
    if State.UNKNOWN not in map(attrgetter("state"), read.guests):
        return set()  # as in most reads
    known, unknown = set[tuple[str, Kind]](), set[tuple[str, Kind]]()
    for guest in read.guests:
        (unknown if guest.state is State.UNKNOWN else known).add((guest.node, guest.kind))
    return unknown - known


def _is_stale(read: Cluster, node: Node, all_unknown: Set[tuple[str, Kind]]) -> bool:
    storages = [storage for storage in read.storages if storage.node == node.name]
    return (
        not node.known
        or any((node.name, kind) in all_unknown for kind in Kind)
        or (
            len(storages) >= STORAGES_LEAST
            and not all(storage.shared for storage in storages)
            and not any(storage.available for storage in storages)
        )
    )


def blind_guests(state: WatchState, entries: Iterable[WatchEntry]) -> tuple[GuestState, ...]:
    """Return the watched guests whose state has been unknown for too long.

    Guests of an offline node are left out, because the node's incident covers them.
    """
    guests = (state.guests.get(entry.vmid) for entry in entries)
    return tuple(guest for guest in guests if guest and _is_blind(guest, state.pulse.clock))


def _is_blind(guest: GuestState, clock: float) -> bool:
    return guest.unknown is not None and clock - guest.unknown >= BLIND_SECONDS


# -- in a step


def note_unknown(transition: Transition, guest: GuestState, listed: Guest | None) -> GuestState:
    """Return the guest with `unknown` set to the time since which its state is unknown.

    It is None if the state is known, the guest is missing or its node is offline.
    """
    known = (
        guest.missing
        if listed is None
        else listed.state is not State.UNKNOWN or _is_lost(transition, listed.node)
    )
    if known:
        return guest if guest.unknown is None else replace(guest, unknown=None)
    return guest if guest.unknown is not None else replace(guest, unknown=transition.clock)


def _is_lost(transition: Transition, node: str) -> bool:
    """Return whether the node is offline. Its incident then covers its guests."""
    return not transition.nodes.get(node, NodeState(True)).online


def check_stale_nodes(transition: Transition, raw: Cluster) -> None:
    """Report once that a node has no new figures, and once that it has them again.

    `raw`: the list without the answers of single guests.
    """
    stale = stale_nodes(raw)
    for name, node in list(transition.nodes.items()):
        incident = transition.open.get(node.stale_incident or 0)
        if node.online and not raw.node_online(name):
            continue  # it is only suspected to be offline
        if name in stale:
            polls = min(node.stale + 1, STALE_POLLS)
            number = node.stale_incident
            if polls == STALE_POLLS and incident is None:
                number = _open_stale(transition, name, raw).id
            transition.nodes[name] = replace(node, stale=polls, stale_incident=number)
        elif node.stale or incident is not None:
            transition.nodes[name] = replace(node, stale=0, stale_incident=None)
            if incident is not None:
                _close(transition, incident, again=node.online)


def forget_stale(transition: Transition, node: NodeState) -> None:
    """End the incident of a node that is no longer in the cluster."""
    incident = transition.open.get(node.stale_incident or 0)
    if incident is not None:
        transition.close_incident(incident, forgotten=True)


def _open_stale(transition: Transition, name: str, raw: Cluster) -> Incident:
    watched = (transition.guests.get(entry.vmid) for entry in transition.entries)
    shown = {guest.vmid: guest for guest in raw.guests if guest.node == name}
    facts = tuple(
        GuestFact(guest.vmid, GuestEvent.UNKNOWN, guest.kind, name, guest.name)
        for guest in watched
        if guest and guest.vmid in shown and shown[guest.vmid].state is State.UNKNOWN
    )
    return transition.open_incident(
        Topic.STALE, node_subject(name), Severity.WARNING, node=name, guests=facts
    )


def check_blind_guests(transition: Transition) -> None:
    """Report once per node that watched guests were unknown for a long time, and once that they are known again."""
    by_node: dict[str, list[GuestState]] = {}
    for entry in transition.entries:
        guest = transition.guests.get(entry.vmid)
        if guest is not None and _is_blind(guest, transition.clock):
            by_node.setdefault(_node_of(transition, guest), []).append(guest)
    open_blind = {
        incident.node: incident for incident in transition.open.values() if incident.topic is Topic.BLIND
    }
    for node, incident in open_blind.items():
        if node not in by_node:
            _close(
                transition, incident, again=any(_is_known(transition, fact.vmid) for fact in incident.guests)
            )
    for node, guests in sorted(by_node.items()):
        _open_blind(transition, node, guests, open_blind)


def _open_blind(
    transition: Transition, node: str, guests: list[GuestState], open_blind: Mapping[str, Incident]
) -> None:
    facts = tuple(GuestFact(guest.vmid, GuestEvent.UNKNOWN, guest.kind, node, guest.name) for guest in guests)
    if node in open_blind:
        if open_blind[node].guests != facts:
            transition.update_incident(replace(open_blind[node], guests=facts))
        return
    age = transition.clock - min(guest.unknown or 0.0 for guest in guests)
    incident = transition.open_incident(
        Topic.BLIND, node_subject(node), Severity.CRITICAL, node=node, guests=facts
    )
    transition.update_incident(
        replace(incident, opened=transition.now.unix - age, began=transition.elapsed - age)
    )


def _node_of(transition: Transition, guest: GuestState) -> str:
    """Return the guest's node. Proxmox lists it even if it knows nothing else of the guest."""
    listed = transition.observation.cluster.find(guest.vmid) if transition.observation.cluster else None
    return listed.node if listed else guest.node


def _is_known(transition: Transition, vmid: int) -> bool:
    """Return whether the guest is watched, and its state is known or it is missing."""
    guest = transition.guests.get(vmid)
    watched = any(entry.vmid == vmid for entry in transition.entries)
    return watched and guest is not None and guest.unknown is None and not guest.lost_node


def _close(transition: Transition, incident: Incident, *, again: bool) -> None:
    """End the incident.

    `again=False`: the guests are no longer watched, or their node is offline.
    """
    ended = transition.close_incident(incident, forgotten=not again)
    if again:
        transition.announce_recovery(ended)
