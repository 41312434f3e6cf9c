"""Describe nodes without new figures and guests in an unknown state, for `text.py` and `details.py`."""

from core.watch.incidents.model import Incident
from ui.formatting import timestamp
from ui.i18n import Text
from ui.watch.incidents.names import SHORT_MOST, duration_text, few_guests, guest_name, guest_names, node_name

# -- a node without new figures


def stale_text(t: Text, incident: Incident) -> str:
    return t("Proxmox has no new data from node {node}", node=node_name(incident.node))


def stale_over_text(t: Text, incident: Incident) -> str:
    if incident.forgotten:
        return t(
            "No data from node {node}; it is now offline or no longer in the cluster",
            node=node_name(incident.node),
        )
    return t(
        "No data from node {node} for {time}, until {end}",
        node=node_name(incident.node),
        time=duration_text(t, incident),
        end=timestamp(incident.ended or 0, "t"),
    )


def stale_recovery_text(t: Text, incident: Incident) -> str:
    return t(
        "Node {node} is sending data again after {time}.",
        node=node_name(incident.node),
        time=duration_text(t, incident),
    )


def stale_short_text(t: Text, incident: Incident) -> str:
    return t("No data from node {node}", node=node_name(incident.node))


def stale_notes(t: Text, incident: Incident) -> list[str]:
    """Explain the usual cause, and name the watched guests on the node. Empty once the incident is over."""
    if not incident.open:
        return []
    why = t("`pvestatd` is not reporting. The usual cause is a storage that hangs.")
    if not incident.guests:
        return [why]
    names = guest_names(t, incident.guests)
    return [why, t("Meanwhile, these watched guests are checked one by one: {guests}", guests=names)]


# -- guests whose state is not known


def blind_text(t: Text, incident: Incident) -> str:
    if len(incident.guests) == 1:
        return t("The state of {guest} is unknown", guest=guest_name(incident.guests[0]))
    return _several_blind(t, incident, few_guests(t, incident.guests))


def _several_blind(t: Text, incident: Incident, names: str) -> str:
    return t.plural(
        "The state of {n} watched guest is unknown: {names}",
        "The state of {n} watched guests is unknown: {names}",
        len(incident.guests),
        names=names,
    )


def blind_over_text(t: Text, incident: Incident) -> str:
    if incident.forgotten and len(incident.guests) == 1:
        return t(
            "The state of {guest} was unknown; it is no longer watched, or its node is offline",
            guest=guest_name(incident.guests[0]),
        )
    if incident.forgotten:
        return t(
            "The state of these guests was unknown; they are no longer watched, or their node is offline"
        )
    if len(incident.guests) == 1:
        return t(
            "The state of {guest} was unknown for {time}, until {end}",
            guest=guest_name(incident.guests[0]),
            time=duration_text(t, incident),
            end=timestamp(incident.ended or 0, "t"),
        )
    return t.plural(
        "The state of {n} watched guest was unknown for {time}, until {end}",
        "The state of {n} watched guests was unknown for {time}, until {end}",
        len(incident.guests),
        time=duration_text(t, incident),
        end=timestamp(incident.ended or 0, "t"),
    )


def blind_recovery_text(t: Text, incident: Incident) -> str:
    if len(incident.guests) == 1:
        return t(
            "The state of {guest} is known again after {time}.",
            guest=guest_name(incident.guests[0]),
            time=duration_text(t, incident),
        )
    return t.plural(
        "The state of {n} watched guest is known again after {time}.",
        "The state of {n} watched guests is known again after {time}.",
        len(incident.guests),
        time=duration_text(t, incident),
    )


def blind_short_text(t: Text, incident: Incident) -> str:
    if len(incident.guests) == 1:
        return t("State of {guest} unknown", guest=guest_name(incident.guests[0]))
    return _several_blind(t, incident, guest_names(t, incident.guests, SHORT_MOST))


def blind_notes(t: Text, incident: Incident) -> list[str]:
    """Name the guests if there are several. While the incident is open, say what to do."""
    lines = []
    if len(incident.guests) > 1:
        lines.append(
            t(
                "On node {node}: {guests}",
                node=node_name(incident.node),
                guests=guest_names(t, incident.guests),
            )
            if incident.node
            else guest_names(t, incident.guests)
        )
    if incident.open and incident.node:
        lines.append(t("If a guest stops now, there will be no alert. Check the node."))
    elif incident.open:
        lines.append(
            t(
                "Proxmox does not list it: it was deleted, or the API token cannot see it. "
                "Remove it from the watch list with `/monitor remove`."
            )
        )
    return lines
