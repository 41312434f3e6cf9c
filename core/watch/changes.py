"""Change the state of the watch between two polls: by people who control alerts, and by the bot's own actions.

The functions change nothing but their `Transition` (core/watch/incidents/transition.py).
"""

from dataclasses import replace

from core.errors import NotMuted
from core.guest import Guest, State
from core.watch.incidents.flapping import forget_guest
from core.watch.incidents.model import Incident
from core.watch.incidents.thresholds import drop_thresholds_of
from core.watch.incidents.transition import Transition, subjects_of


def acknowledge(transition: Transition, incident_id: int, by: str, by_id: int) -> Incident:
    """Stop the reminders of an incident. The first acknowledgement counts. Raises: IncidentOver."""
    incident = transition.find_open(incident_id)
    if incident.acked is not None:
        return incident
    return transition.update_incident(
        replace(incident, acked_by=by, acked_by_id=by_id, acked=transition.now.unix)
    )


def mute_incident(transition: Transition, incident_id: int, seconds: float, by: str, by_id: int) -> Incident:
    """Mute the subjects of an incident. Raises: IncidentOver."""
    incident = transition.find_open(incident_id)
    for target in sorted({targets[0] for targets in subjects_of(incident)}):
        transition.mute(target, seconds, by, by_id, incident.id)
    # announce_all sets `muted_until`, too, but only while Proxmox can be read
    return transition.update_incident(replace(incident, muted_until=transition.muted_until(incident)))


def unmute(transition: Transition, target: str) -> None:
    """End the mute of a subject. Raises: NotMuted."""
    if transition.mutes.pop(target, None) is None:
        raise NotMuted(target)


def forget(transition: Transition, vmid: int) -> None:
    """Forget a guest that is no longer watched. Incidents about it alone end silently."""
    guest = transition.guests.pop(vmid, None)
    if guest is not None:
        forget_guest(transition, guest)
    drop_thresholds_of(transition, vmid)
    transition.uptimes.pop(vmid, None)


def settle_stop(transition: Transition, after: Guest) -> None:
    """Note that a guest stopped or restarted as ordered. `after`: the guest as it is now."""
    known = transition.guests.get(after.vmid)
    transition.uptimes.pop(after.vmid, None)  # its uptime starts anew, as ordered
    if known is not None and after.state is State.STOPPED and known.state is not State.STOPPED:
        transition.guests[after.vmid] = transition.settle(known, after, wanted=True)
