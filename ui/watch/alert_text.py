"""Write the current text of one message in the alert channel.

The text is plain, because notifications show plain text best. The first line tells what happened. The small print
below tells the cause, who acknowledged the incident, and how late the message is. Every part has a maximum length,
so that the text always fits into a message.
"""

from collections.abc import Callable, Iterable, Mapping

from core.error_codec import from_dict
from core.errors import BotError
from core.watch.incidents.flapping import CALM_SECONDS
from core.watch.incidents.model import DOWN, ONE_OFF, GuestEvent, Incident, MessageKind, SourceFault, Topic
from core.watch.journal import OutboxMessage
from ui.formatting import ALARM, BACK, QUIET, code, fit_lines, format_duration, person, timestamp
from ui.i18n import N_, Marked, Text
from ui.messages.errors import error_sentence
from ui.messages.proxmox_errors import PROXMOX_WORDS
from ui.watch.incidents.guests import event_text, group_rows
from ui.watch.incidents.names import duration_text, guest_names, muted_subject
from ui.watch.incidents.states import HELD, held_advice
from ui.watch.incidents.text import RECOVERIES, backup_of, headline, short_text, sign_of
from ui.watch.incidents.unknown import blind_notes, stale_notes

CONTENT_MOST = 2000
"""Maximum characters of a message without components, set by Discord."""
ROWS_MOST = 1400
TEST = "🔔"


def message_text(t: Text, message: OutboxMessage, late: float | None = None, mention: str = "") -> str:
    """Write the text of the message.

    `late`: seconds of delay to mention, None if it is on time.
    `mention`: mention to add to the first line.
    """
    say = _POSTS[message.stored.post]
    first, *rest = say(t, message)
    if late is not None:
        rest.append(_small(t("This message is {time} late.", time=format_duration(t, late))))
    whole = "\n".join((f"{first} {mention}".rstrip(), *(line for line in rest if line)))
    return whole[:CONTENT_MOST].strip()


def name_site(text: str, site: str) -> str:
    """Put the site's name at the head of a text, after the sign that begins it. "": there is only one site."""
    if not site:
        return text
    sign, _, rest = text.partition(" ")
    if not sign or any(char.isascii() or char.isalnum() for char in sign):
        return f"{site} · {text}"
    return f"{sign} {site} · {rest}"


def _small(text: str) -> str:
    return f"-# {text}"


# -- the kinds of messages


def _opening(t: Text, message: OutboxMessage) -> list[str]:
    if not message.incidents:
        return [f"{QUIET} {t('This incident is no longer in the journal.')}"]
    incident = message.incidents[0]
    return [headline(t, incident), *rows(t, incident), *map(_small, notes(t, incident))]


def _recovery(t: Text, message: OutboxMessage) -> list[str]:
    if not message.incidents:
        return _opening(t, message)
    incident = message.incidents[0]
    return [f"{BACK} {RECOVERIES[incident.topic](t, incident)}"]


def _reminder(t: Text, message: OutboxMessage) -> list[str]:
    """Write a reminder. An incident that ended before the reminder could be posted is shown as over."""
    if not message.incidents or not message.incidents[0].open:
        return _opening(t, message)
    incident = message.incidents[0]
    time = format_duration(t, max(0.0, message.stored.created - incident.opened))
    text = t("Still open after {time}: {what}", time=time, what=short_text(t, incident))
    return [f"{sign_of(incident)} {text}", *map(_small, notes(t, incident))]


def _digest(t: Text, message: OutboxMessage) -> list[str]:
    text = t("During quiet hours ({n}):", n=len(message.incidents))
    lines = [
        f"{sign_of(incident)} {timestamp(incident.opened, 't')} {short_text(t, incident)}{_outcome(t, incident)}"
        for incident in message.incidents
    ]
    return [f"{QUIET} {text}", fit_lines(t, lines, ROWS_MOST)]


def _unmuted(t: Text, message: OutboxMessage) -> list[str]:
    text = t("Muted incidents that are still open ({n}):", n=len(message.incidents))
    return [f"{ALARM} {text}", *_digest(t, message)[1:]]


