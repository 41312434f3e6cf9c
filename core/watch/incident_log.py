"""Describe an incident in one line of the log, as it was reported in Discord."""

from core.watch.incidents.model import GuestFact, Incident

_GUESTS_MOST = 10


def incident_line(incident: Incident) -> str:
    """Return number, severity, state and subject of an incident in English, like the rest of the log."""
    about = [_about(incident)]
    about += [f"{incident.metric.value} {incident.percent} %"] if incident.metric else []
    about += [_guest(fact) for fact in incident.guests[:_GUESTS_MOST]]
    about += (
        [f"and {len(incident.guests) - _GUESTS_MOST} more"] if len(incident.guests) > _GUESTS_MOST else []
    )
    about += [
        f"{fact.vmid or 'several guests'} on {fact.node}: {fact.error}" for fact in incident.backups[:3]
    ]
    about += [incident.fault.error] if incident.fault else []
    return f"incident {incident.id} ({incident.level.value}, {_state(incident)}): {', '.join(about)}"


def _about(incident: Incident) -> str:
    return f"{incident.topic.value} {incident.subject}".replace("guest guest/", "guest ")


def _guest(fact: GuestFact) -> str:
    by = f" by {fact.by}" if fact.by else ""
    return f"{fact.vmid} {fact.name or ''} on {fact.node}: {fact.what.value}{by}".replace("  ", " ")


def _state(incident: Incident) -> str:
    if incident.ended is not None:
        return "over" if incident.seconds is None else f"over after {incident.seconds:.0f} s"
    return f"open, acknowledged by {incident.acked_by}" if incident.acked_by else "open"
