"""One incident in words: while it goes on, when it is over, as a recovery, and in short for lists.

A table per form, by what it is about; of guests by what became of them. What comes from outside is in code spans.
"""

from collections.abc import Mapping

from core.watch.incidents.model import DOWN, ONE_OFF, BackupFact, Incident, Level, Topic, What
from ui.formatting import ALARM, BACK, QUIET, WARNING, code, named, when
from ui.i18n import Text
from ui.watch.incidents.guests import (
    Say,
    at_once,
    calm,
    done,
    down,
    group,
    group_back,
    group_over,
    group_short,
    no_longer_down,
    short_done,
    short_down,
)
from ui.watch.incidents.names import full, guest_at, guest_name, lasted, metric_word, storage_name
from ui.watch.incidents.unknown import (
    blind,
    blind_over,
    blind_recovery,
    blind_short,
    stale,
    stale_over,
    stale_recovery,
    stale_short,
)

_LEVEL_SIGNS = {Level.CRITICAL: ALARM, Level.WARNING: WARNING, Level.INFO: QUIET}


def sign(incident: Incident) -> str:
    """The emoji in front of it: how bad it is, green once it is well again, white where nobody looks any more."""
    if incident.open or incident.topic in ONE_OFF:
        return _LEVEL_SIGNS[incident.level]
    if incident.forgotten or (incident.topic is Topic.FLAPPING and incident.guests[0].what in DOWN):
        return QUIET
    if at_once(incident) and any(fact.what is not What.BACK for fact in incident.guests):
        return _LEVEL_SIGNS[incident.level]
    return BACK


# -- backups


def backup_of(t: Text, fact: BackupFact) -> str:
    if fact.vmid is None:
        return t("Backup job on node {node}", node=code(fact.node))
    return t(
        "Backup of {guest} on node {node}",
        guest=named(fact.vmid, fact.name or str(fact.vmid)),
        node=code(fact.node),
    )


def _backup_short(t: Text, incident: Incident) -> str:
    if len(incident.backups) == 1:
        return t("{backup} failed", backup=backup_of(t, incident.backups[0]))
    return t.plural("{n} failed backup", "{n} failed backups", len(incident.backups))


def _backup(t: Text, incident: Incident) -> str:
    if len(incident.backups) == 1:
        backup = backup_of(t, incident.backups[0])
        return t("{backup} has failed, {time}.", backup=backup, time=when(incident.opened))
    return t.plural(
        "{n} backup has failed, {time}.",
        "{n} backups have failed, {time}.",
        len(incident.backups),
        time=when(incident.opened),
    )


# -- storages


def _storage(t: Text, incident: Incident) -> str:
    return storage_name(t, incident.storage, incident.node)


def _storage_over(t: Text, incident: Incident) -> str:
    if incident.forgotten:
        return t("{storage} is no longer being measured.", storage=_storage(t, incident))
    return t(
        "{storage} was over {limit} for {time} and fell to {percent} at {end}.",
        storage=_storage(t, incident),
        limit=full(incident.limit),
        time=lasted(t, incident),
        percent=full(incident.percent),
        end=when(incident.ended or 0, "t"),
    )


def _gauge_over(t: Text, incident: Incident) -> str:
    guest, metric = guest_at(t, incident.guests[0]), metric_word(t, incident.metric)
    if incident.forgotten:
        return t(
            "{guest}: {metric} is no longer held against the threshold of {limit}.",
            guest=guest,
            metric=metric,
            limit=full(incident.limit),
        )
    return t(
        "{guest}: {metric} was over {limit} for {time} and fell to {percent} at {end}.",
        guest=guest,
        metric=metric,
        limit=full(incident.limit),
        time=lasted(t, incident),
        percent=full(incident.percent),
        end=when(incident.ended or 0, "t"),
    )


# -- nodes


def _node_over(t: Text, incident: Incident) -> str:
    if incident.forgotten:
        return t("Node {node} is no longer part of the cluster.", node=code(incident.node))
    return t(
        "Node {node} was offline for {time} and came back at {end}.",
        node=code(incident.node),
        time=lasted(t, incident),
        end=when(incident.ended or 0, "t"),
    )


# -- the tables

