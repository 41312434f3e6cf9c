"""Describe incidents about unknown disk usage of VMs, for `text.py` and `details.py`.

Only the guest agent knows how full the disks of a VM are.
"""

from core.error_codec import from_dict
from core.proxmox_errors import MissingPrivilege
from core.watch.incidents.model import Incident
from ui.formatting import UNSURE, code
from ui.i18n import Text
from ui.messages.errors import WORDS, reason_of
from ui.watch.incidents.names import SHORT_MOST, few_guests, guest_name, guest_names, names_all

PRIVILEGE = "VM.GuestAgent.Audit"
"""The privilege to ask a guest agent; Proxmox VE 8 calls it VM.Monitor."""


def unmeasured_text(t: Text, incident: Incident) -> str:
    if len(incident.guests) == 1:
        return t("Disk usage of {guest} is unknown", guest=guest_name(incident.guests[0]))
    return _several_unmeasured(t, incident, few_guests(t, incident.guests))


def _several_unmeasured(t: Text, incident: Incident, names: str) -> str:
    return t.plural(
        "Disk usage of {n} guest is unknown: {names}",
        "Disk usage of {n} guests is unknown: {names}",
        len(incident.guests),
        names=names,
    )


def unmeasured_short_text(t: Text, incident: Incident) -> str:
    if len(incident.guests) == 1:
        return t("Disk usage of {guest} unknown", guest=guest_name(incident.guests[0]))
    return _several_unmeasured(t, incident, guest_names(t, incident.guests, SHORT_MOST))


def unmeasured_notes(t: Text, incident: Incident) -> list[str]:
    """Name the guests if the first line leaves some out, and say why the usage is unknown and what follows."""
    names = [] if names_all(incident.guests) else [guest_names(t, incident.guests)]
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
    # of several guests, the error has the values of the first: take the phrase without values
    words = WORDS.get(type(error)) if len(incident.guests) > 1 else None
    reason = t(words.phrase) if words else reason_of(t, str(error))
    return t("The guest agent does not answer ({reason}).", reason=reason)


def unknown_note(t: Text) -> str:
    """Say below the open alert of a disk threshold that the usage is unknown now."""
    return f"{UNSURE} {t('Currently unknown: the guest agent cannot be read.')}"
