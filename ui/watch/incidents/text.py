"""Describe one incident: while it is open, when it is over, as a recovery message, and in short for lists.

Each form has a table by topic. `guests.py` has further tables by what happened to a guest. Text from outside is in
code spans.
"""

from collections.abc import Mapping

from core.watch.incidents.model import DOWN, ONE_OFF, BackupFact, GuestEvent, Incident, Severity, Topic
from ui.formatting import ALARM, BACK, QUIET, WARNING, Colour, fit_lines, timestamp
from ui.i18n import Text
from ui.watch.incidents.disks import unmeasured_short_text, unmeasured_text
from ui.watch.incidents.guests import (
    IncidentText,
    calm_text,
    down_text,
    group_back_text,
    group_over_text,
    group_short_text,
    group_text,
    is_over_at_once,
    note_text,
    recovered_text,
    short_down_text,
    short_note_text,
)
from ui.watch.incidents.names import (
    SHORT_MOST,
    duration_text,
    few,
    fill_percent,
    guest_name,
    label_of,
    metric_use,
    node_name,
    storage_name,
    use_of,
)
from ui.watch.incidents.unknown import (
    blind_over_text,
    blind_recovery_text,
    blind_short_text,
    blind_text,
    stale_over_text,
    stale_recovery_text,
    stale_short_text,
    stale_text,
)

_COLOURS = {ALARM: Colour.BAD, WARNING: Colour.WARN, BACK: Colour.GOOD, QUIET: Colour.QUIET}
_LEVEL_SIGNS = {Severity.CRITICAL: ALARM, Severity.WARNING: WARNING, Severity.INFO: QUIET}


def sign_of(incident: Incident) -> str:
    """Return the emoji for an incident.

    It shows the severity while the incident is open, and for an incident without a duration also afterwards. It is
    green after a recovery. It is white if the incident is no longer followed, or if a guest that kept stopping is
    still down.
    """
    if incident.open or incident.topic in ONE_OFF:
        return _LEVEL_SIGNS[incident.level]
    if incident.forgotten or (incident.topic is Topic.FLAPPING and incident.guests[0].what in DOWN):
        return QUIET
    if is_over_at_once(incident) and any(fact.what is not GuestEvent.BACK for fact in incident.guests):
        return _LEVEL_SIGNS[incident.level]
    return BACK


def colour_of_incident(incident: Incident) -> Colour:
    """Return the edge colour: the colour of the sign, or grey while the open incident is muted."""
    muted = incident.open and incident.muted_until is not None
    return Colour.QUIET if muted else _COLOURS[sign_of(incident)]


# -- backups


def backup_of(t: Text, fact: BackupFact) -> str:
    if fact.vmid is None:
        return t("Backup job on node {node}", node=node_name(fact.node))
    return t(
        "Backup of {guest} on node {node}",
        guest=label_of(fact.vmid, fact.name),
        node=node_name(fact.node),
    )


def _backup_short(t: Text, incident: Incident) -> str:
    if len(incident.backups) == 1:
        return t("{backup} failed", backup=backup_of(t, incident.backups[0]))
    names = fit_lines(t, (_backed_up(t, fact) for fact in incident.backups), SHORT_MOST, t(", "))
    return _several_backups(t, incident, names)


def _backup(t: Text, incident: Incident) -> str:
    if len(incident.backups) != 1:
        return _several_backups(t, incident, few(t, (_backed_up(t, fact) for fact in incident.backups)))
    fact = incident.backups[0]
    if fact.vmid is None:
        return t("Backup job on node {node} failed", node=node_name(fact.node))
    return t("Backup of {guest} failed", guest=label_of(fact.vmid, fact.name))


def _several_backups(t: Text, incident: Incident, names: str) -> str:
    return t.plural(
        "{n} backup failed: {names}", "{n} backups failed: {names}", len(incident.backups), names=names
    )


def _backed_up(t: Text, fact: BackupFact) -> str:
    if fact.vmid is None:
        return t("Job on node {node}", node=node_name(fact.node))
    return label_of(fact.vmid, fact.name)


# -- storages


def _storage(t: Text, incident: Incident) -> str:
    return storage_name(t, incident.storage, incident.node)


