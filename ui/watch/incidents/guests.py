"""Describe incidents of one guest or of many at once, a part of `ui/watch/incidents/text.py`."""

from collections.abc import Callable, Iterable, Mapping

from core.watch.incidents.model import DOWN, GuestEvent, GuestFact, Incident, Topic
from ui.formatting import code, state_word, timestamp
from ui.i18n import Text
from ui.watch.incidents.names import NAMES_MOST, duration_text, guest_at, guest_name, guest_names
from ui.watch.incidents.states import HELD, held_head, held_short

IncidentText = Callable[[Text, Incident], str]

GROUP_MOST = 1300
"""Maximum characters of all rows of a group."""
SHORT_MOST = 200
"""Maximum characters of the guests' names in a line of a list."""


def doer_text(t: Text, fact: GuestFact) -> str:
    """Return the Proxmox user who did it, with the task."""
    by = code(fact.by) if fact.by else t("somebody")
    return t("{by} (task {task})", by=by, task=code(fact.task, 30)) if fact.task else by


_STOPPED: Mapping[GuestEvent, IncidentText] = {
    GuestEvent.STOPPED: lambda t, x: t(
        "{guest} has stopped, {time}.", guest=guest_at(t, x.guests[0]), time=timestamp(x.opened)
    ),
    GuestEvent.IO_ERROR: lambda t, x: t(
        "{guest} was halted by an I/O error, {time}.",
        guest=guest_at(t, x.guests[0]),
        time=timestamp(x.opened),
    ),
    GuestEvent.HALTED: held_head,
    GuestEvent.STUCK: held_head,
    GuestEvent.MISSING: lambda t, x: t(
        "{guest} has disappeared from the cluster, {time}.",
        guest=guest_at(t, x.guests[0]),
        time=timestamp(x.opened),
    ),
}
_NO_LONGER_DOWN: Mapping[GuestEvent, IncidentText] = {
    GuestEvent.BACK: lambda t, x: t(
        "{guest} was down for {time} and came back at {end}.",
        guest=guest_at(t, x.guests[0]),
        time=duration_text(t, x),
        end=timestamp(x.ended or 0, "t"),
    ),
    GuestEvent.FLAPPING: lambda t, x: t(
        "{guest} keeps going down and coming back; another message tells of it.",
        guest=guest_at(t, x.guests[0]),
    ),
    GuestEvent.MISSING: lambda t, x: t(
        "{guest} was deleted after it had been down for {time}.",
        guest=guest_at(t, x.guests[0]),
        time=duration_text(t, x),
    ),
    GuestEvent.FORGOTTEN: lambda t, x: t(
        "{guest} is no longer being watched; it had been down for {time}.",
        guest=guest_at(t, x.guests[0]),
        time=duration_text(t, x),
    ),
}
_DONE: Mapping[GuestEvent, IncidentText] = {
    GuestEvent.STOPPED: lambda t, x: t(
        "{guest} was stopped by {by}, {time}.",
        guest=guest_at(t, x.guests[0]),
        by=doer_text(t, x.guests[0]),
        time=timestamp(x.opened),
    ),
    GuestEvent.MISSING: lambda t, x: t(
        "{guest} was deleted by {by}, {time}.",
        guest=guest_at(t, x.guests[0]),
        by=doer_text(t, x.guests[0]),
        time=timestamp(x.opened),
    ),
    GuestEvent.RESTARTED: lambda t, x: t(
        "{guest} was restarted by {by}, {time}.",
        guest=guest_at(t, x.guests[0]),
        by=doer_text(t, x.guests[0]),
        time=timestamp(x.opened),
    ),
    GuestEvent.ELSEWHERE: lambda t, x: t(
        "HA has started {guest} again on node {node}, {time}.",
        guest=guest_name(x.guests[0]),
        node=code(x.guests[0].node),
        time=timestamp(x.opened),
    ),
}
_SHORT: Mapping[GuestEvent, Callable[[Text, GuestFact], str]] = {
    GuestEvent.STOPPED: lambda t, x: t("{guest} stopped", guest=guest_name(x)),
    GuestEvent.IO_ERROR: lambda t, x: t("{guest} halted by an I/O error", guest=guest_name(x)),
    GuestEvent.HALTED: held_short,
    GuestEvent.STUCK: held_short,
    GuestEvent.MISSING: lambda t, x: t("{guest} gone from the cluster", guest=guest_name(x)),
}
_SHORT_DONE: Mapping[GuestEvent, Callable[[Text, GuestFact], str]] = {
    GuestEvent.STOPPED: lambda t, x: t("{guest} stopped by {by}", guest=guest_name(x), by=doer_text(t, x)),
    GuestEvent.MISSING: lambda t, x: t("{guest} deleted by {by}", guest=guest_name(x), by=doer_text(t, x)),
    GuestEvent.RESTARTED: lambda t, x: t(
        "{guest} restarted by {by}", guest=guest_name(x), by=doer_text(t, x)
    ),
    GuestEvent.ELSEWHERE: lambda t, x: t(
        "{guest} started again by HA on node {node}", guest=guest_name(x), node=code(x.node)
    ),
}


