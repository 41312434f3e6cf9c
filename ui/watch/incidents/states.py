"""Describe guests that QEMU halted or that are stuck in a state, and say what to do about each state."""

from collections.abc import Callable, Mapping

from core.guest import State
from core.watch.incidents.model import GuestEvent, GuestFact, Incident
from ui.formatting import state_word
from ui.i18n import Text
from ui.watch.incidents.names import guest_name, placed

HELD = frozenset({GuestEvent.HALTED, GuestEvent.STUCK})

_HEADS: Mapping[State, Callable[[Text, str], str]] = {
    State.INTERNAL_ERROR: lambda t, guest: t("{guest} was halted by a QEMU internal error", guest=guest),
    State.PANICKED: lambda t, guest: t("{guest} was halted by a kernel panic", guest=guest),
    State.WATCHDOG: lambda t, guest: t("{guest} was halted by its watchdog", guest=guest),
    State.POSTMIGRATE: lambda t, guest: t("{guest} was left paused by a migration", guest=guest),
    State.DEBUG: lambda t, guest: t("{guest} was halted by a debugger", guest=guest),
    State.PRELAUNCH: lambda t, guest: t("{guest} got stuck while starting", guest=guest),
    State.SHUTDOWN: lambda t, guest: t("{guest} powered off, but its process has not ended", guest=guest),
    State.INMIGRATE: lambda t, guest: t("{guest} got stuck waiting for a migration", guest=guest),
    State.FINISH_MIGRATE: lambda t, guest: t("{guest} got stuck at the end of a migration", guest=guest),
    State.SAVING: lambda t, guest: t("{guest} got stuck saving its state", guest=guest),
    State.RESTORING: lambda t, guest: t("{guest} got stuck restoring its state", guest=guest),
    State.COLO: lambda t, guest: t("{guest} got stuck synchronizing (COLO)", guest=guest),
}
_ADVICE: Mapping[State, Callable[[Text], str]] = {
    State.INTERNAL_ERROR: lambda t: t(
        "QEMU cannot continue. Check the system log of the node, then reset or stop the VM in "
        "the Proxmox web interface."
    ),
    State.PANICKED: lambda t: t("Reset it in the Proxmox web interface, or stop and start it."),
    State.WATCHDOG: lambda t: t(
        "The guest OS stopped responding. Reset it in the Proxmox web interface, or stop and start it."
    ),
    State.POSTMIGRATE: lambda t: t(
        "Check which node it runs on, then resume or stop it in the Proxmox web interface."
    ),
    State.DEBUG: lambda t: t("Resume it in the Proxmox web interface when debugging is finished."),
}


def held_head(t: Text, incident: Incident) -> str:
    """Return the first line of the incident of a guest that is HALTED or STUCK."""
    fact = incident.guests[0]
    say, guest = _HEADS.get(fact.state), guest_name(fact)
    text = say(t, guest) if say else t("{guest} was halted", guest=guest)
    return placed(t, text, fact, incident.opened)


def held_short(t: Text, fact: GuestFact) -> str:
    if fact.what is GuestEvent.STUCK:
        return t("{guest} stuck: {state}", guest=guest_name(fact), state=state_word(t, fact.state))
    return t("{guest} halted: {state}", guest=guest_name(fact), state=state_word(t, fact.state))


def held_advice(t: Text, fact: GuestFact) -> str:
    """Say what a person can do about it."""
    say = _ADVICE.get(fact.state)
    if say:
        return say(t)
    return t(
        "This usually resolves itself. Check the system log of the node; if needed, stop and start the guest."
    )
