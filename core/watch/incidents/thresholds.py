"""Thresholds: over the limit in three reads in a row, and over with it only five points lower."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.errors import AlreadyWatched, CannotWatchTemplate, DiskUnknown
from core.guest import PASSING_STATES, Cluster, Guest, Kind, State, Storage
from core.names import checked_threshold
from core.watch.incidents.model import (
    GuestFact,
    Incident,
    Level,
    Metric,
    Topic,
    Watched,
    What,
    guest_subject,
    storage_subject,
)
from core.watch.incidents.state import GaugeState
from core.watch.incidents.transition import Work

READS = 3
_BETWEEN = PASSING_STATES | {State.UNKNOWN}
MARGIN = 5
"""Points of percent between the limit and where it is over."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """What is measured in this look. `percent` None: not known just now; `limit` None: nobody wants to know.

    `idle`: there is nothing to measure (the guest does not run), which ends what was told. `blind`: what is listed
    is not the guest's own use; what was told ends with the third such read in a row.
    """

    key: str
    percent: float | None
    limit: int | None
    begin: Callable[[Work, float, int], Incident]
    idle: bool = False
    blind: bool = False


def entry_of(guest: Guest, old: Watched | None, limits: Mapping[Metric, int]) -> Watched:
    """The entry of a guest with these thresholds, in percent (0: none any more), beside those it has.

    Raises AlreadyWatched (where none is given), CannotWatchTemplate, DiskUnknown, BadAmount.
    """
    fields: dict[str, Any] = {
        metric.value: checked_threshold(metric.value, value) for metric, value in limits.items()
    }
    if guest.template:
        raise CannotWatchTemplate(guest.vmid, guest.label)
    if Metric.DISK in limits and guest.kind is not Kind.LXC:
        raise DiskUnknown(guest.vmid, guest.label)
    if old is not None and not limits:
        raise AlreadyWatched(guest.vmid, guest.label)
    return replace(old or Watched(guest.vmid), **fields)


def judge_gauges(work: Work, cluster: Cluster) -> None:
    gauges = [gauge for entry in work.entries for gauge in _of_guest(work, entry, cluster.find(entry.vmid))]
    gauges += _of_storages(work, cluster)
    for gauge in gauges:
        _judge(work, gauge)
    for key in work.gauges.keys() - {gauge.key for gauge in gauges}:
        drop(work, key)


def _judge(work: Work, gauge: Gauge) -> None:
    if gauge.limit is None or gauge.idle:
        drop(work, gauge.key)
        return
    old = work.gauges.get(gauge.key, GaugeState())
    if gauge.blind:
        _lose_sight(work, gauge.key, old)
        return
    if gauge.percent is None:
        return
    incident = work.open.get(old.incident or 0)
    beyond = gauge.percent >= gauge.limit if incident is None else gauge.percent <= gauge.limit - MARGIN
    streak = old.streak + 1 if beyond else 0
    if streak < READS:
        new = replace(old, streak=streak, blind=0)
    elif incident is None:
        new = GaugeState(incident=gauge.begin(work, gauge.percent, gauge.limit).id)
    else:
        work.recover(work.end(replace(incident, percent=gauge.percent)))
        new = GaugeState()
    if new != GaugeState():
        work.gauges[gauge.key] = new
    else:
        work.gauges.pop(gauge.key, None)


def _lose_sight(work: Work, key: str, old: GaugeState) -> None:
    """Hold what was told for READS reads: balloon data is away for a moment after a migration, too."""
    blind = old.blind + 1
    if old.incident is None or blind >= READS:
        drop(work, key)
    else:
        work.gauges[key] = replace(old, streak=0, blind=blind)


def drop(work: Work, key: str) -> None:
    """Measured no longer."""
    old = work.gauges.pop(key, None)
    incident = work.open.get(old.incident or 0) if old else None
    if incident is not None:
        work.end(incident, forgotten=True)


def drop_of(work: Work, vmid: int, metrics: Iterable[Metric] = Metric) -> None:
    """These of a guest are measured no longer, or anew."""
    for metric in metrics:
        drop(work, gauge_key(vmid, metric))


def gauge_key(vmid: int, metric: Metric) -> str:
    return f"{guest_subject(vmid)}/{metric.value}"


def _of_guest(work: Work, entry: Watched, guest: Guest | None) -> list[Gauge]:
    limits = [(metric, entry.limit(metric)) for metric in Metric]
    seen = entry.vmid not in work.look.unsure and not (guest and _out_of_sight(work, guest))
    measured = seen and guest is not None and guest.state is State.RUNNING
    idle = seen and not measured and (guest is None or guest.template or guest.state not in _BETWEEN)
    return [
        Gauge(
            gauge_key(entry.vmid, metric),
            percent_of(guest, metric) if guest and measured else None,
            limit,
            _guest_incident(guest, metric) if guest else _never,
            idle,
            bool(measured and guest and metric is Metric.MEMORY and guest.memory_seen_by_host),
        )
        for metric, limit in limits
        if limit is not None
    ]


def _out_of_sight(work: Work, guest: Guest) -> bool:
    """Its node is offline: what is listed of it is old."""
    return work.look.cluster is not None and not work.look.cluster.node_online(guest.node)


def percent_of(guest: Guest, metric: Metric) -> float | None:
    """How much of what it has a guest uses; None where Proxmox does not know."""
    match metric:
        case Metric.CPU:
            return None if guest.cpu is None else guest.cpu * 100
        case Metric.MEMORY:
            return None if guest.memory_seen_by_host else _share(guest.memory, guest.memory_total)
        case Metric.DISK:
            return _share(guest.disk, guest.disk_total)


def _share(used: int | None, total: int | None) -> float | None:
    return used / total * 100 if used is not None and total else None


def _never(work: Work, percent: float, limit: int) -> Incident:
    raise LookupError("a guest that is not there has no use")


def _guest_incident(guest: Guest, metric: Metric) -> Callable[[Work, float, int], Incident]:
    def begin(work: Work, percent: float, limit: int) -> Incident:
        fact = GuestFact(guest.vmid, What.BACK, guest.kind, guest.node, guest.name)
        return work.begin(
            Topic.GAUGE,
            guest_subject(guest.vmid),
            Level.WARNING,
            guests=(fact,),
            metric=metric,
            percent=percent,
            limit=limit,
        )

    return begin


def _of_storages(work: Work, cluster: Cluster) -> list[Gauge]:
    """Every storage once. A shared one is listed by each node, and some may be behind: the fullest counts of those
    that have figures."""
    gauges: dict[str, Gauge] = {}
    for storage in cluster.storages:
        subject = storage_subject(storage.name, None if storage.shared else storage.node)
        percent = _share(storage.used, storage.total) if storage.available else None
        known = gauges[subject].percent if subject in gauges else None
        if subject not in gauges or (percent is not None and percent > (-1 if known is None else known)):
            limit = work.rules.storage_limit or None
            gauges[subject] = Gauge(subject, percent, limit, _storage_incident(storage, subject))
    return list(gauges.values())


def _storage_incident(storage: Storage, subject: str) -> Callable[[Work, float, int], Incident]:
    def begin(work: Work, percent: float, limit: int) -> Incident:
        return work.begin(
            Topic.STORAGE,
            subject,
            Level.WARNING,
            storage=storage.name,
            node="" if storage.shared else storage.node,
            percent=percent,
            limit=limit,
        )

    return begin
