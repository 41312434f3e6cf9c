"""Complete a record of the audit trail, and write its line in the log."""

import logging
from dataclasses import replace

from core.audit.measures import interaction_id
from core.audit.record import AuditRecord

DETAIL_MOST, OUTCOME_MOST = 500, 1000
"""Characters kept of the detail, and of the outcome."""

_log = logging.getLogger("audit")


def completed(record: AuditRecord) -> AuditRecord:
    """Cut the texts, and note the interaction that is being answered."""
    return replace(
        record,
        detail=record.detail[:DETAIL_MOST],
        outcome=record.outcome[:OUTCOME_MOST],
        interaction_id=record.interaction_id or interaction_id.get() or None,
    )


def log_line(record: AuditRecord) -> None:
    _log.info(
        "%s: %s by %r (%d) by %s in %s on %s %r node=%s state=%s upid=%s outcome=%r %.1fs x%d interaction=%s",
        record.step,
        record.operation,
        record.actor.name,
        record.actor.user_id,
        record.actor.interaction_kind,
        record.actor.place.channel_id,
        record.vmid,
        record.detail,
        record.node,
        record.state,
        record.upid,
        record.outcome,
        record.seconds,
        record.times,
        record.interaction_id,
    )
