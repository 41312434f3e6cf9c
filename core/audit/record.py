"""Define the record that the audit trail keeps of each step of an attempt. Derive the attempt's result from it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.access.policy import Actor
from core.errors import BotError, Refused
from core.tasks import TaskEnd, end_of

UNKNOWN = "unknown: "
"""Prefix of an outcome when it is not known whether the action was done."""
CUT_OFF = f"{UNKNOWN}cut off"
"""Outcome of an attempt that was running when the bot ended, and whose result could not be found out."""
NOTHING_STARTED = "nothing begun"
"""Outcome of an attempt that ended before anything was begun."""
CANCELLED = "cancelled"
"""Outcome of a question that its asker cancelled."""
NOT_SETTLED = "the task ended well, but the guest is not in the state expected"
"""Follows `UNKNOWN` in the outcome of an action whose guest did not reach the expected state in time."""


class AuditStep(StrEnum):
    """Progress of an attempt."""

    REFUSED = "refused"  # nothing was changed; outcome: the reason
    PLANNED = "planned"  # the plan was shown, or its question was answered with Cancel (outcome: CANCELLED)
    ASKED = "asked"  # allowed, but nothing was sent yet
    SENDING = "sending"  # the request to Proxmox is being sent
    SENT = "sent"  # Proxmox accepted the request; upid: its task
    ENDED = "ended"  # outcome: the result


PRIVATE_MESSAGE = 0
"""The `message_id` of an attempt whose answer only its person sees. Another run of the bot cannot edit it."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One step of an attempt.

    `operation`: the word of an `Operation`, `VARIOUS` (core/audit/folding.py), or the request as it came in (such as
    a custom_id).
    `detail`: the options in one line. `guest`, `node`, `state`: name, node and state of the guest before the attempt.
    `reason`: as the person typed it. `upid`: the task's UPID. `seconds`: duration of the action.
    `message_id`: Discord's id of the public progress message; PRIVATE_MESSAGE if only the person sees the answer.
    `times`: number of repeated requests that this record stands for.
    `interaction_id`: Discord's id of the interaction, for repeats that of the first. Log lines written during the
    interaction show the same id. None in records of earlier versions, and in a record that stands for different
    requests.
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
    interaction_id: int | None = None


def format_options(given: Mapping[str, object]) -> str:
    """Return `name=value` for each given option. None, "" and False count as not given, the number 0 as given."""
    return " ".join(
        f"{name}={value}"
        for name, value in given.items()
        if value is not None and value is not False and value != ""
    )


class Ending(StrEnum):
    """Result of an attempt according to its latest record."""

    DONE = "done"
    WARNINGS = "warnings"  # done, with warnings from Proxmox
    FAILED = "failed"
    UNKNOWN = "unknown"  # done or not
    REFUSED = "refused"
    SHOWN = "shown"  # only the plan was shown
    UNFINISHED = "unfinished"  # no result yet
    CUT_OFF = "cut_off"  # the bot ended during it
    CANCELLED = "cancelled"  # cancelled by the asker before anything was done


_STEPS = {AuditStep.REFUSED: Ending.REFUSED, AuditStep.PLANNED: Ending.SHOWN}
_TASKS = {TaskEnd.OK: Ending.DONE, TaskEnd.WARNINGS: Ending.WARNINGS, TaskEnd.ERROR: Ending.FAILED}


def ending_of(record: AuditRecord) -> Ending:
    """Return the result that this record, the latest of its attempt, stands for."""
    if record.outcome == CANCELLED:
        return Ending.CANCELLED
    if record.step is not AuditStep.ENDED:
        return _STEPS.get(record.step, Ending.UNFINISHED)
    if record.outcome == CUT_OFF:
        return Ending.CUT_OFF
    if record.outcome.startswith(UNKNOWN) or record.outcome in (TaskEnd.VANISHED, TaskEnd.LOST):
        return Ending.UNKNOWN
    return _TASKS[end_of(record.outcome)]


def failure_step(error: BaseException) -> AuditStep:
    """Return the step that records an attempt ended by this error: REFUSED for a refusal, else ENDED."""
    return AuditStep.REFUSED if isinstance(error, Refused) else AuditStep.ENDED


def outcome_of(error: BaseException) -> str:
    """Return the outcome of an attempt that ended in an error.

    For a cancellation that is `NOTHING_STARTED`. An unexpected error is named by its class alone, because its text
    may contain a secret. The log has the text.
    """
    if isinstance(error, asyncio.CancelledError):
        return NOTHING_STARTED
    return str(error) if isinstance(error, BotError) else type(error).__name__