def down_text(t: Text, incident: Incident) -> str:
    return _STOPPED.get(incident.guests[0].what, _STOPPED[GuestEvent.STOPPED])(t, incident)


def recovered_text(t: Text, incident: Incident) -> str:
    say = _NO_LONGER_DOWN.get(incident.guests[0].what)
    other = GuestEvent.FORGOTTEN if incident.forgotten else GuestEvent.BACK
    return (say or _NO_LONGER_DOWN[other])(t, incident)


def note_text(t: Text, incident: Incident) -> str:
    return _DONE.get(incident.guests[0].what, _DONE[GuestEvent.STOPPED])(t, incident)


def short_down_text(t: Text, incident: Incident) -> str:
    fact = incident.guests[0]
    say = _SHORT.get(fact.what)
    return say(t, fact) if say else t("{guest} down", guest=guest_name(fact))


def short_note_text(t: Text, fact: GuestFact) -> str:
    return _SHORT_DONE.get(fact.what, _SHORT_DONE[GuestEvent.STOPPED])(t, fact)


def calm_text(t: Text, incident: Incident) -> str:
    guest, time = guest_at(t, incident.guests[0]), duration_text(t, incident)
    if incident.forgotten:
        return t("{guest} is no longer being watched.", guest=guest)
    if incident.guests[0].what in DOWN:
        return t(
            "{guest} kept going down and coming back for {time}, and stays down.", guest=guest, time=time
        )
    return t("{guest} kept going down and coming back for {time}; now it is steady.", guest=guest, time=time)


# -- groups


def is_over_at_once(incident: Incident) -> bool:
    """Return whether the incident is a group without a duration, because no guest in it was down."""
    return incident.topic is Topic.GROUP and incident.seconds == 0


_TOGETHER: Mapping[GuestEvent, Callable[[Text], str]] = {
    GuestEvent.STOPPED: lambda t: t("Stopped"),
    GuestEvent.IO_ERROR: lambda t: t("I/O error"),
    GuestEvent.HALTED: lambda t: t("Halted"),
    GuestEvent.STUCK: lambda t: t("Stuck"),
    GuestEvent.MISSING: lambda t: t("Gone from the cluster"),
    GuestEvent.RESTARTED: lambda t: t("Restarted"),
    GuestEvent.FLAPPING: lambda t: t("Going down and coming back"),
    GuestEvent.ELSEWHERE: lambda t: t("Started again by HA elsewhere"),
    GuestEvent.BACK: lambda t: t("Back"),
    GuestEvent.UNKNOWN: lambda t: t("State not known"),
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
        "{n} guest has been down since {time}.",
        "{n} guests have been down since {time}.",
        len(incident.down),
        time=timestamp(incident.opened, "t"),
    )


def group_over_text(t: Text, incident: Incident) -> str:
    if is_over_at_once(incident):
        return t.plural(
            "{n} guest has changed, {time}.",
            "{n} guests have changed at once, {time}.",
            len(incident.guests),
            time=timestamp(incident.opened),
        )
    if incident.forgotten:
        return t("No guest of these is down and watched any more.")
    return group_back_text(t, incident)


def group_back_text(t: Text, incident: Incident) -> str:
    back = [fact for fact in incident.guests if fact.what is GuestEvent.BACK]
    return t.plural(
        "{n} guest is back after {time}.",
        "{n} guests are back after {time}.",
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
