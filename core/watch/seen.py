"""What of the past a person may read who may not see every guest."""

from dataclasses import replace
from typing import TypeVar

from core.guest import Cluster
from core.watch.model import BackupFact, GuestFact, Incident

T = TypeVar("T", GuestFact, BackupFact)


def part_seen(incident: Incident, seen: Cluster) -> Incident:
    """Without the guests that `seen` lacks, and without a name that one of them had before: it may have been
    another guest's."""
    return replace(
        incident,
        guests=tuple(_named(fact, seen) for fact in incident.guests if seen.find(fact.vmid)),
        backups=tuple(_named(fact, seen) for fact in incident.backups if fact.vmid and seen.find(fact.vmid)),
    )


def _named(fact: T, seen: Cluster) -> T:
    guest = seen.find(fact.vmid or 0)
    return fact if guest and guest.name == fact.name else replace(fact, name=None)
