"""Describe incidents of one guest or of many at once, a part of `ui/watch/incidents/text.py`."""

from collections.abc import Callable, Iterable, Mapping

from core.watch.incidents.model import DOWN, GuestEvent, GuestFact, Incident, Topic
from ui.formatting import code, state_word, timestamp
from ui.i18n import Text
from ui.watch.incidents.names import NAMES_MOST, duration_text, guest_name, guest_names, placed
from ui.watch.incidents.states import HELD, held_head, held_short

IncidentText = Callable[[Text, Incident], str]

GROUP_MOST = 1300
"""Maximum characters of all rows of a group."""
SHORT_MOST = 200
"""Maximum characters of the guests' names in a line of a list."""


def _person(t: Text, fact: GuestFact) -> str:
    return code(fact.by) if fact.by else t("an unknown user")


def doer_text(t: Text, fact: GuestFact) -> str:
    """Return the Proxmox user who did it, with the task."""
    by = _person(t, fact)
    return t("{by} (task {task})", by=by, task=code(fact.task, 30)) if fact.task else by


def _stopped(t: Text, incident: Incident) -> str:
    """Say that the guest has stopped, and that it is unexpected if no cause is known."""
    fact = incident.guests[0]
    explained = fact.by or fact.task or fact.after_node or fact.after_ha
    text = (
        t("{guest} has stopped", guest=guest_name(fact))
        if explained
        else t("{guest} has stopped unexpectedly", guest=guest_name(fact))
    )
    return placed(t, text, fact, incident.opened)


_STOPPED: Mapping[GuestEvent, IncidentText] = {
    GuestEvent.STOPPED: _stopped,
    GuestEvent.IO_ERROR: lambda t, x: placed(
        t, t("{guest} was halted by an I/O error", guest=guest_name(x.guests[0])), x.guests[0], x.opened
    ),
    GuestEvent.HALTED: held_head,
    GuestEvent.STUCK: held_head,
    GuestEvent.MISSING: lambda t, x: placed(
        t, t("{guest} has disappeared from the cluster", guest=guest_name(x.guests[0])), x.guests[0], x.opened
    ),
}
_NO_LONGER_DOWN: Mapping[GuestEvent, IncidentText] = {
    GuestEvent.BACK: lambda t, x: t(
        "{guest} recovered at {end} after {time} down",
        guest=guest_name(x.guests[0]),
        time=duration_text(t, x),
        end=timestamp(x.ended or 0, "t"),
    ),
    GuestEvent.FLAPPING: lambda t, x: t(
        "{guest} keeps stopping and recovering; see the separate alert", guest=guest_name(x.guests[0])
    ),
    GuestEvent.MISSING: lambda t, x: t(
        "{guest} was deleted after {time} down", guest=guest_name(x.guests[0]), time=duration_text(t, x)
    ),
    GuestEvent.FORGOTTEN: lambda t, x: t(
        "{guest} is no longer watched; it was down for {time}",
        guest=guest_name(x.guests[0]),
        time=duration_text(t, x),
    ),
}
_SHUTDOWNS, _STOPS = ("qmshutdown", "vzshutdown"), ("qmstop", "vzstop")
"""The usual tasks that end a guest, cleanly and by force."""


def _stopped_by(t: Text, fact: GuestFact) -> str:
    """Say who stopped the guest. Name the task, unless the verb already tells it."""
    guest, by = guest_name(fact), _person(t, fact)
    if fact.task in _SHUTDOWNS:
        return t("{guest} was shut down by {by}", guest=guest, by=by)
    if fact.task and fact.task not in _STOPS:
        return t("{guest} was stopped by {by} (task {task})", guest=guest, by=by, task=code(fact.task, 30))
    return t("{guest} was stopped by {by}", guest=guest, by=by)


_DONE: Mapping[GuestEvent, Callable[[Text, GuestFact], str]] = {
    GuestEvent.STOPPED: _stopped_by,
    GuestEvent.MISSING: lambda t, x: t("{guest} was deleted by {by}", guest=guest_name(x), by=_person(t, x)),
    GuestEvent.RESTARTED: lambda t, x: t(
        "{guest} was restarted by {by}", guest=guest_name(x), by=_person(t, x)
    ),
    GuestEvent.ELSEWHERE: lambda t, x: t("HA restarted {guest} on another node", guest=guest_name(x)),
}
_SHORT: Mapping[GuestEvent, Callable[[Text, GuestFact], str]] = {
    GuestEvent.STOPPED: lambda t, x: t("{guest} stopped", guest=guest_name(x)),
    GuestEvent.IO_ERROR: lambda t, x: t("{guest} halted by an I/O error", guest=guest_name(x)),
    GuestEvent.HALTED: held_short,
    GuestEvent.STUCK: held_short,
    GuestEvent.MISSING: lambda t, x: t("{guest} disappeared from the cluster", guest=guest_name(x)),
}
_SHORT_DONE: Mapping[GuestEvent, Callable[[Text, GuestFact], str]] = {
    GuestEvent.STOPPED: lambda t, x: t("{guest} stopped by {by}", guest=guest_name(x), by=doer_text(t, x)),
    GuestEvent.MISSING: lambda t, x: t("{guest} deleted by {by}", guest=guest_name(x), by=doer_text(t, x)),
    GuestEvent.RESTARTED: lambda t, x: t(
        "{guest} restarted by {by}", guest=guest_name(x), by=doer_text(t, x)
    ),
    GuestEvent.ELSEWHERE: lambda t, x: t(
        "{guest} restarted by HA on node {node}", guest=guest_name(x), node=code(x.node)
    ),
}


