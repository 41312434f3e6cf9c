"""Say what can be done about an incident: look at its guest, its chart or its logs, or start the guest."""

from core.watch.incidents.model import GuestEvent, Incident, Topic


def guest_of(incident: Incident) -> int | None:
    """Return the VMID of the one guest that the incident is about, None if there is none, or none to look at."""
    if incident.topic in (Topic.GROUP, Topic.NODE, Topic.STALE):
        return None
    if incident.topic is Topic.BACKUP:
        return incident.backups[0].vmid if len(incident.backups) == 1 else None
    here = [fact for fact in incident.guests if fact.what is not GuestEvent.MISSING]
    return here[0].vmid if len(here) == 1 else None


def chart_of(incident: Incident) -> str:
    """Return the custom_id's word for a chart that helps to understand the incident, "" if there is none."""
    # an offline node cannot be asked: its chart is offered once the incident is over
    if incident.topic is Topic.STALE or (incident.topic is Topic.NODE and not incident.open):
        return "nodechart"
    shows_guest = incident.topic is not Topic.BACKUP and guest_of(incident) is not None
    return "chart" if shows_guest else ""


def has_log(incident: Incident) -> bool:
    """Return whether the details of the incident are the logs of its failed backups."""
    return incident.topic is Topic.BACKUP and any(fact.upid for fact in incident.backups)


def can_start(incident: Incident) -> bool:
    """Return whether one guest stopped, so that starting it is the next step."""
    return incident.open and incident.topic is Topic.GUEST and incident.guests[0].what is GuestEvent.STOPPED
