"""Show the audit trail, with /audit and in the audit channel."""