def down_text(t: Text, incident: Incident) -> str:
    return _STOPPED.get(incident.guests[0].what, _STOPPED[GuestEvent.STOPPED])(t, incident)


def recovered_text(t: Text, incident: Incident) -> str:
    say = _NO_LONGER_DOWN.get(incident.guests[0].what)
    other = GuestEvent.FORGOTTEN if incident.forgotten else GuestEvent.BACK
    return placed(t, (say or _NO_LONGER_DOWN[other])(t, incident), incident.guests[0])


def note_text(t: Text, incident: Incident) -> str:
    fact = incident.guests[0]
    return placed(t, _DONE.get(fact.what, _stopped_by)(t, fact), fact, incident.opened)


def short_down_text(t: Text, incident: Incident) -> str:
    fact = incident.guests[0]
    say = _SHORT.get(fact.what)
    return say(t, fact) if say else t("{guest} down", guest=guest_name(fact))


def short_note_text(t: Text, fact: GuestFact) -> str:
    return _SHORT_DONE.get(fact.what, _SHORT_DONE[GuestEvent.STOPPED])(t, fact)


def calm_text(t: Text, incident: Incident) -> str:
    fact, time = incident.guests[0], duration_text(t, incident)
    guest = guest_name(fact)
    if incident.forgotten:
        return placed(t, t("{guest} is no longer watched", guest=guest), fact)
    if fact.what in DOWN:
        text = t("{guest} kept stopping and recovering for {time}, and is still down", guest=guest, time=time)
    else:
        text = t("{guest} is stable after {time} of stopping and recovering", guest=guest, time=time)
    return placed(t, text, fact)


# -- groups


def is_over_at_once(incident: Incident) -> bool:
    """Return whether the incident is a group without a duration, because no guest in it was down."""
    return incident.topic is Topic.GROUP and incident.seconds == 0


_TOGETHER: Mapping[GuestEvent, Callable[[Text], str]] = {
    GuestEvent.STOPPED: lambda t: t("Stopped"),
    GuestEvent.IO_ERROR: lambda t: t("I/O error"),
    GuestEvent.HALTED: lambda t: t("Halted"),
    GuestEvent.STUCK: lambda t: t("Stuck"),
    GuestEvent.MISSING: lambda t: t("Disappeared from the cluster"),
    GuestEvent.RESTARTED: lambda t: t("Restarted"),
    GuestEvent.FLAPPING: lambda t: t("Stopping and recovering repeatedly"),
    GuestEvent.ELSEWHERE: lambda t: t("Restarted by HA on another node"),
    GuestEvent.BACK: lambda t: t("Recovered"),
    GuestEvent.UNKNOWN: lambda t: t("State unknown"),
    GuestEvent.FORGOTTEN: lambda t: t("No longer watched"),
}


def event_text(t: Text, what: GuestEvent) -> str:
    """Return what happened to a guest, in a few words."""
    return _TOGETHER[what](t)


def group_rows(t: Text, facts: Iterable[GuestFact]) -> list[str]:
    """List the guests, one row per event, user and held state."""
    order = list(_TOGETHER)
    rows: dict[tuple[int, str, str], list[GuestFact]] = {}
    for fact in facts:
        state = fact.state.value if fact.what in HELD else ""
        rows.setdefault((order.index(fact.what), fact.by, state), []).append(fact)
    lines = []
    for (place, by, state), some in sorted(rows.items()):
        word = event_text(t, order[place])
        if state:
            word = f"{word}: {state_word(t, some[0].state)}"
        if by:
            word = t("{what} by {by}", what=word, by=code(by))
        share = min(NAMES_MOST, GROUP_MOST // len(rows) - 70)  # leaves room for every row
        lines.append(f"**{word}** ({len(some)}): {guest_names(t, some, share)}")
    return lines


def group_text(t: Text, incident: Incident) -> str:
    return t.plural(
        "{n} guest down since {time}.",
        "{n} guests down since {time}.",
        len(incident.down),
        time=timestamp(incident.opened, "t"),
    )


def group_over_text(t: Text, incident: Incident) -> str:
    if is_over_at_once(incident):
        count = len(incident.guests)
        text = t.plural("{n} guest changed", "{n} guests changed at once", count)
        return f"{text} · {timestamp(incident.opened)}"
    if incident.forgotten:
        return t("None of these guests is still down and watched.")
    return group_back_text(t, incident)


def group_back_text(t: Text, incident: Incident) -> str:
    back = [fact for fact in incident.guests if fact.what is GuestEvent.BACK]
    return t.plural(
        "{n} guest recovered after {time}.",
        "{n} guests recovered after {time}.",
        len(back),
        time=duration_text(t, incident),
    )


def group_short_text(t: Text, incident: Incident) -> str:
    """Name the guests that are down, or all guests of the group if none is."""
    down = incident.down
    if down:
        names = guest_names(t, down, SHORT_MOST)
        return t.plural("{n} guest down: {names}", "{n} guests down: {names}", len(down), names=names)
    names = guest_names(t, incident.guests, SHORT_MOST)
    return t.plural("{n} guest: {names}", "{n} guests: {names}", len(incident.guests), names=names)
