"""Judge thresholds.

Three reads in a row at or over the limit open an incident. Three in a row at least five points below end it.
For the disk of a VM, each answer of its guest agent is one read.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.errors import AlreadyWatched, CannotWatchTemplate
from core.guest import PASSING_STATES, Cluster, Guest, State, Storage
from core.validation import checked_threshold
from core.watch.incidents.disks import (
    Silence,
    after_answer,
    after_silent_reading,
    is_asked,
    is_silent,
    report_silence,
    silence_of,
    unjudged_reading,
    was_reported,
)
from core.watch.incidents.model import (
    GuestEvent,
    GuestFact,
    Incident,
    Metric,
    Severity,
    Topic,
    WatchEntry,
    guest_subject,
    storage_subject,
    threshold_key,
)
from core.watch.incidents.observation import DiskReading, Observation
from core.watch.incidents.state import ThresholdState
from core.watch.incidents.transition import Transition

READS_IN_A_ROW = 3
"""Reads in a row that open or end an incident."""
BETWEEN_STATES = PASSING_STATES | {State.UNKNOWN}
"""States in which a guest may be running again with the next read: its incidents stay open meanwhile."""
MARGIN = 5
"""Percentage points below the limit at which the incident ends."""


@dataclass(frozen=True, slots=True)
class ThresholdReading:
    """One value of this poll to be judged. `percent=None`: not known now. `limit=None`: storage alerts are off.

    `idle`: there is nothing to measure (the guest does not run). The incident ends.
    `blind`: the listed value is not the guest's own use. The third such read in a row ends the incident.
    `silence`: the guest agent did not answer, or named no file system of the guest's own. The incident stays open.
    """

    key: str
    percent: float | None
    limit: int | None
    open_incident: Callable[[Transition, float, int], Incident]
    idle: bool = False
    blind: bool = False
    silence: Silence | None = None


def given_limits(cpu: int | None, memory: int | None, disk: int | None) -> dict[Metric, int]:
    given = {Metric.CPU: cpu, Metric.MEMORY: memory, Metric.DISK: disk}
    return {metric: value for metric, value in given.items() if value is not None}


def make_entry(guest: Guest, old: WatchEntry | None, limits: Mapping[Metric, int]) -> WatchEntry:
    """Return a guest's entry with these thresholds in percent (0 removes one), keeping its others.

    Raises: AlreadyWatched if a watched guest is given none, CannotWatchTemplate, BadAmount.
    """
    fields: dict[str, Any] = {
        metric.value: checked_threshold(metric.value, value) for metric, value in limits.items()
    }
    if guest.template:
        raise CannotWatchTemplate(guest.vmid, guest.label)
    if old is not None and not limits:
        raise AlreadyWatched(guest.vmid, guest.label)
    return replace(old or WatchEntry(guest.vmid), **fields)


def check_thresholds(transition: Transition, cluster: Cluster) -> None:
    readings = [
        reading
        for entry in transition.entries
        for reading in _guest_readings(transition, entry, cluster.find(entry.vmid))
    ]
    readings += _storage_readings(transition, cluster)
    new_silences = [silence for reading in readings if (silence := _check_reading(transition, reading))]
    report_silence(transition, new_silences)
    for key in transition.thresholds.keys() - {reading.key for reading in readings}:
        _drop_threshold(transition, key)


def _check_reading(transition: Transition, reading: ThresholdReading) -> Silence | None:
    """Judge one value. Return the silence of its guest agent if that must be reported now."""
    old = transition.thresholds.get(reading.key, ThresholdState())
    if reading.limit is None or reading.idle:
        _drop_threshold(transition, reading.key)
        if reading.idle and was_reported(old):  # the silence is not reported again after each start
            transition.thresholds[reading.key] = ThresholdState(silent=old.silent)
    elif reading.blind:
        _lose_sight(transition, reading.key, old)
    elif reading.silence:
        return _note_silence(transition, reading.key, reading.silence, old)
    elif reading.percent is not None:
        _judge_value(transition, reading, old, reading.percent, reading.limit)
    return None


def _judge_value(
    transition: Transition, reading: ThresholdReading, old: ThresholdState, percent: float, limit: int
) -> None:
    incident = transition.open.get(old.incident or 0)
    if incident is not None and incident.unknown:
        incident = transition.update_incident(replace(incident, unknown=False))
    beyond = percent >= limit if incident is None else percent <= limit - MARGIN
    streak, silent = old.streak + 1 if beyond else 0, after_answer(old)
    if streak < READS_IN_A_ROW:
        new = replace(old, streak=streak, blind=0, silent=silent)
    elif incident is None:
        opened = reading.open_incident(transition, percent, limit)
        new = ThresholdState(incident=opened.id, silent=silent)
    else:
        transition.announce_recovery(transition.close_incident(replace(incident, percent=percent)))
        new = ThresholdState(silent=silent)
    if new != ThresholdState():
        transition.thresholds[reading.key] = new
    else:
        transition.thresholds.pop(reading.key, None)


def _lose_sight(transition: Transition, key: str, old: ThresholdState) -> None:
    """Count a `blind` reading. The incident ends after `READS_IN_A_ROW` of them in a row.

    A single one does not end it, because balloon data is also missing for a moment after a migration.
    """
    blind = old.blind + 1
    if old.incident is None or blind >= READS_IN_A_ROW:
        _drop_threshold(transition, key)
    else:
        transition.thresholds[key] = replace(old, streak=0, blind=blind)


def _note_silence(transition: Transition, key: str, silence: Silence, old: ThresholdState) -> Silence | None:
    """Count a reading without the use of the disks. Return the silence if it must be reported now.

    An open incident shows the silence, which is then not reported. If the guest is muted, a silence that lasts is
    reported after the mute. The reads before and after the silence count as in a row, because there are none between.
    """
    incident = transition.open.get(old.incident or 0)
    muted = incident is None and transition.guest_muted(silence.fact.vmid, silence.fact.node)
    new = replace(old, silent=after_silent_reading(old, muted=muted))
    transition.thresholds[key] = new
    if not is_silent(new):
        return None
    if incident is not None:
        if not incident.unknown:
            transition.update_incident(replace(incident, unknown=True))
        return None
    return silence if was_reported(new) and not was_reported(old) else None


def _drop_threshold(transition: Transition, key: str) -> None:
    """Stop measuring a value and end its incident."""
    old = transition.thresholds.pop(key, None)
    incident = transition.open.get(old.incident or 0) if old else None
    if incident is not None:
        transition.close_incident(incident, forgotten=True)


def drop_thresholds_of(transition: Transition, vmid: int, metrics: Iterable[Metric] = Metric) -> None:
    """Stop measuring these metrics of a guest. The next poll starts anew if they still have thresholds."""
    for metric in metrics:
        _drop_threshold(transition, threshold_key(vmid, metric))


def _guest_readings(transition: Transition, entry: WatchEntry, guest: Guest | None) -> list[ThresholdReading]:
    limits = [(metric, entry.limit(metric)) for metric in Metric]
    seen = _is_seen(transition.observation, entry.vmid, guest)
    measured = seen and guest is not None and guest.state is State.RUNNING
    idle = seen and not measured and (guest is None or guest.template or guest.state not in BETWEEN_STATES)
    readings = []
    for metric, limit in limits:
        if limit is not None:
            opening = _guest_incident(guest, metric) if guest else _no_incident
            reading = ThresholdReading(threshold_key(entry.vmid, metric), None, limit, opening, idle)
            readings.append(_measured(transition, reading, guest, metric) if guest and measured else reading)
    return readings


def _measured(
    transition: Transition, reading: ThresholdReading, guest: Guest, metric: Metric
) -> ThresholdReading:
    """Return the reading with the value of this running guest, if it is known."""
    if not is_asked(guest, metric):
        blind = metric is Metric.MEMORY and guest.memory_seen_by_host
        return replace(reading, percent=usage_percent(guest, metric), blind=blind)
    disks = unjudged_reading(transition, guest.vmid)
    if disks is None:
        return reading
    if disks.fullest is None:
        return replace(reading, silence=silence_of(guest, disks))
    opening = _guest_incident(guest, metric, disks.fullest.mountpoint)
    return replace(reading, percent=disks.fullest.fill * 100, open_incident=opening)


def judged_disks(observation: Observation) -> dict[int, DiskReading]:
    """Return the disk readings that a step with this observation judges. The others wait for a later poll."""
    if observation.cluster is None:
        return {}
    guests = {vmid: observation.cluster.find(vmid) for vmid in observation.disks}
    return {
        vmid: reading
        for vmid, reading in observation.disks.items()
        if (guest := guests[vmid]) and guest.state is State.RUNNING and _is_seen(observation, vmid, guest)
    }


def _is_seen(observation: Observation, vmid: int, guest: Guest | None) -> bool:
    """Return whether the listed values of the guest are current. An offline node keeps old values in the list."""
    online = guest is None or observation.cluster is None or observation.cluster.node_online(guest.node)
    return online and vmid not in observation.unsure


def usage_percent(guest: Guest, metric: Metric) -> float | None:
    """Return a guest's use of this resource in percent, None if Proxmox does not know the guest's own."""
    match metric:
        case Metric.CPU:
            return None if guest.cpu is None else guest.cpu * 100
        case Metric.MEMORY:
            return None if guest.memory_seen_by_host else _share(guest.memory, guest.memory_total)
        case Metric.DISK:
            return _share(guest.disk, guest.disk_total)


def _share(used: int | None, total: int | None) -> float | None:
    return used / total * 100 if used is not None and total else None


def _no_incident(_transition: Transition, _percent: float, _limit: int) -> Incident:
    raise LookupError("a guest that is not listed has no value")


def _guest_incident(
    guest: Guest, metric: Metric, mount: str = ""
) -> Callable[[Transition, float, int], Incident]:
    def open_incident(transition: Transition, percent: float, limit: int) -> Incident:
        fact = GuestFact(guest.vmid, GuestEvent.BACK, guest.kind, guest.node, guest.name)
        return transition.open_incident(
            Topic.THRESHOLD,
            guest_subject(guest.vmid),
            Severity.WARNING,
            guests=(fact,),
            metric=metric,
            percent=percent,
            limit=limit,
            mount=mount,
        )

    return open_incident


def _storage_readings(transition: Transition, cluster: Cluster) -> list[ThresholdReading]:
    """Return one reading per storage.

    Each node lists a shared storage. Some of these figures may be old: the fullest counts.
    """
    readings: dict[str, ThresholdReading] = {}
    for storage in cluster.storages:
        subject = storage_subject(storage.name, None if storage.shared else storage.node)
        percent = _share(storage.used, storage.total) if storage.available else None
        known = readings[subject].percent if subject in readings else None
        if subject not in readings or (percent is not None and percent > (-1 if known is None else known)):
            limit = transition.rules.storage_limit or None
            readings[subject] = ThresholdReading(subject, percent, limit, _storage_incident(storage, subject))
    return list(readings.values())


def _storage_incident(storage: Storage, subject: str) -> Callable[[Transition, float, int], Incident]:
    def open_incident(transition: Transition, percent: float, limit: int) -> Incident:
        return transition.open_incident(
            Topic.STORAGE,
            subject,
            Severity.WARNING,
            storage=storage.name,
            node="" if storage.shared else storage.node,
            percent=percent,
            limit=limit,
        )

    return open_incident
