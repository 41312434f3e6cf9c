"""Store incidents, waiting messages and the audit trail in SQLite: the journal."""
