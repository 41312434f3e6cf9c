"""Send alerts and lines of the audit trail to their channels in Discord, until they arrive or are given up."""
