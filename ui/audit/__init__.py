"""/audit, and the audit channel."""