def _storage_full(t: Text, incident: Incident) -> str:
    return t(
        "{storage} is {percent} full (threshold {limit})",
        storage=_storage(t, incident),
        percent=fill_percent(incident.percent),
        limit=fill_percent(incident.limit),
    )


def _threshold(t: Text, incident: Incident) -> str:
    return t(
        "{guest}: {metric} has reached {percent} (threshold {limit})",
        guest=guest_name(incident.guests[0]),
        metric=use_of(t, incident),
        percent=fill_percent(incident.percent),
        limit=fill_percent(incident.limit),
    )


def _storage_over(t: Text, incident: Incident) -> str:
    if incident.forgotten:
        return t("{storage} is no longer measured", storage=_storage(t, incident))
    return t(
        "{storage}: usage fell to {percent} at {end} after {time} over {limit}",
        storage=_storage(t, incident),
        limit=fill_percent(incident.limit),
        time=duration_text(t, incident),
        percent=fill_percent(incident.percent),
        end=timestamp(incident.ended or 0, "t"),
    )


def _threshold_over(t: Text, incident: Incident) -> str:
    fact, metric = incident.guests[0], metric_use(t, incident.metric)
    if incident.forgotten:
        return t(
            "{guest}: {metric} is no longer checked against {limit}",
            guest=guest_name(fact),
            metric=metric,
            limit=fill_percent(incident.limit),
        )
    return t(
        "{guest}: {metric} fell to {percent} at {end} after {time} over {limit}",
        guest=guest_name(fact),
        metric=metric,
        limit=fill_percent(incident.limit),
        time=duration_text(t, incident),
        percent=fill_percent(incident.percent),
        end=timestamp(incident.ended or 0, "t"),
    )


# -- nodes


def _node_over(t: Text, incident: Incident) -> str:
    if incident.forgotten:
        return t("Node {node} is no longer in the cluster", node=node_name(incident.node))
    return t(
        "Node {node} recovered at {end} after {time} offline",
        node=node_name(incident.node),
        time=duration_text(t, incident),
        end=timestamp(incident.ended or 0, "t"),
    )


# -- the tables

HEADS: Mapping[Topic, IncidentText] = {
    Topic.GUEST: down_text,
    Topic.GROUP: group_text,
    Topic.NODE: lambda t, x: t("Node {node} went offline", node=node_name(x.node)),
    Topic.SOURCE: lambda t, x: (
        t.plural(
            "No connection to Proxmox: {n} guest is not monitored",
            "No connection to Proxmox: {n} guests are not monitored",
            x.watched,
        )
        if x.watched
        else t("No connection to Proxmox")
    ),
    Topic.THRESHOLD: _threshold,
    Topic.STORAGE: _storage_full,
    Topic.FLAPPING: lambda t, x: t("{guest} keeps stopping and recovering", guest=guest_name(x.guests[0])),
    Topic.RESTART: lambda t, x: t("{guest} has restarted unexpectedly", guest=guest_name(x.guests[0])),
    Topic.BACKUP: _backup,
    Topic.STALE: stale_text,
    Topic.BLIND: blind_text,
    Topic.UNMEASURED: unmeasured_text,
    Topic.NOTE: note_text,
}
"""First lines of open incidents. The topics without a duration keep them (`OVER`)."""

OVER: Mapping[Topic, IncidentText] = {
    Topic.GUEST: recovered_text,
    Topic.GROUP: group_over_text,
    Topic.NODE: _node_over,
    Topic.SOURCE: lambda t, x: t(
        "The connection to Proxmox was down for {time}; monitoring resumed at {end}",
        time=duration_text(t, x),
        end=timestamp(x.ended or 0, "t"),
    ),
    Topic.THRESHOLD: _threshold_over,
    Topic.STORAGE: _storage_over,
    Topic.FLAPPING: calm_text,
    Topic.STALE: stale_over_text,
    Topic.BLIND: blind_over_text,
    Topic.RESTART: HEADS[Topic.RESTART],
    Topic.BACKUP: HEADS[Topic.BACKUP],
    Topic.UNMEASURED: HEADS[Topic.UNMEASURED],
    Topic.NOTE: HEADS[Topic.NOTE],
}
"""First lines of incidents that are over."""

