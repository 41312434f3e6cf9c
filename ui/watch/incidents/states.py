"""Describe guests that QEMU halted or that are stuck in a state, and say what to do about each state."""

from collections.abc import Mapping

from core.guest import State
from core.watch.incidents.model import GuestEvent, GuestFact, Incident
from ui.formatting import state_word
from ui.i18n import N_, Marked, Text
from ui.watch.incidents.names import guest_name

HELD = frozenset({GuestEvent.HALTED, GuestEvent.STUCK})
"""Events of guests in a state in which they neither run nor are stopped."""

_HEADS: Mapping[State, Marked] = {
    State.INTERNAL_ERROR: N_("{guest} was halted by a QEMU internal error"),
    State.PANICKED: N_("{guest} was halted by a kernel panic"),
    State.WATCHDOG: N_("{guest} was halted by its watchdog"),
    State.POSTMIGRATE: N_("{guest} was left paused by a migration"),
    State.DEBUG: N_("{guest} was halted by a debugger"),
    State.PRELAUNCH: N_("{guest} got stuck while starting"),
    State.SHUTDOWN: N_("{guest} powered off, but its process has not ended"),
    State.INMIGRATE: N_("{guest} got stuck waiting for a migration"),
    State.FINISH_MIGRATE: N_("{guest} got stuck at the end of a migration"),
    State.SAVING: N_("{guest} got stuck saving its state"),
    State.RESTORING: N_("{guest} got stuck restoring its state"),
    State.COLO: N_("{guest} got stuck synchronizing (COLO)"),
}
_ADVICE: Mapping[State, Marked] = {
    State.INTERNAL_ERROR: N_(
        "QEMU cannot continue. Check the system log of the node, then reset or stop the VM in "
        "the Proxmox web interface."
    ),
    State.PANICKED: N_("Reset it in the Proxmox web interface, or stop and start it."),
    State.WATCHDOG: N_(
        "The guest OS stopped responding. Reset it in the Proxmox web interface, or stop and start it."
    ),
    State.POSTMIGRATE: N_(
        "Check which node it runs on, then resume or stop it in the Proxmox web interface."
    ),
    State.DEBUG: N_("Resume it in the Proxmox web interface when debugging is finished."),
}
_OTHER_ADVICE = N_(
    "This usually resolves itself. Check the system log of the node; if needed, stop and start the guest."
)


def held_head(t: Text, incident: Incident) -> str:
    """Return the first line of the incident of a guest that is HALTED or STUCK."""
    fact = incident.guests[0]
    return t(_HEADS.get(fact.state, N_("{guest} was halted")), guest=guest_name(fact))


def held_short(t: Text, fact: GuestFact) -> str:
    if fact.what is GuestEvent.STUCK:
        return t("{guest} stuck: {state}", guest=guest_name(fact), state=state_word(t, fact.state))
    return t("{guest} halted: {state}", guest=guest_name(fact), state=state_word(t, fact.state))


def held_advice(t: Text, fact: GuestFact) -> str:
    """Say what a person can do about the state of the guest."""
    return t(_ADVICE.get(fact.state, _OTHER_ADVICE))