HEADS: Mapping[Topic, Say] = {
    Topic.GUEST: down,
    Topic.GROUP: group,
    Topic.NODE: lambda t, x: t(
        "Node {node} has gone offline, {time}.", node=code(x.node), time=when(x.opened)
    ),
    Topic.SOURCE: lambda t, x: (
        t("Proxmox has been unreadable since {time}.", time=when(x.opened, "t"))
        if not x.watched
        else t.plural(
            "Proxmox has been unreadable since {time}. {n} guest is not being watched meanwhile.",
            "Proxmox has been unreadable since {time}. {n} guests are not being watched meanwhile.",
            x.watched,
            time=when(x.opened, "t"),
        )
    ),
    Topic.GAUGE: lambda t, x: t(
        "{guest}: {metric} use has reached {percent} (threshold {limit}), {time}.",
        guest=guest_at(t, x.guests[0]),
        metric=metric_word(t, x.metric),
        percent=full(x.percent),
        limit=full(x.limit),
        time=when(x.opened),
    ),
    Topic.STORAGE: lambda t, x: t(
        "{storage} has filled up to {percent} (threshold {limit}), {time}.",
        storage=_storage(t, x),
        percent=full(x.percent),
        limit=full(x.limit),
        time=when(x.opened),
    ),
    Topic.FLAPPING: lambda t, x: t(
        "{guest} keeps going down and coming back (noticed {time}).",
        guest=guest_at(t, x.guests[0]),
        time=when(x.opened),
    ),
    Topic.RESTART: lambda t, x: t(
        "{guest} has restarted unexpectedly, {time}.", guest=guest_at(t, x.guests[0]), time=when(x.opened)
    ),
    Topic.BACKUP: _backup,
    Topic.STALE: stale,
    Topic.BLIND: blind,
    Topic.NOTE: done,
}
"""While it goes on; of what is over at once, for ever."""

OVER: Mapping[Topic, Say] = {
    Topic.GUEST: no_longer_down,
    Topic.GROUP: group_over,
    Topic.NODE: _node_over,
    Topic.SOURCE: lambda t, x: t(
        "Proxmox could not be read for {time}; watching resumed at {end}.",
        time=lasted(t, x),
        end=when(x.ended or 0, "t"),
    ),
    Topic.GAUGE: _gauge_over,
    Topic.STORAGE: _storage_over,
    Topic.FLAPPING: calm,
    Topic.STALE: stale_over,
    Topic.BLIND: blind_over,
    Topic.RESTART: HEADS[Topic.RESTART],
    Topic.BACKUP: HEADS[Topic.BACKUP],
    Topic.NOTE: HEADS[Topic.NOTE],
}
"""What its opening says from the end on."""

RECOVERIES: Mapping[Topic, Say] = {
    Topic.GUEST: lambda t, x: t(
        "{guest} is back after {time}.", guest=guest_name(x.guests[0]), time=lasted(t, x)
    ),
    Topic.GROUP: group_back,
    Topic.NODE: lambda t, x: t("Node {node} is back after {time}.", node=code(x.node), time=lasted(t, x)),
    Topic.SOURCE: lambda t, x: t(
        "Proxmox can be read again after {time}. Watching goes on.", time=lasted(t, x)
    ),
    Topic.GAUGE: lambda t, x: t(
        "{guest}: {metric} is at {percent} again after {time}.",
        guest=guest_name(x.guests[0]),
        metric=metric_word(t, x.metric),
        percent=full(x.percent),
        time=lasted(t, x),
    ),
    Topic.STORAGE: lambda t, x: t(
        "{storage} is {percent} full again after {time}.",
        storage=_storage(t, x),
        percent=full(x.percent),
        time=lasted(t, x),
    ),
    Topic.FLAPPING: lambda t, x: t(
        "{guest} is steady after {time} of going down and coming back.",
        guest=guest_name(x.guests[0]),
        time=lasted(t, x),
    ),
    Topic.STALE: stale_recovery,
    Topic.BLIND: blind_recovery,
    Topic.RESTART: HEADS[Topic.RESTART],
    Topic.BACKUP: HEADS[Topic.BACKUP],
    Topic.NOTE: HEADS[Topic.NOTE],
}
"""The message of its own that it is over; the last three never are."""

SHORT: Mapping[Topic, Say] = {
    Topic.GUEST: short_down,
    Topic.GROUP: group_short,
    Topic.NODE: lambda t, x: t("Node {node} offline", node=code(x.node)),
    Topic.SOURCE: lambda t, x: t("Proxmox not readable"),
    Topic.GAUGE: lambda t, x: t(
        "{guest}: {metric} over {limit}",
        guest=guest_name(x.guests[0]),
        metric=metric_word(t, x.metric),
        limit=full(x.limit),
    ),
    Topic.STORAGE: lambda t, x: t("{storage} over {limit}", storage=_storage(t, x), limit=full(x.limit)),
    Topic.FLAPPING: lambda t, x: t("{guest} going down and coming back", guest=guest_name(x.guests[0])),
    Topic.RESTART: lambda t, x: t("{guest} restarted unexpectedly", guest=guest_name(x.guests[0])),
    Topic.BACKUP: _backup_short,
    Topic.STALE: stale_short,
    Topic.BLIND: blind_short,
    Topic.NOTE: lambda t, x: short_done(t, x.guests[0]),
}
"""A phrase for reminders, digests and the history."""


def head(t: Text, incident: Incident) -> str:
    """Its first line, as it is now."""
    say = HEADS if incident.open else OVER
    return f"{sign(incident)} {say[incident.topic](t, incident)}"


def short(t: Text, incident: Incident) -> str:
    return SHORT[incident.topic](t, incident)
