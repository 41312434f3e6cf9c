"""Define the record that the audit trail keeps of each step of an attempt."""

from dataclasses import dataclass
from enum import StrEnum

from core.access.policy import Actor


class AuditStep(StrEnum):
    """Progress of an attempt."""

    REFUSED = "refused"  # nothing was changed; outcome: the reason
    PLANNED = "planned"  # the plan was shown, with a question or as a dry run
    ASKED = "asked"  # allowed, but nothing was sent yet
    SENDING = "sending"  # the request to Proxmox is being sent
    SENT = "sent"  # Proxmox accepted the request; upid: its task
    ENDED = "ended"  # outcome: the result


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One step of an attempt.

    `operation`: the word of an `Operation`, otherwise the request as it came in (such as a custom_id).
    `detail`: the options in one line. `guest`, `node`, `state`: name, node and state of the guest before.
    `reason`: as the person typed it. `upid`: the task's UPID. `seconds`: duration of the action.
    `message_id`: Discord's id of the public progress message.
    `times`: number of repeated requests that this record stands for.
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
