"""Find the subject that a person names, and reduce incidents to the part that is to be shown."""

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from core.guest import Cluster
from core.validation import VMID_LEAST, VMID_MOST, is_node
from core.wanted_errors import UnknownTarget
from core.watch.incidents.model import (
    ALL,
    SOURCE,
    BackupFact,
    GuestFact,
    Incident,
    guest_subject,
    node_subject,
    storage_subject,
)

_ALL = frozenset({ALL, "everything", "すべて", "全て"})
_GUEST = re.compile(r"(?:guest/)?([1-9][0-9]{2,8})")
_NODE = re.compile(r"node/(.+)")


def means_all(text: str) -> bool:
    return text.strip().casefold() in _ALL


def target_of(text: str, cluster: Cluster | None, watched: Collection[int] = ()) -> str:
    """Return the subject that the text names.

    The text may be a completion's value, a VMID, a guest's exact name, a node's name or a word for everything.
    `cluster=None`: the cluster is unknown now. Any well-formed VMID or `node/<name>` is accepted, but no other name.
    `watched`: VMIDs that are accepted even if the cluster does not list them.
    Raises: UnknownTarget, also for a name that several subjects have.
    """
    found = targets_of(text, cluster, watched)
    if len(found) != 1:
        raise UnknownTarget(text)
    (subject,) = found
    return subject


def targets_of(text: str, cluster: Cluster | None, watched: Collection[int] = ()) -> frozenset[str]:
    """Return the subjects that the text may mean, by the rules of `target_of`."""
    typed = text.strip()
    if means_all(typed):
        return frozenset({ALL})
    if typed.casefold() == SOURCE:
        return frozenset({SOURCE})
    if match := _GUEST.fullmatch(typed):
        vmid = int(match[1])
        if VMID_LEAST <= vmid <= VMID_MOST and (cluster is None or vmid in watched or cluster.find(vmid)):
            return frozenset({guest_subject(vmid)})
    if (match := _NODE.fullmatch(typed)) and cluster is None and is_node(match[1]):
        return frozenset({typed})
    return frozenset(_subjects_named(typed, cluster)) if cluster else frozenset()


def _subjects_named(typed: str, cluster: Cluster) -> set[str]:
    guests = {guest_subject(guest.vmid) for guest in cluster.guests if guest.name == typed}
    nodes = {node_subject(node.name) for node in cluster.nodes}
    storages = {
        storage_subject(storage.name, None if storage.shared else storage.node)
        for storage in cluster.storages
    }
    named = {subject for subject in nodes if subject == node_subject(typed)}
    return guests | named | ({typed} & (nodes | storages))


T = TypeVar("T", GuestFact, BackupFact)


def visible_part(incident: Incident, is_visible: Callable[[int], bool], cluster: Cluster | None) -> Incident:
    """Return the incident with the guests that `is_visible` accepts, and without outdated guest names.

    An old name may have belonged to another guest. `cluster=None`: all names are left out.
    Failed backup jobs of several guests are left out, too.
    """
    return replace(
        incident,
        guests=tuple(_with_current_name(fact, cluster) for fact in incident.guests if is_visible(fact.vmid)),
        backups=tuple(
            _with_current_name(fact, cluster)
            for fact in incident.backups
            if fact.vmid is not None and is_visible(fact.vmid)
        ),
    )


def concerns(incident: Incident, is_visible: Callable[[int], bool]) -> bool:
    """Return whether the incident is about a guest that `is_visible` accepts."""
    vmids = [fact.vmid for fact in incident.guests] + [fact.vmid or 0 for fact in incident.backups]
    return any(is_visible(vmid) for vmid in vmids)


def _with_current_name(fact: T, cluster: Cluster | None) -> T:
    guest = cluster.find(fact.vmid or 0) if cluster else None
    return fact if guest and guest.name == fact.name else replace(fact, name=None)
