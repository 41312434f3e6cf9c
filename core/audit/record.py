"""One step of what a person asks for, as the audit trail keeps it."""

from dataclasses import dataclass
from enum import StrEnum

from core.access.policy import Actor


class AuditStep(StrEnum):
    """How far an attempt has come."""

    REFUSED = "refused"  # nothing was changed; outcome: why
    PLANNED = "planned"  # what would happen was shown, with a question or as a dry run
    ASKED = "asked"  # allowed, and nothing was sent yet
    SENDING = "sending"  # the request to Proxmox is on its way
    SENT = "sent"  # Proxmox has taken it; upid: its task
    ENDED = "ended"  # outcome: what came of it


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One step of an attempt. `operation` is an Operation's word, or of what is none, what was asked for.

    `detail`: the options in one line. `guest`, `node` and `state`: its name, node and state before. `reason`: what
    the person typed as one. `upid` is that of the task; `seconds` how long it took. `message_id`: Discord's id of the
    public message that shows how it goes. `times`: how often it was asked for, all of it told by this record.
    """

    step: AuditStep
    actor: Actor
    operation: str
    vmid: int | None = None
    detail: str = ""
    guest: str = ""
    node: str = ""
    state: str = ""
    reason: str = ""
    upid: str = ""
    outcome: str = ""
    seconds: float = 0.0
    message_id: int | None = None
    times: int = 1
