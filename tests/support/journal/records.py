"""Write single records of the audit trail."""

from adapters.journal.site_journal import SiteJournal
from core.audit.record import AuditRecord
from core.audit.store import NewRecord


def store_record(journal: SiteJournal, record: AuditRecord, at: float, attempt: int | None = None) -> int:
    """Add a record, and return its id."""
    return journal.audit_add_all([NewRecord(record, at, attempt)])[0]
