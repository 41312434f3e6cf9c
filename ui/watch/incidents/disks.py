"""Describe incidents about the disks of VMs, which only the guest agent knows. A part of `text.py`."""

from core.error_codec import from_dict
from core.proxmox_errors import MissingPrivilege
from core.watch.incidents.model import Incident
from ui.formatting import UNSURE, code
from ui.i18n import Text
from ui.messages.errors import WORDS, reason_of
from ui.watch.incidents.names import FEW_NAMES, few_guests, guest_name, guest_names

PRIVILEGE = "VM.GuestAgent.Audit"
"""The privilege to ask a guest agent; Proxmox VE 8 calls it VM.Monitor."""


def unmeasured_text(t: Text, incident: Incident) -> str:
    if len(incident.guests) == 1:
        return t("Disk usage of {guest} is unknown", guest=guest_name(incident.guests[0]))
    return t.plural(
        "Disk usage of {n} guest is unknown: {names}",
        "Disk usage of {n} guests is unknown: {names}",
        len(incident.guests),
        names=few_guests(t, incident.guests),
    )


def unmeasured_short_text(t: Text, incident: Incident) -> str:
    if len(incident.guests) == 1:
        return t("Disk usage of {guest} unknown", guest=guest_name(incident.guests[0]))
    return t.plural(
        "Disk usage of {n} guest unknown", "Disk usage of {n} guests unknown", len(incident.guests)
    )


def unmeasured_notes(t: Text, incident: Incident) -> list[str]:
    """Give the reason and the effect, and name the guests if the first line does not."""
    names = [guest_names(t, incident.guests)] if len(incident.guests) > FEW_NAMES else []
    return [
        *names,
        _reason(t, incident),
        t("The disk threshold is not checked until the guest agent answers."),
    ]


def _reason(t: Text, incident: Incident) -> str:
    error = from_dict(incident.fault.to_dict()) if incident.fault else None
    if isinstance(error, MissingPrivilege):
        privilege = code(error.privilege or PRIVILEGE, 60)
        return t("The API token lacks the privilege {privilege}.", privilege=privilege)
    if error is None:
        if len(incident.guests) > 1 or incident.fault:
            return t("The guest agent does not answer.")
        return t("The guest agent lists no file systems.")
    words = WORDS.get(type(error)) if len(incident.guests) > 1 else None  # the values are those of one guest
    reason = t(words.phrase) if words else reason_of(t, str(error))
    return t("The guest agent does not answer ({reason}).", reason=reason)


def unknown_note(t: Text) -> str:
    """Say below an open alert that its value is not known any more."""
    return f"{UNSURE} {t('Currently unknown: the guest agent cannot be read.')}"
