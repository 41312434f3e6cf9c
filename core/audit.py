"""Who asked for what, and what came of it. Proxmox' own log only ever shows the bot's token.

An attempt is one record (refused, planned, or a reading that was answered), or two: asked, written before anything
is sent, and ended. An attempt without its end was cut off with the bot.
"""

import logging
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from core.access import Actor
from core.clock import Clock
from core.errors import JournalFailed

DETAIL_MOST, OUTCOME_MOST = 500, 1000
"""Characters that are kept of what was typed, and of what came of it."""

_log = logging.getLogger("audit")


class Step(StrEnum):
    """How far an attempt has come."""

    REFUSED = "refused"  # nothing was changed; outcome: why
    PLANNED = "planned"  # what would happen was shown, with a question or as a dry run
    ASKED = "asked"  # allowed, and about to be sent
    ENDED = "ended"  # outcome: what came of it


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One step of an attempt. `operation` is an Operation's word, or of what is none, what was asked for.

    `detail`: the options in one line. `guest`, `node` and `state`: its name, node and state before. `reason`: what
    the person typed as one. `upid` is that of the task; `seconds` how long it took.
    """

    step: Step
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


@dataclass(frozen=True, slots=True)
class Audited:
    """A record as it is kept. `attempt` is the id of its attempt's first record; `began` when that was written,
    `at` when this one was (Unix seconds)."""

    id: int
    attempt: int
    began: float
    at: float
    record: AuditRecord


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which attempts are wanted; None and empty mean all. `since`: begun then or later (Unix seconds)."""

    vmid: int | None = None
    person_id: int | None = None
    operation: str = ""
    since: float | None = None


class AuditBook(Protocol):
    """The kept records, to which one can only add. Every method raises JournalFailed when the disk refuses."""

    def audit(self, record: AuditRecord, at: float, attempt: int | None = None) -> int:
        """Add a record, durably; its id. `attempt`: the id of the one it follows."""

    def audited(self, wanted: AuditFilter, offset: int, limit: int) -> tuple[tuple[Audited, ...], int]:
        """The latest record of each attempt, newest attempt first; and how many attempts there are."""

    def audit_people(self, limit: int) -> tuple[tuple[int, str], ...]:
        """Ids and latest names of those who asked for something, the latest first."""

    def audit_prune(self, before: float) -> None:
        """Forget the attempts of which all was written before then (Unix seconds)."""


class Audit(Protocol):
    def record(self, entry: AuditRecord, attempt: int | None = None) -> int | None:
        """Keep it; its id, for the record that follows. Raises JournalFailed for ASKED: what cannot be kept is not
        done. Other steps have happened already, and are in the log at least: then None."""


class KeptAudit:
    """The audit in the journal, and one line a record in the bot's log."""

    def __init__(self, book: AuditBook, clock: Clock) -> None:
        self._book, self._clock = book, clock

    def record(self, entry: AuditRecord, attempt: int | None = None) -> int | None:
        entry = replace(entry, detail=entry.detail[:DETAIL_MOST], outcome=entry.outcome[:OUTCOME_MOST])
        _log.info(
            "%s: %s by %r (%d) by %s in %s on %s %r node=%s state=%s upid=%s outcome=%r %.1fs",
            entry.step,
            entry.operation,
            entry.actor.name,
            entry.actor.user_id,
            entry.actor.way,
            entry.actor.place.channel_id,
            entry.vmid,
            entry.detail,
            entry.node,
            entry.state,
            entry.upid,
            entry.outcome,
            entry.seconds,
        )
        try:
            return self._book.audit(entry, self._clock.now(), attempt)
        except JournalFailed as error:
            if entry.step is Step.ASKED:
                raise
            _log.warning("the audit could not be kept: %s", error.reason)
            return None
