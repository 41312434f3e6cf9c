"""Reduce incidents to the part that a person with limited access may read."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from core.guest import Cluster
from core.watch.incidents.model import BackupFact, GuestFact, Incident

T = TypeVar("T", GuestFact, BackupFact)


def visible_part(incident: Incident, exists: Callable[[int], bool], cluster: Cluster | None) -> Incident:
    """Return the incident without guests hidden from the person, and without outdated guest names.

    An old name may have belonged to another guest.
    """
    return replace(
        incident,
        guests=tuple(_named(fact, cluster) for fact in incident.guests if exists(fact.vmid)),
        backups=tuple(
            _named(fact, cluster) for fact in incident.backups if fact.vmid is not None and exists(fact.vmid)
        ),
    )


def concerns(incident: Incident, exists: Callable[[int], bool]) -> bool:
    """Return whether the incident is about a guest that exists for the person."""
    vmids = [fact.vmid for fact in incident.guests] + [fact.vmid or 0 for fact in incident.backups]
    return any(exists(vmid) for vmid in vmids)


def _named(fact: T, cluster: Cluster | None) -> T:
    guest = cluster.find(fact.vmid or 0) if cluster else None
    return fact if guest and guest.name == fact.name else replace(fact, name=None)
