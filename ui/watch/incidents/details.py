"""Write the details of an alert: the text under its first line.

The details are kind, node and time, the guests or backups of a group, the known causes, what to do, who acknowledged
the incident, and until when it is muted. Every part has a maximum length, so that the text always fits into an embed.
"""

from collections.abc import Iterable, Mapping

from core.error_codec import from_dict
from core.errors import BotError
from core.watch.incidents.flapping import CALM_SECONDS
from core.watch.incidents.model import (
    ONE_OFF,
    BackupFact,
    GuestEvent,
    GuestFact,
    Incident,
    SourceFault,
    Topic,
)
from ui.bars import usage_bar
from ui.formatting import (
    MUTED,
    code,
    fit_lines,
    format_duration,
    kind_word,
    person,
    plain,
    timestamp,
    title_of,
    until_time,
)
from ui.i18n import N_, Marked, Text
from ui.messages.errors import error_sentence
from ui.messages.proxmox_errors import PROXMOX_WORDS
from ui.phone_lines import SMALL, phone_lines
from ui.watch.incidents.disks import unknown_note, unmeasured_notes
from ui.watch.incidents.guests import group_rows, with_task
from ui.watch.incidents.names import NAME_MOST, listed_guests, muted_subject
from ui.watch.incidents.states import HELD, held_advice
from ui.watch.incidents.text import backup_of
from ui.watch.incidents.unknown import blind_notes, stale_notes

ROWS_MOST = 1400  # characters
DETAILS_MOST = 4000
"""Maximum characters of all details; Discord takes 4,096 in an embed's description."""
NODE_GUESTS = 5
"""Maximum number of guests that the alert of a node names."""
_DATED_SECONDS = 20 * 3600.0
"""Duration in seconds above which an incident shows the dates of its start and end, too."""


def details_of(t: Text, incident: Incident) -> list[str]:
    """Return the lines under the first line of an opening or a reminder."""
    place = phone_lines((*_place(t, incident), _time(t, incident)), most=SMALL)
    return [*_full_name(incident), place, *rows(t, incident), *notes(t, incident)]


def _full_name(incident: Incident) -> list[str]:
    """Return the longer name of the only guest if the first line had to cut it."""
    about: GuestFact | BackupFact | None = _only_guest(incident)
    if incident.topic is Topic.BACKUP and len(incident.backups) == 1:
        about = incident.backups[0]
    if about is None or not about.vmid or len(plain(about.name or "")) <= NAME_MOST:
        return []
    return [title_of(about.vmid, about.name or "")]


def _only_guest(incident: Incident) -> GuestFact | None:
    several = incident.topic in (Topic.GROUP, Topic.NODE, Topic.STALE, Topic.BACKUP)
    return incident.guests[0] if len(incident.guests) == 1 and not several else None


def _place(t: Text, incident: Incident) -> list[str]:
    """Return kind and node of the only guest, or the node of the only failed backup."""
    if incident.topic is Topic.BACKUP:
        return [code(fact.node) for fact in incident.backups if len(incident.backups) == 1]
    fact = _only_guest(incident)
    return [kind_word(t, fact.kind), code(fact.node)] if fact else []


def _time(t: Text, incident: Incident) -> str:
    """Return when the incident began, with the time since then, or its start and end once it is over.

    One that was over as soon as it opened has only a start.
    """
    if incident.open or incident.topic in ONE_OFF or not incident.seconds:
        return t("{time} ({ago})", time=timestamp(incident.opened, "t"), ago=timestamp(incident.opened))
    style = "f" if incident.seconds > _DATED_SECONDS else "t"
    return t(
        "{start} – {end}", start=timestamp(incident.opened, style), end=timestamp(incident.ended or 0, style)
    )


def rows(t: Text, incident: Incident) -> list[str]:
    """List the guests of a group, or the backups if there are several."""
    if incident.topic is Topic.GROUP:
        return [fit_lines(t, group_rows(t, incident.guests), ROWS_MOST)]
    if incident.topic is Topic.BACKUP and len(incident.backups) > 1:
        lines = (f"{backup_of(t, fact)}: {backup_error(t, fact.error)}" for fact in incident.backups)
        return [fit_lines(t, lines, ROWS_MOST)]
    return []


def notes(t: Text, incident: Incident) -> list[str]:
    """Return causes or the measured use, what to do, who acknowledged the incident, and until when it is muted."""
    return [*_reasons(t, incident), *_answers(t, incident)]


