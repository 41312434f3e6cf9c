"""Name guests, nodes, storages, metrics, durations and percentages in alerts."""

from collections.abc import Iterable, Sequence

from core.watch.incidents.model import GuestFact, Incident, Metric, Topic
from ui.formatting import code, fit_lines, format_duration, format_percent, listed, more_word, plain, title_of
from ui.i18n import Text

NAMES_MOST = 500
"""Maximum characters of a row of guests' names."""
SHORT_MOST = 200
"""Maximum characters of guests' names in the short phrase of an incident."""
NAME_MOST = 32
"""Maximum characters of one name in a line. The details of an alert give a longer name of its only guest."""
MOUNT_MOST = 24
"""Maximum characters of a mount point in one line."""
FEW_NAMES, FEW_MOST = 3, 75
"""Maximum number of names in the first line of an alert, and maximum characters of them all.

The first name is always shown.
"""


def guest_name(fact: GuestFact) -> str:
    return label_of(fact.vmid, fact.name)


def label_of(vmid: int, name: str | None) -> str:
    """Name a guest for a line that a notification shows: a long name is cut."""
    return title_of(vmid, plain(name or str(vmid), NAME_MOST))


def few(t: Text, names: Iterable[str]) -> str:
    """Return the first names of many, and how many more there are."""
    everything = list(names)
    return _listed_of(t, _first_of(everything), len(everything))


def _first_of(names: Sequence[str]) -> list[str]:
    """Return the first names that `few` shows."""
    kept = list(names[:1])
    for name in names[1:FEW_NAMES]:
        if sum(map(len, kept)) + len(name) > FEW_MOST:
            break
        kept.append(name)
    return kept


def listed_guests(t: Text, facts: Iterable[GuestFact], most: int) -> str:
    """Name at most `most` guests, and say how many more there are."""
    names = [guest_name(fact) for fact in facts]
    return _listed_of(t, names[:most], len(names))


def _listed_of(t: Text, shown: Sequence[str], total: int) -> str:
    """Join the names that are shown, and say how many more there are."""
    text, left = listed(t, shown), total - len(shown)
    return f"{text} {more_word(t, left)}" if left else text


def few_guests(t: Text, facts: Iterable[GuestFact]) -> str:
    return few(t, map(guest_name, facts))


def names_all(facts: Sequence[GuestFact]) -> bool:
    """Return whether `few_guests` names all of these guests."""
    return len(_first_of([guest_name(fact) for fact in facts])) == len(facts)


def guest_names(t: Text, facts: Iterable[GuestFact], most: int = NAMES_MOST) -> str:
    return fit_lines(t, (guest_name(fact) for fact in facts), most, t(", "))


def storage_name(t: Text, storage: str, node: str) -> str:
    if node:
        return t("Storage {storage} on {node}", storage=code(storage, NAME_MOST), node=node_name(node))
    return t("Shared storage {storage}", storage=code(storage, NAME_MOST))


def node_name(node: str) -> str:
    return code(node, NAME_MOST)


def muted_subject(t: Text, incident: Incident) -> str:
    """Return the subject that a mute of this incident covers.

    Empty for a group, for backups, and for several guests whose state is unknown.
    """
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


def use_of(t: Text, incident: Incident) -> str:
    """Return the metric of an incident, with its file system if one is known."""
    if incident.metric is Metric.DISK and incident.mount:
        return t("disk usage of {mount}", mount=code(incident.mount, MOUNT_MOST))
    return metric_use(t, incident.metric)


def metric_use(t: Text, metric: Metric | None) -> str:
    return {Metric.CPU: t("CPU usage"), Metric.MEMORY: t("memory usage"), Metric.DISK: t("disk usage")}[
        metric or Metric.CPU
    ]


def duration_text(t: Text, incident: Incident) -> str:
    return format_duration(t, incident.seconds or 0)


def fill_percent(value: float | None) -> str:
    return format_percent(None if value is None else value / 100)
