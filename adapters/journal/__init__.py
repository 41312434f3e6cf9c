"""The SQLite journal: incidents, messages on their way, and the audit trail."""
