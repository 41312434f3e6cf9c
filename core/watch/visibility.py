"""What of the past a person may read who may not see every guest."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from core.guest import Cluster
from core.watch.incidents.model import BackupFact, GuestFact, Incident

T = TypeVar("T", GuestFact, BackupFact)


def visible_part(incident: Incident, exists: Callable[[int], bool], cluster: Cluster | None) -> Incident:
    """Without the guests that do not exist for somebody, and without a name that one of them had before: it may have
    been another guest's."""
    return replace(
        incident,
        guests=tuple(_named(fact, cluster) for fact in incident.guests if exists(fact.vmid)),
        backups=tuple(
            _named(fact, cluster) for fact in incident.backups if fact.vmid is not None and exists(fact.vmid)
        ),
    )


def concerns(incident: Incident, exists: Callable[[int], bool]) -> bool:
    """Whether it is about a guest that exists for somebody."""
    vmids = [fact.vmid for fact in incident.guests] + [fact.vmid or 0 for fact in incident.backups]
    return any(exists(vmid) for vmid in vmids)


def _named(fact: T, cluster: Cluster | None) -> T:
    guest = cluster.find(fact.vmid or 0) if cluster else None
    return fact if guest and guest.name == fact.name else replace(fact, name=None)