def _reasons(t: Text, incident: Incident) -> list[str]:
    match incident.topic:
        case Topic.NODE:
            return _guests_of_node(t, incident)
        case Topic.STALE:
            return stale_notes(t, incident)
        case Topic.BLIND:
            return blind_notes(t, incident)
        case Topic.SOURCE:
            error = error_of(incident.fault)
            if error is None:
                return []
            told = error_sentence(t, error)
            return [told if incident.open else t("Reason: {reason}", reason=told)]
        case Topic.FLAPPING:
            calm = format_duration(t, CALM_SECONDS)
            text = t("Individual changes are not reported until it has been stable for {time}.", time=calm)
            return [text] if incident.open else []
        case Topic.BACKUP if len(incident.backups) == 1:
            fact = incident.backups[0]
            return [t("Started by {by}: {error}", by=code(fact.by), error=backup_error(t, fact.error))]
        case Topic.UNMEASURED:
            return unmeasured_notes(t, incident)
        case Topic.THRESHOLD if incident.open and incident.unknown:
            return [unknown_note(t)]
        case Topic.THRESHOLD | Topic.STORAGE if incident.open and incident.percent is not None:
            place = f" {code(incident.mount, 60)}" if incident.mount else ""
            return [f"{usage_bar(incident.percent / 100)}{place}"]
        case _:
            return _of_guests(t, incident)


def backup_error(t: Text, error: str) -> str:
    """Return Proxmox' own words. Only the vague `job errors` is put into other words."""
    return t("the job ended with errors") if error == "job errors" else code(error, 200)


def _guests_of_node(t: Text, incident: Incident) -> list[str]:
    """Count the watched guests of a node, and name the first of them."""
    if not incident.guests:
        return []
    names = listed_guests(t, incident.guests, NODE_GUESTS)
    return [
        t.plural(
            "{n} watched guest on it: {guests}",
            "{n} watched guests on it: {guests}",
            len(incident.guests),
            guests=names,
        )
    ]


def _of_guests(t: Text, incident: Incident) -> list[str]:
    lines = []
    if len(incident.guests) == 1 and incident.topic is Topic.GUEST:
        fact = incident.guests[0]
        if fact.by:
            lines.append(t("Stopped by {by}.", by=with_task(t, fact)))
        elif fact.task:
            lines.append(
                t("It stopped for {work} and was not started again in time.", work=work_word(t, fact.task))
            )
        if incident.open and fact.what in HELD:
            lines.append(held_advice(t, fact))
        elif incident.open and fact.what in _ADVICE:
            lines.append(t(_ADVICE[fact.what]))
    if any(fact.after_node for fact in incident.guests):
        lines.append(t("It was not started in time after its node came back."))
    if any(fact.after_ha for fact in incident.guests):
        lines.append(t("It was not started in time after HA moved it to this node."))
    if any(fact.away for fact in incident.guests):
        lines.append(t("This happened while the bot was not running."))
    return lines


_ADVICE: Mapping[GuestEvent, Marked] = {
    GuestEvent.IO_ERROR: N_(
        "Its storage has failed or is full. Fix that, then resume it in the Proxmox web interface."
    ),
    GuestEvent.MISSING: N_("It was deleted, or the API token can no longer see it."),
}

_WORKS: Mapping[Iterable[str], Marked] = {
    ("backup", "vzdump"): N_("a backup"),
    ("snapshot", "qmsnapshot", "vzsnapshot"): N_("a snapshot"),
    ("snapshot-delete", "qmdelsnapshot", "vzdelsnapshot"): N_("a snapshot deletion"),
    ("rollback", "qmrollback", "vzrollback"): N_("a rollback"),
    ("migrate", "qmigrate", "vzmigrate", "hamigrate"): N_("a migration"),
    ("qmreboot", "vzreboot"): N_("a reboot"),
}


def work_word(t: Text, work: str) -> str:
    """Return a lock or a task type as a noun, or Proxmox' own word if it has no row."""
    for words, noun in _WORKS.items():
        if work in words:
            return t(noun)
    return code(work, 30)


def acked_line(t: Text, incident: Incident) -> str:
    return t(
        "Acknowledged by {person}, {time}.",
        person=person(incident.acked_by, incident.acked_by_id),
        time=timestamp(incident.acked or 0),
    )


def muted_line(t: Text, incident: Incident) -> str:
    """Say until when and for which subject alerts are muted.

    The time has a date only if it is more than half a day after the incident began.
    The mute of a threshold's incident covers the whole guest, and the mute of a node also covers its guests.
    """
    time = until_time(incident.muted_until or 0, incident.opened)
    what = muted_subject(t, incident)
    return (
        t("Muted until {time}: {what}.", what=what, time=time)
        if what
        else t("Muted until {time}.", time=time)
    )


def _answers(t: Text, incident: Incident) -> list[str]:
    lines = []
    if incident.acked is not None:
        lines.append(acked_line(t, incident))
    if incident.muted_until is not None:  # after the end, too: not every mute ends with the recovery
        lines.append(f"{MUTED} {muted_line(t, incident)}")
    if incident.unmuted:
        lines.append(unmuted_line(t))
    return lines


def unmuted_line(t: Text) -> str:
    """Say that a guest's mute, set with a button of the alert, has ended with the recovery."""
    return t("The mute ended with the recovery.")


# -- the fault of the source


def error_of(fault: SourceFault | None) -> BotError | None:
    """Return the error that a fault was made from. None if it is no error of Proxmox that this version knows."""
    error = from_dict(fault.to_dict()) if fault else None
    return error if type(error) in PROXMOX_WORDS else None