def _outcome(t: Text, incident: Incident) -> str:
    word = outcome_word(t, incident)
    return f" · {word}" if word else ""


def outcome_word(t: Text, incident: Incident) -> str:
    """Return how the incident ended, for lists. Empty for incidents without a duration."""
    if incident.open:
        return t("open")
    if incident.topic in ONE_OFF or not incident.seconds:
        return ""
    if incident.forgotten:
        return _forgotten(t, incident)
    if incident.topic is Topic.FLAPPING and incident.guests[0].what in DOWN:
        return t("still down")
    return t("recovered after {time}", time=duration_text(t, incident))


def _forgotten(t: Text, incident: Incident) -> str:
    """Return why the incident is no longer followed."""
    if incident.topic in (Topic.GAUGE, Topic.STORAGE, Topic.STALE):
        return t("no longer measured")
    if incident.topic is Topic.NODE:
        return event_text(t, GuestEvent.MISSING)
    return event_text(t, incident.guests[0].what if incident.topic is Topic.GUEST else GuestEvent.FORGOTTEN)


def _test(t: Text, _message: OutboxMessage) -> list[str]:
    return [f"{TEST} {t('This is a test alert. Alerts arrive in this channel.')}"]


def _word(_t: Text, message: OutboxMessage) -> list[str]:
    return [message.stored.text]


_POSTS: Mapping[MessageKind, Callable[[Text, OutboxMessage], list[str]]] = {
    MessageKind.OPENING: _opening,
    MessageKind.RECOVERY: _recovery,
    MessageKind.REMINDER: _reminder,
    MessageKind.UNMUTED: _unmuted,
    MessageKind.DIGEST: _digest,
    MessageKind.TEST: _test,
    MessageKind.WORD: _word,
}


# -- below the first line


def rows(t: Text, incident: Incident) -> list[str]:
    """List the guests or backups of an incident that may have many of them."""
    if incident.topic is Topic.GROUP:
        return [fit_lines(t, group_rows(t, incident.guests), ROWS_MOST)]
    if incident.topic is Topic.BACKUP and len(incident.backups) > 1:
        lines = (f"{backup_of(t, fact)}: {code(fact.error, 100)}" for fact in incident.backups)
        return [fit_lines(t, lines, ROWS_MOST)]
    return []


def notes(t: Text, incident: Incident) -> list[str]:
    """Return the known causes, and who acknowledged or muted the incident."""
    return [*_reasons(t, incident), *_answers(t, incident)]


def _reasons(t: Text, incident: Incident) -> list[str]:
    match incident.topic:
        case Topic.NODE:
            names = guest_names(t, incident.guests)
            return [t("Watched guests on this node: {guests}", guests=names)] if names else []
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
            return [t("Started by {by}: {error}", by=code(fact.by), error=_backup_error(t, fact.error))]
        case _:
            return _of_guests(t, incident)


def _backup_error(t: Text, error: str) -> str:
    """Return Proxmox' own words. Only its vague `job errors` is replaced by a sentence."""
    return t("the job ended with errors") if error == "job errors" else code(error, 200)


def _of_guests(t: Text, incident: Incident) -> list[str]:
    lines = []
    if len(incident.guests) == 1 and incident.topic is Topic.GUEST:
        fact = incident.guests[0]
        if fact.by:
            lines.append(t("Stopped by {by} (task {task}).", by=code(fact.by), task=code(fact.task or "?")))
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

    The mute of a threshold's incident covers the whole guest, and the mute of a node also covers its guests.
    """
    time = timestamp(incident.muted_until or 0, "f")
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
    if incident.muted_until is not None:  # a mute outlasts its incident
        lines.append(muted_line(t, incident))
    return lines


# -- the fault of the source


def error_of(fault: SourceFault | None) -> BotError | None:
    """Return the error that a fault was made from. None if this version does not know it."""
    error = from_dict(fault.to_dict()) if fault else None
    return error if type(error) in PROXMOX_WORDS else None
