"""Judge the connection to Proxmox and the nodes. While the connection or a node fails, its guests are not judged."""

from dataclasses import replace

from core.guest import Cluster, Node
from core.proxmox_errors import HalfGone
from core.watch.incidents.model import (
    SOURCE,
    GuestEvent,
    GuestFact,
    Severity,
    SourceFault,
    Topic,
    node_subject,
)
from core.watch.incidents.observation import ALIVE_STATES
from core.watch.incidents.state import GuestState, HoldReason, NodeState, SourceState
from core.watch.incidents.transition import Transition
from core.watch.incidents.unknown import forget_stale

SOURCE_FAILURES = 3
SOURCE_SECONDS = 120.0
"""Proxmox is reported as unreachable after three failed reads or two minutes."""


def check_source(transition: Transition) -> bool:
    """Report that Proxmox has been unreadable for a while, remind of it, and report that it can be read again.

    Return whether this poll says anything about the guests.
    """
    fault, old = transition.observation.fault, transition.source
    since = transition.elapsed if old.since is None else old.since
    incident = transition.open.get(old.incident or 0)
    if fault is None:
        if incident is not None:
            transition.announce_recovery(transition.close_incident(incident))
            transition.source_recovered = True
        transition.source = SourceState()
        return True
    opened = transition.now.unix if old.opened is None else old.opened
    halved = (
        (transition.elapsed if old.halved is None else old.halved) if isinstance(fault, HalfGone) else None
    )
    transition.source = replace(old, failures=old.failures + 1, since=since, opened=opened, halved=halved)
    if incident is not None:
        transition.remind(incident, transition.elapsed)
    elif transition.source.failures >= SOURCE_FAILURES or transition.elapsed - since >= SOURCE_SECONDS:
        incident = transition.open_incident(
            Topic.SOURCE,
            SOURCE,
            Severity.CRITICAL,
            fault=SourceFault.of(fault),
            watched=len(transition.entries),
        )
        transition.update_incident(replace(incident, opened=opened, began=since))
        transition.source = replace(transition.source, incident=incident.id)
    return False


def check_nodes(transition: Transition, cluster: Cluster) -> None:
    """Judge all nodes. An empty list says nothing; a missing node was removed from the cluster."""
    if not cluster.nodes:
        return
    for node in cluster.nodes:
        transition.nodes[node.name] = _next_node_state(transition, node)
    listed = {node.name for node in cluster.nodes}
    for name in transition.nodes.keys() - listed:
        gone = transition.nodes.pop(name)
        forget_stale(transition, gone)
        incident = transition.open.get(gone.incident or 0)
        if incident is not None:
            transition.close_incident(incident, forgotten=True)


def _next_node_state(transition: Transition, node: Node) -> NodeState:
    old = transition.nodes.get(node.name)
    if old is None:
        return NodeState(node.online)
    if node.online:
        incident = transition.open.get(old.incident or 0)
        if incident is not None:
            transition.announce_recovery(transition.close_incident(incident))
        return replace(old, online=True, suspect=False, incident=None)
    if not old.online:
        return old
    first = transition.observation.first
    if not (old.suspect or (first is not None and not first.node_online(node.name))):
        return replace(old, suspect=True)
    subject = node_subject(node.name)
    incident = transition.open_incident(
        Topic.NODE,
        subject,
        Severity.CRITICAL,
        node=node.name,
        guests=_guests_lost_with(transition, node.name),
    )
    return replace(old, online=False, suspect=False, incident=incident.id)


def _guests_lost_with(transition: Transition, node: str) -> tuple[GuestFact, ...]:
    """Return the watched guests that were last seen on the node and were not stopped."""
    return tuple(
        GuestFact(guest.vmid, GuestEvent.STOPPED, guest.kind, node, guest.name)
        for guest in (transition.guests.get(entry.vmid) for entry in transition.entries)
        if guest is not None and guest.node == node and _was_alive(guest)
    )


def _was_alive(guest: GuestState) -> bool:
    """Return whether the guest was running, paused or suspended. One that HA has just moved has yet to start."""
    awaited = guest.held is not None and guest.held.wait is HoldReason.HA
    return guest.state in ALIVE_STATES and not guest.missing and not awaited
