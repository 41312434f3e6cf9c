"""Describe incidents of one guest or of many at once, a part of `ui/watch/incidents/text.py`."""

from collections.abc import Callable, Iterable, Mapping

from core.watch.incidents.model import DOWN, GuestEvent, GuestFact, Incident, Topic
from ui.formatting import code, state_word, timestamp
from ui.i18n import N_, Marked, Text
from ui.watch.incidents.names import NAMES_MOST, duration_text, guest_name, guest_names, placed
from ui.watch.incidents.states import HELD, held_head, held_short

IncidentText = Callable[[Text, Incident], str]

GROUP_MOST = 1300
"""Maximum characters of all rows of a group."""
SHORT_MOST = 200
"""Maximum characters of the guests' names in a line of a list."""


def _person(t: Text, fact: GuestFact) -> str:
    return code(fact.by) if fact.by else t("an unknown user")


def user_with_task(t: Text, fact: GuestFact) -> str:
    """Return the Proxmox user who did it, with the task."""
    by = _person(t, fact)
    return t("{by} (task {task})", by=by, task=code(fact.task, 30)) if fact.task else by


_STOPPED: Mapping[GuestEvent, Marked] = {
    GuestEvent.IO_ERROR: N_("{guest} was halted by an I/O error"),
    GuestEvent.MISSING: N_("{guest} has disappeared from the cluster"),
}
_NO_LONGER_DOWN: Mapping[GuestEvent, Marked] = {
    GuestEvent.BACK: N_("{guest} recovered at {end} after {time} down"),
    GuestEvent.FLAPPING: N_("{guest} keeps stopping and recovering; see the separate alert"),
    GuestEvent.MISSING: N_("{guest} was deleted after {time} down"),
    GuestEvent.FORGOTTEN: N_("{guest} is no longer watched; it was down for {time}"),
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


_DONE: Mapping[GuestEvent, Marked] = {
    GuestEvent.MISSING: N_("{guest} was deleted by {by}"),
    GuestEvent.RESTARTED: N_("{guest} was restarted by {by}"),
    GuestEvent.ELSEWHERE: N_("HA restarted {guest} on another node"),
}
_SHORT: Mapping[GuestEvent, Marked] = {
    GuestEvent.STOPPED: N_("{guest} stopped"),
    GuestEvent.IO_ERROR: N_("{guest} halted by an I/O error"),
    GuestEvent.MISSING: N_("{guest} disappeared from the cluster"),
}
_SHORT_DONE: Mapping[GuestEvent, Marked] = {
    GuestEvent.STOPPED: N_("{guest} stopped by {by}"),
    GuestEvent.MISSING: N_("{guest} deleted by {by}"),
    GuestEvent.RESTARTED: N_("{guest} restarted by {by}"),
    GuestEvent.ELSEWHERE: N_("{guest} restarted by HA on node {node}"),
}


def down_text(t: Text, incident: Incident) -> str:
    """Say how the guest went down. A stop without a known cause is unexpected."""
    fact = incident.guests[0]
    if fact.what in HELD:
        return held_head(t, incident)
    explained = fact.by or fact.task or fact.after_node or fact.after_ha
    stopped = N_("{guest} has stopped") if explained else N_("{guest} has stopped unexpectedly")
    return placed(t, t(_STOPPED.get(fact.what, stopped), guest=guest_name(fact)), fact, incident.opened)


def recovered_text(t: Text, incident: Incident) -> str:
    fact = incident.guests[0]
    other = GuestEvent.FORGOTTEN if incident.forgotten else GuestEvent.BACK
    text = t(
        _NO_LONGER_DOWN.get(fact.what, _NO_LONGER_DOWN[other]),
        guest=guest_name(fact),
        time=duration_text(t, incident),
        end=timestamp(incident.ended or 0, "t"),
    )
    return placed(t, text, fact)


def note_text(t: Text, incident: Incident) -> str:
    fact = incident.guests[0]
    done = _DONE.get(fact.what)
    text = t(done, guest=guest_name(fact), by=_person(t, fact)) if done else _stopped_by(t, fact)
    return placed(t, text, fact, incident.opened)


def short_down_text(t: Text, incident: Incident) -> str:
    fact = incident.guests[0]
    if fact.what in HELD:
        return held_short(t, fact)
    return t(_SHORT.get(fact.what, N_("{guest} down")), guest=guest_name(fact))


def short_note_text(t: Text, fact: GuestFact) -> str:
    return t(
        _SHORT_DONE.get(fact.what, _SHORT_DONE[GuestEvent.STOPPED]),
        guest=guest_name(fact),
        by=user_with_task(t, fact),
        node=code(fact.node),
    )


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


_EVENTS: Mapping[GuestEvent, Marked] = {
    GuestEvent.STOPPED: N_("Stopped"),
    GuestEvent.IO_ERROR: N_("I/O error"),
    GuestEvent.HALTED: N_("Halted"),
    GuestEvent.STUCK: N_("Stuck"),
    GuestEvent.MISSING: N_("Disappeared from the cluster"),
    GuestEvent.RESTARTED: N_("Restarted"),
    GuestEvent.FLAPPING: N_("Stopping and recovering repeatedly"),
    GuestEvent.ELSEWHERE: N_("Restarted by HA on another node"),
    GuestEvent.BACK: N_("Recovered"),
    GuestEvent.UNKNOWN: N_("State unknown"),
    GuestEvent.FORGOTTEN: N_("No longer watched"),
}


def event_text(t: Text, what: GuestEvent) -> str:
    """Return what happened to a guest, in a few words."""
    return t(_EVENTS[what])


def group_rows(t: Text, facts: Iterable[GuestFact]) -> list[str]:
    """List the guests, one row per event, user and held state."""
    order = list(_EVENTS)
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
