"""Describe guests that QEMU halted or that are stuck in a state, and say what to do about each state."""

from collections.abc import Callable, Mapping

from core.guest import State
from core.watch.incidents.model import GuestEvent, GuestFact, Incident
from ui.formatting import state_word, timestamp
from ui.i18n import Text
from ui.watch.incidents.names import guest_at, guest_name

HELD = frozenset({GuestEvent.HALTED, GuestEvent.STUCK})

_HEADS: Mapping[State, Callable[[Text, str, str], str]] = {
    State.INTERNAL_ERROR: lambda t, guest, time: t(
        "{guest} was halted by a QEMU internal error, {time}.", guest=guest, time=time
    ),
    State.PANICKED: lambda t, guest, time: t(
        "{guest} was halted by a kernel panic, {time}.", guest=guest, time=time
    ),
    State.WATCHDOG: lambda t, guest, time: t(
        "{guest} was halted by its watchdog, {time}.", guest=guest, time=time
    ),
    State.POSTMIGRATE: lambda t, guest, time: t(
        "{guest} was left paused by a migration, {time}.", guest=guest, time=time
    ),
    State.DEBUG: lambda t, guest, time: t(
        "{guest} was halted by a debugger, {time}.", guest=guest, time=time
    ),
    State.PRELAUNCH: lambda t, guest, time: t(
        "{guest} got stuck while starting, {time}.", guest=guest, time=time
    ),
    State.SHUTDOWN: lambda t, guest, time: t(
        "{guest} powered off {time}, but its process has not ended.", guest=guest, time=time
    ),
    State.INMIGRATE: lambda t, guest, time: t(
        "{guest} got stuck waiting for a migration, {time}.", guest=guest, time=time
    ),
    State.FINISH_MIGRATE: lambda t, guest, time: t(
        "{guest} got stuck at the end of a migration, {time}.", guest=guest, time=time
    ),
    State.SAVING: lambda t, guest, time: t(
        "{guest} got stuck saving its state, {time}.", guest=guest, time=time
    ),
    State.RESTORING: lambda t, guest, time: t(
        "{guest} got stuck restoring its state, {time}.", guest=guest, time=time
    ),
    State.COLO: lambda t, guest, time: t(
        "{guest} got stuck synchronizing (COLO), {time}.", guest=guest, time=time
    ),
}
_ADVICE: Mapping[State, Callable[[Text], str]] = {
    State.INTERNAL_ERROR: lambda t: t(
        "QEMU cannot continue. Check the system log of its node, then reset or stop it in the"
        " Proxmox web interface."
    ),
    State.PANICKED: lambda t: t("Reset it in the Proxmox web interface, or stop and start it."),
    State.WATCHDOG: lambda t: t(
        "Its operating system stopped responding. Reset it in the Proxmox web interface, or "
        "stop and start it."
    ),
    State.POSTMIGRATE: lambda t: t(
        "Check which node it runs on, then resume or stop it in the Proxmox web interface."
    ),
    State.DEBUG: lambda t: t("Resume it in the Proxmox web interface when the debugger is done."),
}


def held_head(t: Text, incident: Incident) -> str:
    """Return the first line of the incident of a guest that is HALTED or STUCK."""
    fact = incident.guests[0]
    say, guest, time = _HEADS.get(fact.state), guest_at(t, fact), timestamp(incident.opened)
    return say(t, guest, time) if say else t("{guest} was halted, {time}.", guest=guest, time=time)


def held_short(t: Text, fact: GuestFact) -> str:
    if fact.what is GuestEvent.STUCK:
        return t("{guest} stuck: {state}", guest=guest_name(fact), state=state_word(t, fact.state))
    return t("{guest} halted: {state}", guest=guest_name(fact), state=state_word(t, fact.state))


def held_advice(t: Text, fact: GuestFact) -> str:
    """Say what a person can do about it."""
    say = _ADVICE.get(fact.state)
    if say:
        return say(t)
    return t("This usually ends by itself. Check the system log of its node; if needed, stop and start it.")
