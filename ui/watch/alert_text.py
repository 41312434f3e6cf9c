"""Write the current text of one message in the alert channel: one line, and details below it.

A notification shows only that line: the event and its subject. `ui/watch/incidents/details.py` writes the details.
"""

from collections.abc import Callable, Mapping

from core.delivery.channel import AlertText
from core.watch.incidents.model import DOWN, ONE_OFF, GuestEvent, Incident, MessageKind, Severity, Topic
from core.watch.journal import OutboxMessage
from ui.formatting import ALARM, BACK, QUIET, WARNING, Colour, fit_lines, format_duration, timestamp
from ui.i18n import Text
from ui.watch.incidents.details import DETAILS_MOST, ROWS_MOST, details_of, unmuted_line
from ui.watch.incidents.guests import event_text
from ui.watch.incidents.names import duration_text, few
from ui.watch.incidents.text import RECOVERIES, brief_text, colour_of_incident, headline, short_text, sign_of

CONTENT_MOST = 2000
"""Maximum characters of the content of a message (Discord)."""
TEST = "🔔"
_LATE_MOST = 200  # characters

Lines = tuple[str, list[str], Colour]
"""The first line, the details, and the colour of their edge."""


def alert_text(t: Text, message: OutboxMessage, late: float | None = None, mention: str = "") -> AlertText:
    """Write the text of the message.

    `late`: seconds of delay to mention, None if it is on time.
    `mention`: mention to add to the first line.
    """
    first, lines, colour = _POSTS[message.stored.post](t, message)
    details = fit_lines(t, filter(None, lines), DETAILS_MOST - _LATE_MOST)
    if late is not None:
        told = f"-# {t('This message is {time} late.', time=format_duration(t, late))}"
        details = f"{details}\n{told}".strip()
    content = f"{first} {mention}".strip()[:CONTENT_MOST].strip()
    return AlertText(content, details, int(colour) if details else 0)


def text_with_site(text: str, site: str) -> str:
    """Put the site's name at the head of a text, after a sign that begins it. `site`: "" if there is only one."""
    if not site:
        return text
    sign, _, rest = text.partition(" ")
    if not sign or any(char.isascii() or char.isalnum() for char in sign):
        return f"{site} · {text}"
    return f"{sign} {site} · {rest}"


# -- the kinds of messages


def _opening(t: Text, message: OutboxMessage) -> Lines:
    if not message.incidents:
        return f"{QUIET} {t('This incident is no longer in the journal.')}", [], Colour.QUIET
    incident = message.incidents[0]
    return headline(t, incident), details_of(t, incident), colour_of_incident(incident)


def _recovery(t: Text, message: OutboxMessage) -> Lines:
    """Write the short reply to the opening. The opening has the details."""
    if not message.incidents:
        return _opening(t, message)
    incident = message.incidents[0]
    lines = [unmuted_line(t)] if incident.unmuted else []
    return f"{BACK} {RECOVERIES[incident.topic](t, incident)}", lines, Colour.GOOD


def _reminder(t: Text, message: OutboxMessage) -> Lines:
    """Write a reminder. An incident that ended before the reminder could be posted is shown as over."""
    if not message.incidents or not message.incidents[0].open:
        return _opening(t, message)
    incident = message.incidents[0]
    time = format_duration(t, max(0.0, message.stored.created - incident.opened))
    text = t("Still open after {time}: {what}", time=time, what=brief_text(t, incident))
    return f"{sign_of(incident)} {text}", details_of(t, incident), colour_of_incident(incident)


def _digest(t: Text, message: OutboxMessage) -> Lines:
    what = few(t, (brief_text(t, incident) for incident in message.incidents))
    text = t("During quiet hours ({n}): {what}", n=len(message.incidents), what=what)
    return f"{QUIET} {text}", _rows_of(t, message), Colour.QUIET


def _unmuted(t: Text, message: OutboxMessage) -> Lines:
    what = few(t, (brief_text(t, incident) for incident in message.incidents))
    text = t("Still open after a mute ({n}): {what}", n=len(message.incidents), what=what)
    critical = any(incident.level is Severity.CRITICAL for incident in message.incidents)
    sign, colour = (ALARM, Colour.BAD) if critical else (WARNING, Colour.WARN)
    return f"{sign} {text}", _rows_of(t, message), colour


def _rows_of(t: Text, message: OutboxMessage) -> list[str]:
    lines = [
        f"{sign_of(incident)} {timestamp(incident.opened, 't')} {short_text(t, incident)}{_outcome(t, incident)}"
        for incident in message.incidents
    ]
    return [fit_lines(t, lines, ROWS_MOST)]


def _outcome(t: Text, incident: Incident) -> str:
    word = outcome_word(t, incident)
    return f" · {word}" if word else ""


def outcome_word(t: Text, incident: Incident) -> str:
    """Return how the incident ended, or that it is open, for lists. Empty for incidents without a duration."""
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
    """Return why the incident ended without a recovery, as far as that is known."""
    if incident.topic in (Topic.THRESHOLD, Topic.STORAGE, Topic.STALE):
        return t("no longer measured")
    if incident.topic in (Topic.GROUP, Topic.BLIND):  # unwatched, deleted, or on a node that went offline
        return t("ended without recovery")
    if incident.topic is Topic.NODE:
        return event_text(t, GuestEvent.MISSING)
    return event_text(t, incident.guests[0].what if incident.topic is Topic.GUEST else GuestEvent.FORGOTTEN)


def test_alert(t: Text) -> str:
    """Return the text of a test alert."""
    return f"{TEST} {t('This is a test alert. Alerts arrive in this channel.')}"


def _test(t: Text, _message: OutboxMessage) -> Lines:
    return test_alert(t), [], Colour.QUIET


def _word(_t: Text, message: OutboxMessage) -> Lines:
    return message.stored.text, [], Colour.QUIET


_POSTS: Mapping[MessageKind, Callable[[Text, OutboxMessage], Lines]] = {
    MessageKind.OPENING: _opening,
    MessageKind.RECOVERY: _recovery,
    MessageKind.REMINDER: _reminder,
    MessageKind.UNMUTED: _unmuted,
    MessageKind.DIGEST: _digest,
    MessageKind.TEST: _test,
    MessageKind.WORD: _word,
}
