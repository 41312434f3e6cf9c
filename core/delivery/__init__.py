"""Send alerts and lines of the audit trail to their channels in Discord, in order, until they arrive."""
