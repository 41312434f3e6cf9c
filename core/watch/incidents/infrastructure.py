"""What the guests hang on: the connection to Proxmox, and the nodes. While one of them fails, no guest is judged."""

from dataclasses import fields, replace

from core.errors import BotError
from core.guest import Cluster, Node
from core.proxmox_errors import HalfGone
from core.watch.incidents.model import SOURCE, Fault, GuestFact, Level, Topic, What, node_subject
from core.watch.incidents.observation import ALIVE_STATES
from core.watch.incidents.state import GuestState, NodeState, SourceState, Wait
from core.watch.incidents.transition import Work
from core.watch.incidents.unknown import forget_stale

SOURCE_FAILURES = 3
SOURCE_SECONDS = 120.0
"""Proxmox is told of as out of reach after three failed reads or two minutes."""


def readable(work: Work) -> bool:
    """Whether this look says something about the guests; tells once if none has for a while, and once after."""
    fault, old = work.look.fault, work.source
    since = work.elapsed if old.since is None else old.since
    incident = work.open.get(old.incident or 0)
    if fault is None:
        if incident is not None:
            work.recover(work.end(incident))
            work.returned = True
        work.source = SourceState()
        return True
    opened = work.now.unix if old.opened is None else old.opened
    halved = (work.elapsed if old.halved is None else old.halved) if isinstance(fault, HalfGone) else None
    work.source = replace(old, failures=old.failures + 1, since=since, opened=opened, halved=halved)
    if incident is not None:
        work.remind(incident, work.elapsed)
    elif work.source.failures >= SOURCE_FAILURES or work.elapsed - since >= SOURCE_SECONDS:
        incident = work.begin(
            Topic.SOURCE, SOURCE, Level.CRITICAL, fault=fault_of(fault), watched=len(work.entries)
        )
        work.keep(replace(incident, opened=opened, began=since))
        work.source = replace(work.source, incident=incident.id)
    return False


def fault_of(error: BotError) -> Fault:
    """An error as the journal can keep it."""
    values = tuple((each.name, str(getattr(error, each.name))) for each in fields(error))  # type: ignore[arg-type]  # every subclass is a dataclass
    return Fault(type(error).__name__, values)


def judge_nodes(work: Work, cluster: Cluster) -> None:
    """A list without any node says nothing; a node it does not have any more was taken out of the cluster."""
    if not cluster.nodes:
        return
    for node in cluster.nodes:
        work.nodes[node.name] = _judged(work, node)
    listed = {node.name for node in cluster.nodes}
    for name in work.nodes.keys() - listed:
        gone = work.nodes.pop(name)
        forget_stale(work, gone)
        incident = work.open.get(gone.incident or 0)
        if incident is not None:
            work.end(incident, forgotten=True)


def _judged(work: Work, node: Node) -> NodeState:
    old = work.nodes.get(node.name)
    if old is None:
        return NodeState(node.online)
    if node.online:
        incident = work.open.get(old.incident or 0)
        if incident is not None:
            work.recover(work.end(incident))
        return replace(old, online=True, suspect=False, incident=None)
    if not old.online:
        return old
    first = work.look.first
    if not (old.suspect or (first is not None and not first.node_online(node.name))):
        return replace(old, suspect=True)
    subject = node_subject(node.name)
    incident = work.begin(
        Topic.NODE, subject, Level.CRITICAL, node=node.name, guests=_lost_with(work, node.name)
    )
    return replace(old, online=False, suspect=False, incident=incident.id)


def _lost_with(work: Work, node: str) -> tuple[GuestFact, ...]:
    """The watched guests that ran on it, as last seen."""
    return tuple(
        GuestFact(guest.vmid, What.STOPPED, guest.kind, node, guest.name)
        for guest in (work.guests.get(entry.vmid) for entry in work.entries)
        if guest is not None and guest.node == node and _ran(guest)
    )


def _ran(guest: GuestState) -> bool:
    """It ran where it was last seen; one that HA has moved there has yet to start."""
    awaited = guest.held is not None and guest.held.wait is Wait.HA
    return guest.state in ALIVE_STATES and not guest.missing and not awaited
