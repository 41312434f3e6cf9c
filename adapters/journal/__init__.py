"""Store incidents, messages, dashboards, records and the audit trail in SQLite: the journal."""
