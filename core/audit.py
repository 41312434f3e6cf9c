"""Who did what: one record per step of an action. Proxmox' own log only ever shows the bot's token."""

import logging
from dataclasses import dataclass
from typing import Protocol

from core.access import Actor

_log = logging.getLogger("audit")


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """`step` is asked (about to be sent), refused, or ended; `outcome` what came of it."""

    step: str
    actor: Actor
    operation: str
    vmid: int
    detail: str = ""
    node: str = ""
    state: str = ""
    upid: str = ""
    outcome: str = ""
    seconds: float = 0.0


class Audit(Protocol):
    def record(self, entry: AuditRecord) -> None: ...


class LogAudit:
    """The first form of the audit: one line a record in the bot's log."""

    def record(self, entry: AuditRecord) -> None:
        _log.info(
            "%s: %s by %r (%d) on %d %r node=%s state=%s upid=%s outcome=%r %.1fs",
            entry.step,
            entry.operation,
            entry.actor.name,
            entry.actor.user_id,
            entry.vmid,
            entry.detail,
            entry.node,
            entry.state,
            entry.upid,
            entry.outcome,
            entry.seconds,
        )