RECOVERIES: Mapping[Topic, IncidentText] = {
    Topic.GUEST: lambda t, x: t(
        "{guest} recovered after {time}.", guest=guest_name(x.guests[0]), time=duration_text(t, x)
    ),
    Topic.GROUP: group_back_text,
    Topic.NODE: lambda t, x: t(
        "Node {node} recovered after {time}.", node=node_name(x.node), time=duration_text(t, x)
    ),
    Topic.SOURCE: lambda t, x: t(
        "Connected to Proxmox again after {time}. Monitoring resumed.", time=duration_text(t, x)
    ),
    Topic.THRESHOLD: lambda t, x: t(
        "{guest}: {metric} is back to {percent} after {time}.",
        guest=guest_name(x.guests[0]),
        metric=metric_use(t, x.metric),
        percent=fill_percent(x.percent),
        time=duration_text(t, x),
    ),
    Topic.STORAGE: lambda t, x: t(
        "{storage}: usage is back to {percent} after {time}.",
        storage=_storage(t, x),
        percent=fill_percent(x.percent),
        time=duration_text(t, x),
    ),
    Topic.FLAPPING: lambda t, x: t(
        "{guest} is stable after {time} of stopping and recovering.",
        guest=guest_name(x.guests[0]),
        time=duration_text(t, x),
    ),
    Topic.STALE: stale_recovery_text,
    Topic.BLIND: blind_recovery_text,
    Topic.RESTART: HEADS[Topic.RESTART],
    Topic.BACKUP: HEADS[Topic.BACKUP],
    Topic.UNMEASURED: HEADS[Topic.UNMEASURED],
    Topic.NOTE: HEADS[Topic.NOTE],
}
"""Texts of the separate recovery messages. The last four topics never get such a message."""

SHORT: Mapping[Topic, IncidentText] = {
    Topic.GUEST: short_down_text,
    Topic.GROUP: group_short_text,
    Topic.NODE: lambda t, x: t("Node {node} offline", node=node_name(x.node)),
    Topic.SOURCE: lambda t, _x: t("No connection to Proxmox"),
    Topic.THRESHOLD: lambda t, x: t(
        "{guest}: {metric} over {limit}",
        guest=guest_name(x.guests[0]),
        metric=use_of(t, x),
        limit=fill_percent(x.limit),
    ),
    Topic.STORAGE: lambda t, x: t(
        "{storage} over {limit}", storage=_storage(t, x), limit=fill_percent(x.limit)
    ),
    Topic.FLAPPING: lambda t, x: t(
        "{guest} stopping and recovering repeatedly", guest=guest_name(x.guests[0])
    ),
    Topic.RESTART: lambda t, x: t("{guest} restarted unexpectedly", guest=guest_name(x.guests[0])),
    Topic.BACKUP: _backup_short,
    Topic.STALE: stale_short_text,
    Topic.BLIND: blind_short_text,
    Topic.UNMEASURED: unmeasured_short_text,
    Topic.NOTE: lambda t, x: short_note_text(t, x.guests[0]),
}
"""Short phrases for lists (history, cards of clusters, messages about several incidents).

The first lines of reminders and the headings of backup logs have them, too.
"""


def headline(t: Text, incident: Incident) -> str:
    """Return the current first line of the incident."""
    say = HEADS if incident.open else OVER
    return f"{sign_of(incident)} {say[incident.topic](t, incident)}"


def short_text(t: Text, incident: Incident) -> str:
    return SHORT[incident.topic](t, incident)


_NAMING = (Topic.BACKUP, Topic.BLIND, Topic.UNMEASURED)
"""Topics, besides GROUP, whose short phrase names as many guests as `SHORT_MOST` allows if there are several."""


def brief_text(t: Text, incident: Incident) -> str:
    """Return a phrase like `short_text`, but name few guests of an incident about several."""
    several = len(incident.guests or incident.backups) > 1
    if incident.topic is Topic.GROUP or (several and incident.topic in _NAMING):
        return (HEADS if incident.open else OVER)[incident.topic](t, incident)
    return short_text(t, incident)
