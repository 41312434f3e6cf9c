"""Describe incidents of one guest or of a group."""

from collections.abc import Callable, Iterable, Mapping

from core.watch.incidents.model import DOWN, GuestEvent, GuestFact, Incident, Topic
from ui.formatting import code, state_word, timestamp
from ui.i18n import N_, Marked, Text
from ui.messages.task_words import task_word
from ui.watch.incidents.names import (
    NAME_MOST,
    NAMES_MOST,
    SHORT_MOST,
    duration_text,
    few_guests,
    guest_name,
    guest_names,
    node_name,
)
from ui.watch.incidents.states import HELD, held_head, held_short

IncidentText = Callable[[Text, Incident], str]

GROUP_MOST = 1300
"""Characters that the rows of a group share. If there are too many rows, `details.py` counts the last ones."""


def _person(t: Text, fact: GuestFact) -> str:
    return code(fact.by, NAME_MOST) if fact.by else t("an unknown user")


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
_PLAIN_TASKS = frozenset(
    (*_SHUTDOWNS, *_STOPS, "qmstart", "vzstart", "qmreboot", "vzreboot", "qmreset", "qmdestroy", "vzdestroy")
)
"""Tasks that are not named, because the verb of the sentence already tells them."""


def _stopped_by(t: Text, fact: GuestFact) -> str:
    """Say who stopped the guest. Name the task, unless the verb already tells it."""
    guest, by = guest_name(fact), _person(t, fact)
    if fact.task in _SHUTDOWNS:
        return t("{guest} was shut down by {by}", guest=guest, by=by)
    return t("{guest} was stopped by {by}", guest=guest, by=with_task(t, fact))


def with_task(t: Text, fact: GuestFact) -> str:
    """Return the Proxmox user who did it, with the task if it is none of `_PLAIN_TASKS`."""
    by = _person(t, fact)
    if not fact.task or fact.task in _PLAIN_TASKS:
        return by
    return t("{by} ({task})", by=by, task=task_word(t, fact.task))


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
    stopped = N_("{guest} has stopped") if explained else N_("{guest} stopped unexpectedly")
    return t(_STOPPED.get(fact.what, stopped), guest=guest_name(fact))


def recovered_text(t: Text, incident: Incident) -> str:
    fact = incident.guests[0]
    other = GuestEvent.FORGOTTEN if incident.forgotten else GuestEvent.BACK
    return t(
        _NO_LONGER_DOWN.get(fact.what, _NO_LONGER_DOWN[other]),
        guest=guest_name(fact),
        time=duration_text(t, incident),
        end=timestamp(incident.ended or 0, "t"),
    )


def note_text(t: Text, incident: Incident) -> str:
    fact = incident.guests[0]
    done = _DONE.get(fact.what)
    return t(done, guest=guest_name(fact), by=_person(t, fact)) if done else _stopped_by(t, fact)


def short_down_text(t: Text, incident: Incident) -> str:
    fact = incident.guests[0]
    if fact.what in HELD:
        return held_short(t, fact)
    return t(_SHORT.get(fact.what, N_("{guest} down")), guest=guest_name(fact))


def short_note_text(t: Text, fact: GuestFact) -> str:
    stopped = N_("{guest} shut down by {by}") if fact.task in _SHUTDOWNS else N_("{guest} stopped by {by}")
    return t(
        _SHORT_DONE.get(fact.what, stopped),
        guest=guest_name(fact),
        by=with_task(t, fact),
        node=node_name(fact.node),
    )


def calm_text(t: Text, incident: Incident) -> str:
    fact, time = incident.guests[0], duration_text(t, incident)
    guest = guest_name(fact)
    if incident.forgotten:
        return t("{guest} is no longer watched", guest=guest)
    if fact.what in DOWN:
        return t("{guest} kept stopping and recovering for {time}, and is still down", guest=guest, time=time)
    return t("{guest} is stable after {time} of stopping and recovering", guest=guest, time=time)


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
    """Return the event of a guest, in a few words."""
    return t(_EVENTS[what])


def group_rows(t: Text, facts: Iterable[GuestFact]) -> list[str]:
    """List the guests, one row per event, user and (for an event in `HELD`) state."""
    alike = _alike(facts)
    share = min(NAMES_MOST, GROUP_MOST // max(1, len(alike)) - 70)  # 70: about a row without its names
    return [
        _counted(t, f"**{_shared_event(t, some)}**", len(some), guest_names(t, some, share)) for some in alike
    ]


def _alike(facts: Iterable[GuestFact]) -> list[list[GuestFact]]:
    """Group the guests by event, user and (for an event in `HELD`) state, in the order of `_EVENTS`."""
    order = list(_EVENTS)
    rows: dict[tuple[int, str, str], list[GuestFact]] = {}
    for fact in facts:
        state = fact.state.value if fact.what in HELD else ""
        rows.setdefault((order.index(fact.what), fact.by, state), []).append(fact)
    return [some for _, some in sorted(rows.items())]


def _shared_event(t: Text, some: list[GuestFact]) -> str:
    word = event_text(t, some[0].what)
    if some[0].what in HELD:
        word = f"{word}: {state_word(t, some[0].state)}"
    return t("{what} by {by}", what=word, by=_person(t, some[0])) if some[0].by else word


def _counted(t: Text, what: str, count: int, names: str) -> str:
    return t("{what} ({n}): {names}", what=what, n=count, names=names)


def group_text(t: Text, incident: Incident) -> str:
    down = incident.down
    names = few_guests(t, down or incident.guests)
    return t.plural("{n} guest down: {names}", "{n} guests down: {names}", len(down), names=names)


def group_over_text(t: Text, incident: Incident) -> str:
    if is_over_at_once(incident):
        alike, names = _alike(incident.guests), few_guests(t, incident.guests)
        if len(alike) == 1:
            return _counted(t, _shared_event(t, alike[0]), len(incident.guests), names)
        return t.plural(
            "{n} guest changed: {names}",
            "{n} guests changed at once: {names}",
            len(incident.guests),
            names=names,
        )
    if incident.forgotten:
        return t("None of these guests is still down and watched")
    return group_back_text(t, incident)


def group_back_text(t: Text, incident: Incident) -> str:
    back = [fact for fact in incident.guests if fact.what is GuestEvent.BACK]
    return t.plural(
        "{n} guest recovered after {time}: {names}",
        "{n} guests recovered after {time}: {names}",
        len(back),
        time=duration_text(t, incident),
        names=few_guests(t, back),
    )


def group_short_text(t: Text, incident: Incident) -> str:
    """Name the guests that are down, or all guests of the group if none is down."""
    down = incident.down
    if down:
        names = guest_names(t, down, SHORT_MOST)
        return t.plural("{n} guest down: {names}", "{n} guests down: {names}", len(down), names=names)
    names = guest_names(t, incident.guests, SHORT_MOST)
    return t.plural("{n} guest: {names}", "{n} guests: {names}", len(incident.guests), names=names)
