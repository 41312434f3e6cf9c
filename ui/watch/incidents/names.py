"""Name guests, storages, metrics, durations and percentages in alerts."""

from collections.abc import Iterable

from core.watch.incidents.model import GuestFact, Incident, Metric, Topic
from ui.formatting import code, fit_lines, format_duration, format_percent, kind_word, timestamp, title_of
from ui.i18n import Text

NAMES_MOST = 500
"""Maximum characters of a row of guests' names."""


def guest_name(fact: GuestFact) -> str:
    return title_of(fact.vmid, fact.name or str(fact.vmid))


def placed(t: Text, text: str, fact: GuestFact, time: float | None = None) -> str:
    """Return the sentence with the guest's kind, its node and, if given, the `time` (Unix seconds)."""
    parts = [text, kind_word(t, fact.kind), code(fact.node)]
    return " · ".join(parts if time is None else [*parts, timestamp(time)])


def guest_names(t: Text, facts: Iterable[GuestFact], most: int = NAMES_MOST) -> str:
    return fit_lines(t, (guest_name(fact) for fact in facts), most, ", ")


def storage_name(t: Text, storage: str, node: str) -> str:
    if node:
        return t("Storage {storage} on {node}", storage=code(storage), node=code(node))
    return t("Shared storage {storage}", storage=code(storage))


def muted_subject(t: Text, incident: Incident) -> str:
    """Return the subject that a mute of this incident covers. Empty if it covers several."""
    match incident.topic:
        case Topic.SOURCE:
            return t("The connection to Proxmox")
        case Topic.NODE | Topic.STALE:
            return t("Node {node} and its guests", node=code(incident.node))
        case Topic.STORAGE:
            return storage_name(t, incident.storage, incident.node)
        case Topic.GROUP | Topic.BACKUP:
            return ""
        case Topic.BLIND if len(incident.guests) != 1:
            return ""
    return guest_name(incident.guests[0])


def metric_word(t: Text, metric: Metric | None) -> str:
    return {Metric.CPU: t("CPU"), Metric.MEMORY: t("memory"), Metric.DISK: t("disk")}[metric or Metric.CPU]


def metric_use(t: Text, metric: Metric | None) -> str:
    return {Metric.CPU: t("CPU usage"), Metric.MEMORY: t("memory usage"), Metric.DISK: t("disk usage")}[
        metric or Metric.CPU
    ]


def duration_text(t: Text, incident: Incident) -> str:
    return format_duration(t, incident.seconds or 0)


def fill_percent(value: float | None) -> str:
    return format_percent(None if value is None else value / 100)
