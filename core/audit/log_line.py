"""Complete a record of the audit trail, and write its line in the log."""

import logging
from dataclasses import replace

from core.audit.measures import interaction_id
from core.audit.record import AuditRecord

DETAIL_MOST, OUTCOME_MOST = 500, 1000
"""Characters kept of the typed text, and of the outcome."""

_log = logging.getLogger("audit")


def completed(entry: AuditRecord) -> AuditRecord:
    """Cut the texts, and note the interaction that is being answered."""
    return replace(
        entry,
        detail=entry.detail[:DETAIL_MOST],
        outcome=entry.outcome[:OUTCOME_MOST],
        interaction_id=entry.interaction_id or interaction_id.get() or None,
    )


def log_line(entry: AuditRecord) -> None:
    _log.info(
        "%s: %s by %r (%d) by %s in %s on %s %r node=%s state=%s upid=%s outcome=%r %.1fs x%d interaction=%s",
        entry.step,
        entry.operation,
        entry.actor.name,
        entry.actor.user_id,
        entry.actor.interaction_kind,
        entry.actor.place.channel_id,
        entry.vmid,
        entry.detail,
        entry.node,
        entry.state,
        entry.upid,
        entry.outcome,
        entry.seconds,
        entry.times,
        entry.interaction_id,
    )
